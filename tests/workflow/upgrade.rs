//! Releases and upgrades: a release deploys without a build; an execution that runs while Driftless is
//! updated ends as it would have without the update, and the next one has the new functions and settings.

use anyhow::{Context, Result, ensure};
use contract::report::{Outcome, TargetOutcome};
use harness::cloud::Called;
use harness::deploy::Programs;
use harness::scenario::AutoHealingStack;
use harness::{Backup, Execution, Hold, Scenario, What};
use serde_json::{Value, json};

use crate::support::expect;

trials![
    ;
    only here, "it deploys a Driftless of its own":
    the_archive_of_a_release_deploys_without_a_build,
    an_upgrade_in_the_middle_of_an_execution_is_not_noticed,
    a_setting_that_changes_in_the_middle_of_an_execution_is_for_the_next_one,
];

/// A release whose functions all fail.
const OTHER: Programs = Programs::Failing("OfAnotherRelease");

/// A promotion that waits for its stack update, which is held.
struct Promotion {
    healing: AutoHealingStack,
    backup: Backup,
    execution: Execution,
    update: Hold,
}

impl Promotion {
    async fn begin(s: &Scenario, options: &Value) -> Result<Self> {
        let healing = s.stack_pattern().await?;
        let backup = s.backup(&healing.instance).await?;
        let update = s.hold(What::Stack, &healing.stack.name).await?;
        let mut input = json!({"imageId": backup.image});
        for (name, value) in options.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let execution = s.driftless.start(&input).await?;
        execution.entered("WaitStackComplete").await?;
        Ok(Self { healing, backup, execution, update })
    }

    /// It ends as if nothing had happened.
    async fn end(self) -> Result<(AutoHealingStack, Backup)> {
        self.update.release().await?;
        let target = expect::target(&self.execution.ended().await?, Outcome::Promoted)?;
        expect::promoted(&target, &self.healing, &self.backup.image)?;
        Ok((self.healing, self.backup))
    }
}

async fn the_archive_of_a_release_deploys_without_a_build(s: &Scenario) -> Result<()> {
    let s = s.against(&s.driftless.from_archive().await?);
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, &healing, &backup.image)
}

async fn an_upgrade_in_the_middle_of_an_execution_is_not_noticed(s: &Scenario) -> Result<()> {
    let s = s.alone(&[]).await?;
    let promotion = Promotion::begin(&s, &json!({})).await?;
    let input = json!({"imageId": promotion.backup.image});

    s.driftless.upgrade(&[], OTHER).await?;
    let ended = s.driftless.start(&input).await?.ended().await?;
    let cause = ended.cause.as_deref().unwrap_or_default();
    ensure!(ended.status == "FAILED" && cause.contains("OfAnotherRelease"), "{ended:#?}");
    let (healing, backup) = promotion.end().await?;
    expect::heals_into(&healing, &backup.image).await?;

    // Back to the release before, which is an upgrade too.
    s.driftless.upgrade(&[], Programs::Built).await?;
    let ended = s.driftless.start(&input).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Unchanged)?;
    ensure!(target.outcome == TargetOutcome::Unchanged, "{target:#?}");
    Ok(())
}

async fn a_setting_that_changes_in_the_middle_of_an_execution_is_for_the_next_one(
    s: &Scenario,
) -> Result<()> {
    let s = s.alone(&[]).await?;
    let refresh = json!({"instanceRefresh": true});
    let promotion = Promotion::begin(&s, &refresh).await?;

    s.driftless.upgrade(&[("RefreshOrder", "launch-first")], Programs::Built).await?;
    let (healing, _) = promotion.end().await?;
    ensure!(!launches_first(&s, &healing).await?, "the running execution has the new setting");

    let (healing, _) = Promotion::begin(&s, &refresh).await?.end().await?;
    ensure!(launches_first(&s, &healing).await?, "the next execution has the old setting");
    Ok(())
}

/// Whether the group's only refresh has launched an instance before it has terminated the other.
async fn launches_first(s: &Scenario, healing: &AutoHealingStack) -> Result<bool> {
    let request = s.cloud().autoscaling.describe_instance_refreshes();
    let answer = request.auto_scaling_group_name(&healing.group.name).send().await;
    let answer = answer.called("autoscaling:DescribeInstanceRefreshes")?;
    let refresh = expect::only(answer.instance_refreshes.unwrap_or_default())?;
    let preferences = refresh.preferences.context("the refresh has no preferences")?;
    Ok(preferences.min_healthy_percentage == Some(100))
}
