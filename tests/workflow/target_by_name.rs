//! An input that names a target: its newest image that passes, as elsewhere.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::target::TAG_PARAMETER_KEY;
use harness::Scenario;
use harness::cloud::Called;
use serde_json::json;

use crate::support::expect;
use crate::support::two_groups::TwoGroups;

trials![
    the_newest_image_of_a_parameter_that_passes_is_promoted,
    one_image_parameter_of_a_stack_is_promoted,
    a_dry_run_plans_and_an_older_image_is_put_back_only_when_the_input_says_so,
    a_name_that_nothing_bears_is_refused_with_what_was_found,
];

async fn the_newest_image_of_a_parameter_that_passes_is_promoted(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let older = s.backup(&healing.instance).await?;
    let newest = s.backup(&healing.instance).await?;
    let disabled = s.cloud().ec2.disable_image().image_id(&newest.image).send().await;
    disabled.called("ec2:DisableImage")?;
    let input = json!({"target": {"parameterName": parameter.name}});
    let ended = s.driftless.start(&input).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &older.image)?;
    expect::heals_into(&healing, &older.image).await
}

async fn one_image_parameter_of_a_stack_is_promoted(s: &Scenario) -> Result<()> {
    let both = TwoGroups::new(s).await?;
    let web = [(TAG_PARAMETER_KEY, "WebImageId")];
    let web = s.backup_with(&both.web_instance, &web).await?.image;
    let worker = [(TAG_PARAMETER_KEY, "WorkerImageId")];
    s.backup_with(&both.worker_instance, &worker).await?;
    let target = json!({"stackName": both.stack.name, "parameterKey": "WebImageId"});
    let ended = s.driftless.start(&json!({"target": target})).await?.ended().await?;
    expect::report(&ended, Outcome::Promoted)?;
    both.heal_into(&web, &both.base).await
}

async fn a_dry_run_plans_and_an_older_image_is_put_back_only_when_the_input_says_so(
    s: &Scenario,
) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let name = &healing.stack.name;
    let run = async |more: serde_json::Value| {
        let mut input = json!({"target": {"stackName": name}});
        input.as_object_mut().into_iter().for_each(|fields| {
            fields.extend(more.as_object().cloned().unwrap_or_default());
        });
        s.driftless.start(&input).await?.ended().await
    };
    let planned = run(json!({"dryRun": true})).await?;
    expect::target(&planned, Outcome::Planned)?;
    ensure!(healing.stack.updates().await? == 0, "it was updated");

    // A newer image that is no candidate is in place.
    let newer = s.image(&[]).await?;
    healing.stack.start_update(&[("ImageId", &newer)]).await?;
    healing.stack.settled().await?;
    let kept = expect::target(&run(json!({})).await?, Outcome::Unchanged)?;
    ensure!(kept.outcome == TargetOutcome::Superseded, "{kept:#?}");
    let put_back = expect::target(&run(json!({"allowOlder": true})).await?, Outcome::Promoted)?;
    ensure!(put_back.outcome == TargetOutcome::Updated, "{put_back:#?}");
    expect::heals_into(&healing, &backup.image).await
}

async fn a_name_that_nothing_bears_is_refused_with_what_was_found(s: &Scenario) -> Result<()> {
    let (parameter, stack) = (s.driftless.parameter_name(), s.driftless.stack_name());
    for (input, path, name) in [
        (json!({"target": {"parameterName": parameter}}), "target.parameterName", parameter),
        (json!({"target": {"stackName": stack}}), "target.stackName", stack),
    ] {
        let ended = s.driftless.start(&input).await?.ended().await?;
        let cause = expect::failure(&ended, ErrorName::InvalidInput)?;
        ensure!(cause.starts_with(&format!("{path}: expected")), "{cause}");
        ensure!(cause.ends_with(&format!("found {name:?}")), "{cause}");
    }
    Ok(())
}
