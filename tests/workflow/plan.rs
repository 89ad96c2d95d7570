//! Plans: what a promotion would do, reported before anything is written.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome, TargetReport};
use contract::steps::{DecisionOutcome, PlannedChange, WritePhase};
use harness::cloud::Called;
use harness::scenario::AutoHealingStack;
use harness::{Ended, Scenario, Stack, paths, unique};
use serde_json::json;

use crate::refusals::with_service_role;
use crate::support::deployed::careful;
use crate::support::expect;

trials![
    a_plan_of_a_parameter_tells_the_difference_and_writes_nothing,
    a_plan_of_a_stack_lists_what_would_change_and_leaves_nothing_behind,
    a_plan_of_what_is_in_place_already_is_unchanged,
    a_plan_that_touches_more_says_what_else;
    only here, "it needs a Driftless with other parameters, or a service role":
    a_group_that_its_update_policy_replaces_is_named_and_proved,
    an_update_that_would_touch_more_is_refused_before_it_starts,
    an_update_that_touches_no_more_is_planned_and_made,
];

/// The states that a plan must not enter.
const WRITES: [&str; 3] = ["PromoteSsm", "UpdateStack", "InstanceRefresh"];

async fn plan(s: &Scenario, image: &str) -> Result<Ended> {
    s.driftless.start(&json!({"imageId": image, "dryRun": true})).await?.ended().await
}

/// The report on a plan that would put this image in place.
pub fn planned(target: &TargetReport, healing: &AutoHealingStack, image: &str) -> Result<()> {
    ensure!(target.outcome == TargetOutcome::Planned && target.error.is_none(), "{target:#?}");
    let [decision] = target.images.as_slice() else { anyhow::bail!("not one: {target:#?}") };
    ensure!(decision.outcome == DecisionOutcome::Promote, "{decision:#?}");
    ensure!(
        decision.before.expose() == healing.base && decision.after.as_str() == image,
        "{decision:#?}"
    );
    ensure!(
        target.writes.iter().all(|write| write.phase == WritePhase::NotStarted {}),
        "it was written: {target:#?}"
    );
    Ok(())
}

/// The two changes that a new image makes to a stack, and no other.
pub fn changes_no_more(plan: &[PlannedChange]) -> Result<()> {
    let mut found: Vec<_> = plan
        .iter()
        .map(|change| {
            let replacement = change.replacement.as_deref().unwrap_or_default();
            let what = format!("{} {} {replacement}", change.action, change.logical_id);
            (what, change.properties.join(","))
        })
        .collect();
    found.sort();
    let expected = [
        ("Modify Group Conditional", "LaunchTemplate"),
        ("Modify LaunchTemplate False", "LaunchTemplateData"),
    ];
    let expected = expected.map(|(what, properties)| (what.to_owned(), properties.to_owned()));
    ensure!(found == expected, "{plan:#?}");
    Ok(())
}

/// Every change set of the stack is gone.
pub async fn has_no_change_set(s: &Scenario, stack: &Stack) -> Result<()> {
    let request = s.cloud().cloudformation.list_change_sets().stack_name(&stack.name);
    let left = request.send().await.called("cloudformation:ListChangeSets")?;
    ensure!(left.summaries().is_empty(), "left behind: {left:#?}");
    Ok(())
}

async fn a_plan_of_a_parameter_tells_the_difference_and_writes_nothing(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let before = parameter.read().await?;
    let ended = plan(s, &backup.image).await?;

    planned(&expect::target(&ended, Outcome::Planned)?, &healing, &backup.image)?;
    for state in WRITES {
        ensure!(expect::times(&ended, state) == 0, "{:#?}", ended.transcript);
    }
    ensure!(parameter.read().await? == before, "it was written");
    expect::heals_into(&healing, &healing.base).await
}

