//! Instance refreshes: only where one is asked for, and never a second one.

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetReport};
use contract::steps::RefreshPhase;
use contract::target::TAG_INSTANCE_REFRESH;
use harness::cloud::Called;
use harness::scenario::AutoHealingStack;
use harness::{Scenario, What};
use serde_json::json;

use crate::support::expect;

trials![
    the_tag_has_the_running_instance_replaced,
    the_input_has_the_running_instance_replaced,
    instances_that_cloudformation_has_replaced_are_left_alone,
    a_refresh_that_fails_is_reported_with_its_reason;
    only here, "only a local AWS begins a refresh late":
    a_refresh_that_runs_already_is_adopted,
];

async fn the_tag_has_the_running_instance_replaced(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup_with(&healing.instance, &[(TAG_INSTANCE_REFRESH, "true")]).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    is_replaced(s, &healing, &backup.image, &target, true).await
}

pub async fn the_input_has_the_running_instance_replaced(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let input = json!({"imageId": backup.image, "instanceRefresh": true});
    let ended = s.driftless.start(&input).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    is_replaced(s, &healing, &backup.image, &target, true).await
}

pub async fn instances_that_cloudformation_has_replaced_are_left_alone(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern_from("refreshing").await?;
    let backup = s.backup(&healing.instance).await?;
    let input = json!({"imageId": backup.image, "instanceRefresh": true});
    let ended = s.driftless.start(&input).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    is_replaced(s, &healing, &backup.image, &target, false).await
}

/// The running instance has been replaced, by one refresh, by one that booted the image.
async fn is_replaced(
    s: &Scenario,
    healing: &AutoHealingStack,
    image: &str,
    target: &TargetReport,
    was_needed: bool,
) -> Result<()> {
    expect::promoted(target, healing, image)?;
    let [refresh] = target.refresh.as_slice() else { anyhow::bail!("not one group: {target:#?}") };
    ensure!(refresh.group_name == healing.group.name, "{refresh:#?}");
    let is_needed = matches!(refresh.phase, RefreshPhase::Settled { .. });
    let is_settled = is_needed || refresh.phase == RefreshPhase::NotNeeded {};
    ensure!(is_settled && is_needed == was_needed, "{refresh:#?}");
    let instance = healing.group.instance().await?;
    ensure!(instance.id != healing.instance.id, "the instance is still the same");
    ensure!(instance.image == image, "it runs {}, not {image}", instance.image);
    let request = s.cloud().autoscaling.describe_instance_refreshes();
    let refreshes = request.auto_scaling_group_name(&healing.group.name).send().await;
    let refreshes = refreshes.called("autoscaling:DescribeInstanceRefreshes")?;
    ensure!(refreshes.instance_refreshes().len() == 1, "{refreshes:#?}");
    expect::in_sync(&healing.stack).await
}

async fn a_refresh_that_fails_is_reported_with_its_reason(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let input = json!({"imageId": backup.image, "instanceRefresh": true});
    let begun = s.hold(What::Refresh, &healing.group.name).await?;
    let execution = s.driftless.start(&input).await?;
    // Nothing can be launched from it any more, which only the refresh finds out.
    execution.entered("InstanceRefresh").await?;
    begun.caught().await?;
    let disabled = s.cloud().ec2.disable_image().image_id(&backup.image).send().await;
    disabled.called("ec2:DisableImage")?;
    begun.release().await?;

    let ended = execution.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::InstanceRefreshFailed)?;
    expect::mentions(message, [healing.group.name.as_str(), "Failed", "could not be launched"])?;
    let refresh = expect::only(target.refresh)?;
    ensure!(matches!(refresh.phase, RefreshPhase::Running { adopted: false, .. }), "{refresh:#?}");
    // The promotion itself is kept.
    ensure!(healing.stack.parameter("ImageId").await? == backup.image, "the parameter is another");
    Ok(())
}

async fn a_refresh_that_runs_already_is_adopted(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup_with(&healing.instance, &[(TAG_INSTANCE_REFRESH, "true")]).await?;
    // Somebody's own, which begins so late that it boots what is being promoted.
    let begins = s.hold(What::Refresh, &healing.group.name).await?;
    let request = s.cloud().autoscaling.start_instance_refresh();
    let started = request.auto_scaling_group_name(&healing.group.name).send().await;
    let id = started.called("autoscaling:StartInstanceRefresh")?.instance_refresh_id;
    let execution = s.driftless.send(&backup.event()).await?;
    // It has found it.
    execution.entered("WaitForRefresh").await?;
    begins.release().await?;

    let ended = execution.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    is_replaced(s, &healing, &backup.image, &target, true).await?;
    let refresh = expect::only(target.refresh)?;
    let id = id.context("the refresh has no ID")?;
    ensure!(refresh.phase == RefreshPhase::Settled { refresh_id: id }, "{refresh:#?}");
    Ok(())
}
