//! Images that are not ready to be booted, or never will be.

use std::cell::Cell;

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use contract::target::TAG_PARAMETER_NAME;
use futures_util::future::try_join;
use harness::cloud::Called;
use harness::control::Control;
use harness::execution::Moment;
use harness::image::Parameter;
use harness::{Ended, Scenario, image, wait};
use serde_json::{Value, json};

use crate::expect;

trials![
    an_image_that_was_deregistered_is_looked_for_again_and_then_named,
    a_disabled_image_is_rejected_with_the_verdict,
    a_disabled_image_is_passed_over_for_the_newest_that_passes;
    only here, "only AWS itself changes what an image is":
    a_pending_image_is_waited_for,
    a_failed_image_is_rejected_with_the_verdict,
    an_image_of_another_architecture_is_rejected_with_the_verdict,
];

/// A parameter with the base image, and an image that is meant for it.
async fn promotable(s: &Scenario) -> Result<(Parameter, String)> {
    let parameter = s.parameter(&image::base(s.cloud()).await?).await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    Ok((parameter, image))
}

async fn promote(s: &Scenario, image: &str) -> Result<Ended> {
    s.driftless.start(&json!({"imageId": image})).await?.ended().await
}

fn control(s: &Scenario) -> Result<Control> {
    s.cloud().control().context("a local AWS has a control API")
}

/// An image like this must not get into a parameter, and the verdict says why.
async fn is_rejected(
    s: &Scenario,
    image: &str,
    parameter: &Parameter,
    verdict: &str,
) -> Result<()> {
    let before = parameter.read().await?;
    let ended = promote(s, image).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ImageRejected)?;
    for named in [image, verdict] {
        ensure!(message.contains(named), "no {named:?} in {message:?}");
    }
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

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

async fn a_disabled_image_is_rejected_with_the_verdict(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let disabled = s.cloud().ec2.disable_image().image_id(&image).send().await;
    disabled.called("ec2:DisableImage")?;
    is_rejected(s, &image, &parameter, "state is disabled, not available").await
}

async fn a_disabled_image_is_passed_over_for_the_newest_that_passes(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.by_parameter().await?;
    let older = s.backup(&healing.instance).await?;
    let newer = s.backup(&healing.instance).await?;
    let disabled = s.cloud().ec2.disable_image().image_id(&newer.image).send().await;
    disabled.called("ec2:DisableImage")?;
    let ended = s.driftless.send(&older.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &older.image)?;
    ensure!(parameter.read().await?.value == older.image, "the parameter is another");
    Ok(())
}

async fn a_pending_image_is_waited_for(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let control = control(s)?;
    control.adjust_image(&image, &json!({"State": "pending"})).await?;
    let execution = s.driftless.start(&json!({"imageId": image})).await?;
    let waits = Cell::new(false);
    let followed = execution.follow(|moment| {
        let is_pending = |error: &str| error == ErrorName::ImagePending.as_str();
        if matches!(moment, Moment::Failed { error, .. } if is_pending(error)) {
            waits.set(true);
        }
    });
    let what = format!("{} to wait for {image}", execution.arn);
    let available = async {
        let waiting = async || Ok(waits.get().then_some(()));
        wait::until(s.cloud(), wait::EXECUTION, &what, waiting).await?;
        control.adjust_image(&image, &json!({"State": "available"})).await
    };
    let (ended, ()) = try_join(followed, available).await?;
    expect::target(&ended, Outcome::Promoted)?;
    ensure!(parameter.read().await?.value == image, "the parameter is another");
    Ok(())
}

async fn a_failed_image_is_rejected_with_the_verdict(s: &Scenario) -> Result<()> {
    let members = json!({"State": "failed", "StateReason": {
        "Code": "Client.SnapshotError", "Message": "the snapshot failed"}});
    adjusted_is_rejected(s, &members, "state is failed, not available").await
}

async fn an_image_of_another_architecture_is_rejected_with_the_verdict(s: &Scenario) -> Result<()> {
    let members = json!({"Architecture": "arm64"});
    adjusted_is_rejected(s, &members, "architecture is arm64, not x86_64").await
}

async fn adjusted_is_rejected(s: &Scenario, members: &Value, verdict: &str) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    control(s)?.adjust_image(&image, members).await?;
    is_rejected(s, &image, &parameter, verdict).await
}
