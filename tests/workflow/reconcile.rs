//! Reconcile: every tagged target of the account gets its newest image, so that a missed event
//! is made up for. A reconcile covers a whole account, so each test has its own account.
//!
//! Each target has an execution of its own.

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Counts, Outcome, PromotionRow, ReconcileReport, TargetReport};
use contract::target::TAG_PARAMETER_NAME;
use futures_util::future::{join_all, try_join_all};
use harness::cloud::Called;
use harness::control::Call;
use harness::image::{self, Contents};
use harness::scenario::AutoHealingStack;
use harness::{Ended, Execution, Scenario, What, wait};
use serde_json::{Value, json};

use crate::plan;
use crate::support::{control, expect, schedule};

trials![
    ;
    only here, "it needs a Driftless with other parameters, in an account of its own":
    the_schedule_is_off_by_default,
    what_was_missed_is_planned_then_promoted_then_left_alone,
    a_target_that_fails_is_reported_and_the_others_are_promoted,
    a_reconcile_that_was_stopped_is_made_up_for_by_the_next,
    a_reconcile_is_throttled_and_promotes_everything_once,
    a_promotion_that_was_started_already_is_not_started_again,
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

    /// What its promotion reported.
    async fn reported(&self, s: &Scenario, report: &ReconcileReport) -> Result<TargetReport> {
        let ended = s.driftless.promotion(&row(report, self.name())?.execution).ended().await?;
        let target = expect::only(ended.report()?.targets)?;
        ensure!(target.name == self.name(), "{target:#?}");
        Ok(target)
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

/// The report's row of this target.
fn row<'a>(report: &'a ReconcileReport, name: &str) -> Result<&'a PromotionRow> {
    let mut rows = report.results.failed.rows.iter().chain(&report.results.others.rows);
    rows.find(|row| row.name == name).with_context(|| format!("no {name} in {report:#?}"))
}

async fn what_was_missed_is_planned_then_promoted_then_left_alone(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[("ReconcileSchedule", "rate(1 day)")]).await?;
    let (rule, state) = schedule(s).await?;
    ensure!(state == "ENABLED", "{state}");
    let (nothing, _) = run(s, &json!({})).await?;
    let report = expect::reconciled(&nothing, Outcome::Skipped)?;
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
    let ended = s.driftless.reconcile(input).await?.ended().await?;
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
    let (ended, calls) = run(s, &json!({"dryRun": true})).await?;
    let report = expect::reconciled(&ended, Outcome::Planned)?;
    ensure!(report.results.counts.planned == missed.len(), "{report:#?}");
    for one in missed {
        let target = &one.reported(s, &report).await?;
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
    let before = newest(s).await?.context("no reconcile")?;
    ensure!(control(s)?.fire(rule).await?, "the rule is off");
    let started = wait::until(s.cloud(), wait::START, "the schedule's execution", async || {
        Ok(newest(s).await?.filter(|newest| newest.arn != before.arn))
    })
    .await?;
    let report = expect::reconciled(&started.ended().await?, Outcome::Promoted)?;
    ensure!(report.results.counts.promoted == missed.len(), "{report:#?}");
    for one in missed {
        expect::promoted(&one.reported(s, &report).await?, &one.healing, &one.image)?;
    }
    try_join_all(missed.iter().map(|one| expect::heals_into(&one.healing, &one.image))).await?;
    Ok(())
}

async fn newest(s: &Scenario) -> Result<Option<Execution>> {
    s.driftless.newest_reconcile().await
}

/// A run that changes nothing makes no write call at all, starts no drift detection, and takes ten
/// states for each target.
async fn is_left_alone(s: &Scenario, missed: &[Missed]) -> Result<()> {
    const STATES: usize = 10;
    let before = try_join_all(missed.iter().map(Missed::written)).await?;
    let (ended, calls) = run(s, &json!({})).await?;
    let report = expect::reconciled(&ended, Outcome::Unchanged)?;
    ensure!(report.results.counts.unchanged == missed.len(), "{report:#?}");
    only_called(&calls, &READS)?;
    let detects = |call: &&Call| call.action.contains("Drift");
    ensure!(!calls.iter().any(|call| detects(&call)), "{calls:#?}");
    for one in missed {
        let row = row(&report, one.name())?;
        let states = s.driftless.promotion(&row.execution).ended().await?.transcript;
        ensure!(states.len() <= STATES, "{states:#?}");
        let verifies = |step: &harness::execution::Step| step.state == "VerifyGroups";
        ensure!(states.iter().any(verifies), "{states:#?}");
    }
    let after = try_join_all(missed.iter().map(Missed::written)).await?;
    ensure!(after == before, "{after:?}");

    let (ended, calls) = run(s, &json!({"verify": true})).await?;
    expect::reconciled(&ended, Outcome::Unchanged)?;
    only_called(&calls, &READS)?;
    ensure!(calls.iter().any(|call| detects(&call)), "no drift was detected");
    Ok(())
}

/// A parameter that does not exist fails; the other one is promoted.
pub async fn promotes(s: &Scenario) -> Result<()> {
    let parameter = s.parameter_with_group(&image::base(s.cloud()).await?).await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let missing = s.driftless.parameter_name();
    s.image(&[(TAG_PARAMETER_NAME, &missing)]).await?;
    let ended = s.driftless.reconcile(&json!({})).await?.ended().await?;
    let report = expect::reconciled(&ended, Outcome::Failed)?;
    let written = row(&report, &parameter.name)?;
    ensure!(written.outcome == Some(Outcome::Promoted), "{report:#?}");
    ensure!(parameter.read().await?.value == image, "another is in place");
    let failed = row(&report, &missing)?;
    ensure!(failed.error.as_deref() == Some(ErrorName::ParameterNotFound.as_str()), "{failed:#?}");
    let sentence = failed.sentence.as_deref().unwrap_or_default();
    expect::mentions(sentence, [missing.as_str(), "does not exist"])?;
    let ended = s.driftless.promotion(&failed.execution).ended().await?;
    ensure!(ended.status == "FAILED", "{ended:#?}");
    Ok(())
}

