//! Images that cannot be booted yet, or never: which ones the state machine waits for.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use harness::Scenario;
use harness::cloud::Called;
use serde_json::json;

use crate::support::{control, expect, promotable, promote};

trials![
    an_image_that_was_deregistered_is_looked_for_again_and_then_named,
    a_disabled_image_is_passed_over_for_the_newest_that_passes;
    only here, "only AWS itself changes what an image is":
    a_pending_image_is_waited_for,
];

async fn an_image_that_was_deregistered_is_looked_for_again_and_then_named(
    s: &Scenario,
) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let before = parameter.read().await?;
    let gone = s.cloud().ec2.deregister_image().image_id(&image).send().await;
    gone.called("ec2:DeregisterImage")?;
    let ended = promote(s, &image).await?;
    // On AWS it may be seen for a while still, in a state that does not pass.
    if ended.error.as_deref() == Some(ErrorName::PromotionFailed.as_str()) {
        let target = expect::target(&ended, Outcome::Failed)?;
        expect::error(&ended, &target, ErrorName::ImageRejected)?;
    } else {
        let cause = expect::failure(&ended, ErrorName::ImageNotFound)?;
        ensure!(cause.contains(&image), "{cause}");
        ensure!(expect::attempts(&ended, ErrorName::ImageNotFound) > 1, "{:#?}", ended.transcript);
    }
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn a_disabled_image_is_passed_over_for_the_newest_that_passes(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let older = s.backup(&healing.instance).await?;
    let newer = s.backup(&healing.instance).await?;
    let disabled = s.cloud().ec2.disable_image().image_id(&newer.image).send().await;
    disabled.called("ec2:DisableImage")?;
    let ended = s.driftless.send(&newer.event()).await?.ended().await?;
    let report = expect::report(&ended, Outcome::Promoted)?;
    let because = format!("not a newer image because {}: state is disabled", newer.image);
    ensure!(report.summary.contains(&because), "no {because:?} in {:?}", report.summary);
    let target = expect::only(report.targets)?;
    expect::promoted(&target, &healing, &older.image)?;
    let rejected = expect::only(expect::only(target.images)?.rejected.rows)?;
    ensure!(rejected.image_id.as_str() == newer.image, "{rejected:#?}");
    let verdict = expect::only(rejected.failed)?;
    let row = [verdict.check, verdict.expected, verdict.actual];
    ensure!(row == ["state", "available", "disabled"] && !verdict.passed, "{row:?}");
    ensure!(parameter.read().await?.value == older.image, "the parameter is another");
    Ok(())
}

async fn a_pending_image_is_waited_for(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let control = control(s)?;
    control.adjust_image(&image, &json!({"State": "pending"})).await?;
    let execution = s.driftless.start(&json!({"imageId": image})).await?;
    execution.attempted("ValidateAmi", ErrorName::ImagePending).await?;
    control.adjust_image(&image, &json!({"State": "available"})).await?;
    let ended = execution.ended().await?;
    expect::target(&ended, Outcome::Promoted)?;
    ensure!(parameter.read().await?.value == image, "the parameter is another");
    Ok(())
}
