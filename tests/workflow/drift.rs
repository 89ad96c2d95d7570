//! Drift that a promotion causes, and drift that existed before it.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::steps::DriftStatus;
use harness::cloud::Called;
use harness::{Scenario, What};

use serde_json::json;

use crate::support::deployed::careful;
use crate::support::{control, expect};

trials![
    an_image_that_is_disabled_meanwhile_is_found_out;
    only here, "it needs a Driftless with other parameters":
    drift_that_was_there_before_is_reported_as_such,
    a_detection_that_was_throttled_is_started_again,
    a_changed_resource_is_drift_whatever_the_stacks_status_is,
];

/// coverage-roadmap#801: the reason of a detection that AWS throttled.
async fn a_detection_that_was_throttled_is_started_again(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let stack = &healing.stack.name;
    control(s)?.decide_drift(stack, &json!({"failure": "Rate exceeded"})).await?;
    let detection = s.hold(What::Drift, stack).await?;
    let execution = s.driftless.send(&backup.event()).await?;
    // It is this one that fails; the next one is as usual.
    detection.caught().await?;
    detection.release().await?;
    let target = expect::target(&execution.ended().await?, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)
}

/// coverage-roadmap#2283: the stack's summary is `IN_SYNC` while rows are `MODIFIED`.
async fn a_changed_resource_is_drift_whatever_the_stacks_status_is(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    healing.group.enlarge().await?;
    let in_sync = json!({"status": "IN_SYNC"});
    control(s)?.decide_drift(&healing.stack.name, &in_sync).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::DriftDetected)?;
    expect::mentions(message, ["IN_SYNC with differences", "/MaxSize"])
}

async fn an_image_that_is_disabled_meanwhile_is_found_out(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let detection = s.hold(What::Drift, &healing.stack.name).await?;
    let execution = s.driftless.send(&backup.event()).await?;
    // Validated and written; whether it can be booted is checked when the detection has ended.
    execution.entered("DetectDrift").await?;
    let disabled = s.cloud().ec2.disable_image().image_id(&backup.image).send().await;
    disabled.called("ec2:DisableImage")?;
    detection.release().await?;

    let ended = execution.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::LaunchImageUnavailable)?;
    ensure!(message.contains(&backup.image) && message.contains("disabled"), "{message}");
    let group = expect::only(target.groups.rows)?;
    ensure!(group.image_state.as_deref() == Some("disabled"), "{group:#?}");
    Ok(())
}

async fn drift_that_was_there_before_is_reported_as_such(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    // Not by stack: an update of the group would take the difference away.
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    healing.group.enlarge().await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    ensure!(target.outcome == TargetOutcome::Updated && target.error.is_none(), "{target:#?}");
    let drift = expect::drift(&target)?;
    ensure!(drift.status == DriftStatus::Drifted, "{drift:#?}");
    let difference = expect::only(drift.differences.to_vec())?;
    ensure!(difference.path == "/MaxSize" && difference.before, "{difference:#?}");
    let group = expect::only(target.groups.rows)?;
    ensure!(group.boots.as_ref() == Some(&backup.image), "{group:#?}");
    let healed = healing.group.heal().await?;
    ensure!(healed.image == backup.image, "healed into {}", healed.image);
    Ok(())
}