async fn a_target_that_fails_is_reported_and_the_others_are_promoted(s: &Scenario) -> Result<()> {
    promotes(&s.alone(&[]).await?).await
}

/// A reconcile that is stopped stops the promotions that it waits for.
pub async fn stops_what_it_started(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    s.backup(&healing.instance).await?;
    let update = s.hold(What::Stack, &healing.stack.name).await?;
    let before = s.driftless.mark().await?;
    let reconcile = s.driftless.reconcile(&json!({})).await?;
    let promotion = started(s, &before, &healing.stack.name, &reconcile).await?;
    promotion.entered("WaitStackComplete").await?;
    reconcile.stop().await?;
    let what = "the promotion to be stopped; it goes on while following or stopping it is denied";
    let stopped = wait::until(s.cloud(), wait::STOP, what, async || {
        Ok((promotion.status().await? != "RUNNING").then_some(()))
    });
    let stopped = stopped.await;
    update.release().await?;
    stopped?;
    let ended = promotion.ended().await?;
    ensure!(ended.status == "ABORTED", "{what}; it ended {}", ended.status);
    Ok(())
}

/// The promotion of this target that a reconcile has started since.
async fn started(
    s: &Scenario,
    before: &harness::listing::Mark,
    name: &str,
    reconcile: &Execution,
) -> Result<Execution> {
    wait::until(s.cloud(), wait::START, &format!("a promotion of {name}"), async || {
        if let Some(execution) = s.driftless.started_with(before, name).await? {
            return Ok(Some(execution));
        }
        if reconcile.status().await? != "RUNNING" {
            let ended = reconcile.ended().await?;
            anyhow::bail!("the reconcile has ended: {ended:#?}");
        }
        Ok(None)
    })
    .await
}

async fn a_reconcile_that_was_stopped_is_made_up_for_by_the_next(s: &Scenario) -> Result<()> {
    const PARAMETERS: usize = 3;
    let s = &s.alone(&[]).await?;
    let missed = join_all((0..PARAMETERS).map(|_| Missed::parameter_pattern(s))).await;
    let missed = missed.into_iter().collect::<Result<Vec<_>>>()?;
    stops_what_it_started(s).await?;

    let ended = s.driftless.reconcile(&json!({})).await?.ended().await?;
    let report = ended.reconcile_report()?;
    let Counts { promoted, unchanged, .. } = report.results.counts;
    ensure!(promoted + unchanged == PARAMETERS + 1, "{report:#?}");
    for one in &missed {
        // The first value, and the image: nothing twice.
        let values = one.parameter.as_ref().context("no parameter")?.values().await?;
        ensure!(values == [one.healing.base.clone(), one.image.clone()], "{values:?}");
    }
    let again = s.driftless.reconcile(&json!({})).await?.ended().await?;
    expect::reconciled(&again, Outcome::Unchanged).map(drop)
}

async fn a_reconcile_is_throttled_and_promotes_everything_once(s: &Scenario) -> Result<()> {
    const EACH: usize = 3;
    let s = &s.alone(&[]).await?;
    let by_parameter = join_all((0..EACH).map(|_| Missed::parameter_pattern(s))).await;
    let by_stack = join_all((0..EACH).map(|_| Missed::stack_pattern(s))).await;
    let missed = by_parameter.into_iter().chain(by_stack).collect::<Result<Vec<_>>>()?;
    let throttle = json!({
        "service": "*", "action": "*", "kind": "throttle", "caller": "assumed-role/", "rate": 0.2,
    });
    let throttle = control(s)?.add_fault(&throttle).await?;
    let ended = s.driftless.reconcile(&json!({})).await?.ended().await?;
    let throttled = control(s)?.remove_fault(throttle).await?;
    ensure!(throttled > 0, "no call was throttled");
    let report = expect::reconciled(&ended, Outcome::Promoted)?;
    ensure!(report.results.counts.promoted == missed.len(), "{report:#?}");
    for one in &missed {
        match &one.parameter {
            Some(parameter) => {
                let values = parameter.values().await?;
                ensure!(values == [one.healing.base.clone(), one.image.clone()], "{values:?}");
            }
            None => ensure!(one.healing.stack.updates().await? == 1, "not one update"),
        }
    }
    Ok(())
}

/// `StartExecution` is idempotent by name while the execution runs, and refuses it afterwards.
async fn a_promotion_that_was_started_already_is_not_started_again(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let missed = Missed::parameter_pattern(s).await?;
    let reconcile = s.driftless.reconcile(&json!({})).await?;
    let report = expect::reconciled(&reconcile.ended().await?, Outcome::Promoted)?;
    let name = &row(&report, missed.name())?.execution;
    let input = s.driftless.promotion(name).input().await?;
    let (sfn, machine) = (&s.cloud().sfn, &s.driftless.state_machine);
    let again = sfn.start_execution().state_machine_arn(machine).name(name);
    let refused = again.input(input.to_string()).send().await.called("states:StartExecution");
    let refused = format!("{:#}", refused.err().context("it was started again")?);
    ensure!(refused.contains("ExecutionAlreadyExists"), "{refused}");
    Ok(())
}