async fn a_plan_of_a_stack_lists_what_would_change_and_leaves_nothing_behind(
    s: &Scenario,
) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = plan(s, &backup.image).await?;

    let target = expect::target(&ended, Outcome::Planned)?;
    planned(&target, &healing, &backup.image)?;
    changes_no_more(&target.plan.rows)?;
    for state in WRITES {
        ensure!(expect::times(&ended, state) == 0, "{:#?}", ended.transcript);
    }
    ensure!(healing.stack.updates().await? == 0, "it was updated");
    has_no_change_set(s, &healing.stack).await?;
    expect::heals_into(&healing, &healing.base).await
}

async fn a_plan_of_what_is_in_place_already_is_unchanged(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    expect::target(&s.driftless.send(&backup.event()).await?.ended().await?, Outcome::Promoted)?;
    let ended = plan(s, &backup.image).await?;
    let target = expect::target(&ended, Outcome::Unchanged)?;
    ensure!(
        target.outcome == TargetOutcome::Unchanged && target.plan.rows.is_empty(),
        "{target:#?}"
    );
    // A plan starts nothing that takes time.
    ensure!(expect::times(&ended, "DetectDrift") == 0, "{:#?}", ended.transcript);
    Ok(())
}

async fn a_plan_that_touches_more_says_what_else(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern_from("touches-more").await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = plan(s, &backup.image).await?;
    says_what_else(s, &healing, &ended).await
}

/// buildkite/elastic-ci-stack-for-aws#764, coverage-roadmap#1475.
async fn a_group_that_its_update_policy_replaces_is_named_and_proved(s: &Scenario) -> Result<()> {
    const GROUP: &str = "    Type: AWS::AutoScaling::AutoScalingGroup\n";
    const POLICY: &str =
        "    UpdatePolicy:\n      AutoScalingReplacingUpdate:\n        WillReplace: true\n";
    let template = paths::fixture("stacks/stack.yaml")?;
    ensure!(template.matches(GROUP).count() == 1, "not one group");
    let template = template.replace(GROUP, &format!("{GROUP}{POLICY}"));
    let (healing, _) = with_service_role(s, &unique("service"), &template).await?;
    let backup = s.backup(&healing.instance).await?;

    let planned = plan(s, &backup.image).await?;
    let target = expect::target(&planned, Outcome::Failed)?;
    let message = expect::error(&planned, &target, ErrorName::PlanTouchesMore)?;
    expect::mentions(message, ["Group", "AutoScalingReplacingUpdate"])?;

    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    let group = expect::only(target.groups.rows)?;
    ensure!(group.group_name != healing.group.name, "it was not replaced");
    ensure!(group.group_name == healing.stack.resource("Group").await?, "{group:#?}");
    ensure!(group.boots.as_ref() == Some(&backup.image), "{group:#?}");
    Ok(())
}

async fn an_update_that_would_touch_more_is_refused_before_it_starts(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let healing = s.stack_pattern_from("touches-more").await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    says_what_else(s, &healing, &ended).await
}

async fn says_what_else(s: &Scenario, healing: &AutoHealingStack, ended: &Ended) -> Result<()> {
    let target = expect::target(ended, Outcome::Failed)?;
    let message = expect::error(ended, &target, ErrorName::PlanTouchesMore)?;
    let named = [
        healing.stack.name.as_str(),
        "Modify LaunchTemplate (AWS::EC2::LaunchTemplate)",
        "LaunchTemplateName",
        "replacement True",
        "Modify Record (AWS::SSM::Parameter), Value",
    ];
    expect::mentions(message, named)?;
    let mut all: Vec<_> =
        target.plan.rows.iter().map(|change| change.logical_id.as_str()).collect();
    all.sort_unstable();
    ensure!(all == ["Group", "LaunchTemplate", "Record"], "{:#?}", target.plan);
    ensure!(healing.stack.updates().await? == 0, "it was updated");
    has_no_change_set(s, &healing.stack).await?;
    expect::heals_into(healing, &healing.base).await
}

async fn an_update_that_touches_no_more_is_planned_and_made(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)?;
    changes_no_more(&target.plan.rows)?;
    ensure!(healing.stack.updates().await? == 1, "more than one update");
    has_no_change_set(s, &healing.stack).await?;
    expect::heals_into(&healing, &backup.image).await
}
