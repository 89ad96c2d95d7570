//! A promotion is proved: the stack in sync, **and** its group booting the image. Either may fail.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use harness::cloud::Called;
use harness::{Scenario, image, naive};

use crate::support::expect;

trials![
    drift_made_by_hand_is_reported_with_the_difference,
    a_launch_template_changed_by_hand_is_drift,
    a_template_that_ignores_the_parameter_is_found_out,
];

async fn drift_made_by_hand_is_reported_with_the_difference(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let update = s.cloud().autoscaling.update_auto_scaling_group();
    let update = update.auto_scaling_group_name(&healing.group.name).max_size(2);
    update.send().await.called("autoscaling:UpdateAutoScalingGroup")?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::DriftDetected)?;
    ensure!(message.contains("/MaxSize"), "{message}");
    let drift = expect::only(target.drift)?;
    ensure!(drift.status.as_deref() == Some("DRIFTED"), "{drift:#?}");
    let found = expect::only(drift.differences)?;
    let found = [found.logical_id, found.path, found.expected, found.actual];
    ensure!(found == ["Group", "/MaxSize", "1", "2"], "{found:?}");
    // The promotion itself is not undone: the drift is another matter, for a person.
    ensure!(parameter.read().await?.value == backup.image, "the parameter is another");
    Ok(())
}

async fn a_launch_template_changed_by_hand_is_drift(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    expect::target(&s.driftless.send(&backup.event()).await?.ended().await?, Outcome::Promoted)?;
    let other = s.image(&[]).await?;
    naive::promote(s.cloud(), &healing.group, &other).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::DriftDetected)?;
    ensure!(message.contains("/LaunchTemplate/Version"), "{message}");
    // Both halves of the proof fail, and both are reported.
    let group = expect::only(target.groups)?;
    ensure!(group.expected.as_str() == backup.image, "{group:#?}");
    ensure!(group.boots.as_ref() == Some(&other), "{group:#?}");
    Ok(())
}

async fn a_template_that_ignores_the_parameter_is_found_out(s: &Scenario) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let parameters = [("ImageId", base.as_str()), ("OtherImageId", base.as_str())];
    let stack = s.stack("ignores-image", &parameters).await?;
    let instance = stack.group().await?.instance().await?;
    let backup = s.backup(&instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::LaunchImageMismatch)?;
    expect::mentions(message, [&base, &backup.image])?;
    // CloudFormation alone would have called this a success.
    let drift = expect::only(target.drift)?;
    ensure!(drift.status.as_deref() == Some("IN_SYNC"), "{drift:#?}");
    ensure!(stack.parameter("ImageId").await? == backup.image, "the update did not happen");
    Ok(())
}
