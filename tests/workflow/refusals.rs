//! Stacks that cannot take an image, and updates that fail.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use contract::target::{TAG_PARAMETER_KEY, TAG_STACK_NAME};
use harness::{Scenario, Stack};

use crate::support::{expect, promote_in_vain};

trials![
    an_update_that_fails_is_rolled_back_and_reported_with_the_resource,
    a_stack_without_the_parameter_is_reported_with_those_it_has,
    an_unknown_stack_is_reported,
    a_stack_that_cannot_be_updated_is_reported_with_its_state,
];

pub async fn an_update_that_fails_is_rolled_back_and_reported_with_the_resource(
    s: &Scenario,
) -> Result<()> {
    // Auto Scaling refuses the group's update for its UpdatePolicy, whatever the image is.
    let healing = s.stack_pattern_from("no-room").await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::StackUpdateFailed)?;
    expect::mentions(message, ["UPDATE_ROLLBACK_COMPLETE", "Group", "MinInstancesInService"])?;
    let decision = expect::only(target.images)?;
    ensure!(decision.before.expose() == healing.base, "{decision:#?}");
    ensure!(healing.stack.status().await? == "UPDATE_ROLLBACK_COMPLETE", "not rolled back");
    ensure!(healing.stack.parameter("ImageId").await? == healing.base, "not rolled back");
    expect::heals_into(&healing, &healing.base).await
}

async fn a_stack_without_the_parameter_is_reported_with_those_it_has(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup_with(&healing.instance, &[(TAG_PARAMETER_KEY, "GoldenImage")]).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ParameterKeyNotFound)?;
    expect::mentions(message, [healing.stack.name.as_str(), "GoldenImage", "ImageId"])?;
    ensure!(healing.stack.updates().await? == 0, "it was updated");
    Ok(())
}

async fn an_unknown_stack_is_reported(s: &Scenario) -> Result<()> {
    let name = s.driftless.stack_name();
    let (ended, target) = promote_in_vain(s, &[(TAG_STACK_NAME, &name)]).await?;
    let message = expect::error(&ended, &target, ErrorName::StackNotFound)?;
    ensure!(message.contains(&name), "{message}");
    Ok(())
}

async fn a_stack_that_cannot_be_updated_is_reported_with_its_state(s: &Scenario) -> Result<()> {
    let name = s.driftless.stack_name();
    let missing = [("ImageId", "ami-0aaaaaaaaaaaaaaa0")];
    ensure!(s.stack_called(&name, "stack", &missing).await.is_err(), "made of an unknown image");
    let stack = Stack::by_name(s.cloud(), &name);
    ensure!(stack.status().await? == "ROLLBACK_COMPLETE", "{}", stack.status().await?);

    let (ended, target) = promote_in_vain(s, &[(TAG_STACK_NAME, &name)]).await?;
    let message = expect::error(&ended, &target, ErrorName::StackNotUpdatable)?;
    ensure!(message.contains("ROLLBACK_COMPLETE"), "{message}");
    Ok(())
}
