//! Reconcile: every tagged target of the account gets its newest image, so that a missed event
//! is made up for. A reconcile covers a whole account, so each test has its own account.

use anyhow::{Context, Result, ensure};
use contract::report::{Outcome, Report, TargetOutcome, TargetReport};
use futures_util::future::{join_all, try_join_all};
use harness::control::Call;
use harness::image::Contents;
use harness::scenario::AutoHealingStack;
use harness::{Ended, Scenario, wait};
use serde_json::{Value, json};

use crate::plan;
use crate::support::{control, expect, schedule};

trials![
    ;
    only here, "it needs a Driftless with other parameters, in an account of its own":
    the_schedule_is_off_by_default,
    what_was_missed_is_planned_then_promoted_then_left_alone,
];

/// Calls that only read.
const READS: [&str; 4] = ["Describe", "Detect", "Get", "List"];
/// Calls with which a plan creates and deletes change sets.
const PLANS: [&str; 2] = ["CreateChangeSet", "DeleteChangeSet"];

async fn the_schedule_is_off_by_default(s: &Scenario) -> Result<()> {
    let (rule, state) = schedule(s).await?;
    ensure!(state == "DISABLED", "{state}");
    ensure!(!control(s)?.fire(&rule).await?, "it was started");
    Ok(())
}

/// A group whose backup sent no event.
struct Missed {
    healing: AutoHealingStack,
    image: String,
    /// The parameter, where it is one that is written.
    parameter: Option<harness::image::Parameter>,
}

impl Missed {
    async fn parameter_pattern(s: &Scenario) -> Result<Self> {
        let (parameter, healing) = s.parameter_pattern().await?;
        let image = s.backup(&healing.instance).await?.image;
        Ok(Self { healing, image, parameter: Some(parameter) })
    }

    async fn stack_pattern(s: &Scenario) -> Result<Self> {
        let healing = s.stack_pattern().await?;
        let image = s.backup(&healing.instance).await?.image;
        Ok(Self { healing, image, parameter: None })
    }

    /// The target's name.
    fn name(&self) -> &str {
        self.parameter.as_ref().map_or(&self.healing.stack.name, |parameter| &parameter.name)
    }

    fn of<'a>(&self, report: &'a Report) -> Result<&'a TargetReport> {
        let mut found = report.targets.iter().filter(|target| target.name == self.name());
        found.next().with_context(|| format!("no {} in {report:#?}", self.name()))
    }

    /// What has been written so far.
    async fn written(&self) -> Result<(Option<Contents>, usize)> {
        let contents = match &self.parameter {
            Some(parameter) => Some(parameter.read().await?),
            None => None,
        };
        Ok((contents, self.healing.stack.updates().await?))
    }
}

async fn what_was_missed_is_planned_then_promoted_then_left_alone(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[("ReconcileSchedule", "rate(1 day)")]).await?;
    let (rule, state) = schedule(s).await?;
    ensure!(state == "ENABLED", "{state}");
    let (nothing, _) = run(s, &json!({"reconcile": true})).await?;
    let report = expect::report(&nothing, Outcome::Skipped)?;
    ensure!(report.summary.contains("none of the account's images"), "{}", report.summary);

    let by_parameter = (0..2).map(|_| Missed::parameter_pattern(s));
    let by_stack = (0..2).map(|_| Missed::stack_pattern(s));
    let (by_parameter, by_stack) = tokio::join!(join_all(by_parameter), join_all(by_stack));
    let missed = by_parameter.into_iter().chain(by_stack).collect::<Result<Vec<_>>>()?;
    is_planned(s, &missed).await?;
    is_promoted(s, &missed, &rule).await?;
    is_left_alone(s, &missed).await
}

/// Runs, and what the functions called meanwhile.
async fn run(s: &Scenario, input: &Value) -> Result<(Ended, Vec<Call>)> {
    let before = control(s)?.calls_of_functions().await?.len();
    let ended = s.driftless.start(input).await?.ended().await?;
    let calls = control(s)?.calls_of_functions().await?;
    Ok((ended, calls.into_iter().skip(before).collect()))
}

fn only_called(calls: &[Call], allowed: &[&str]) -> Result<()> {
    ensure!(!calls.is_empty(), "no call was logged");
    let is_other = |call: &&Call| !allowed.iter().any(|start| call.action.starts_with(start));
    let others: Vec<_> = calls.iter().filter(is_other).collect();
    ensure!(others.is_empty(), "{others:#?}");
    Ok(())
}

async fn is_planned(s: &Scenario, missed: &[Missed]) -> Result<()> {
    let before = try_join_all(missed.iter().map(Missed::written)).await?;
    // A dry run that names nothing else is the plan of a reconcile.
    let (ended, calls) = run(s, &json!({"dryRun": true})).await?;
    let report = expect::report(&ended, Outcome::Planned)?;
    ensure!(report.targets.len() == missed.len(), "{report:#?}");
    for one in missed {
        let target = one.of(&report)?;
        plan::planned(target, &one.healing, &one.image)?;
        if one.parameter.is_none() {
            plan::changes_no_more(&target.plan.rows)?;
            plan::has_no_change_set(s, &one.healing.stack).await?;
        }
    }
    only_called(&calls, &[READS.as_slice(), &PLANS].concat())?;
    let after = try_join_all(missed.iter().map(Missed::written)).await?;
    ensure!(after == before, "{after:?}");
    Ok(())
}

async fn is_promoted(s: &Scenario, missed: &[Missed], rule: &str) -> Result<()> {
    let before = s.driftless.mark().await?;
    ensure!(control(s)?.fire(rule).await?, "the rule is off");
    let started = wait::until(s.cloud(), wait::START, "the schedule's execution", async || {
        Ok(s.driftless.started_since(&before).await?.pop())
    })
    .await?;
    let ended = started.ended().await?;
    let report = expect::report(&ended, Outcome::Promoted)?;
    ensure!(report.targets.len() == missed.len(), "{report:#?}");
    for one in missed {
        expect::promoted(one.of(&report)?, &one.healing, &one.image)?;
    }
    try_join_all(missed.iter().map(|one| expect::heals_into(&one.healing, &one.image))).await?;
    Ok(())
}

/// A run that changes nothing makes no write call at all.
async fn is_left_alone(s: &Scenario, missed: &[Missed]) -> Result<()> {
    let before = try_join_all(missed.iter().map(Missed::written)).await?;
    let (ended, calls) = run(s, &json!({"reconcile": true})).await?;
    let report = expect::report(&ended, Outcome::Unchanged)?;
    let is_unchanged = |target: &TargetReport| target.outcome == TargetOutcome::Unchanged;
    ensure!(report.targets.iter().all(is_unchanged), "{report:#?}");
    ensure!(report.targets.len() == missed.len(), "{report:#?}");
    only_called(&calls, &READS)?;
    let after = try_join_all(missed.iter().map(Missed::written)).await?;
    ensure!(after == before, "{after:?}");
    Ok(())
}
