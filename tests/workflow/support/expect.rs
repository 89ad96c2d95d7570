//! Assertions about the result of an execution, and about a stack afterwards.

use anyhow::{Context, Result, bail, ensure};
use contract::ErrorName;
use contract::error_name::Raised;
use contract::report::{Outcome, ReconcileReport, Report, TargetOutcome, TargetReport};
use contract::steps::{DecisionOutcome, Detection, Difference, DriftStatus};
use harness::scenario::AutoHealingStack;
use harness::{Ended, Stack};

/// The report of an execution that must have this outcome.
pub fn report(ended: &Ended, outcome: Outcome) -> Result<Report> {
    let report = ended.report()?;
    let found = format!("{}: {}", ended.status, serde_json::to_string_pretty(&report)?);
    ensure!(report.outcome == outcome, "expected {outcome:?}, found {found}");
    let (status, error) = match outcome {
        Outcome::Failed => ("FAILED", Some(ErrorName::PromotionFailed.as_str())),
        Outcome::Promoted
        | Outcome::Unproven
        | Outcome::Unchanged
        | Outcome::Planned
        | Outcome::Skipped => ("SUCCEEDED", None),
    };
    ensure!(ended.status == status, "expected {status}, found {found}");
    ensure!(ended.error.as_deref() == error, "expected {error:?}, found {:?}", ended.error);
    ensure!(!report.summary.is_empty(), "a report without a summary: {found}");
    Ok(report)
}

/// The report of a reconcile that did its work, with this outcome.
pub fn reconciled(ended: &Ended, outcome: Outcome) -> Result<ReconcileReport> {
    let report = ended.reconcile_report()?;
    let found = format!("{}: {}", ended.status, serde_json::to_string_pretty(&report)?);
    ensure!(report.outcome == outcome, "expected {outcome:?}, found {found}");
    ensure!(ended.status == "SUCCEEDED", "expected SUCCEEDED, found {found}");
    ensure!(report.results.counts.total() == report.targets, "not all are counted: {found}");
    Ok(report)
}

/// The only target of an execution that must have this outcome.
pub fn target(ended: &Ended, outcome: Outcome) -> Result<TargetReport> {
    only(report(ended, outcome)?.targets)
}

/// The cause of an execution that must have failed before it had targets.
pub fn failure(ended: &Ended, name: ErrorName) -> Result<&str> {
    let cause = ended.cause.as_deref().unwrap_or_default();
    let found = format!("{} {:?}: {cause}", ended.status, ended.error);
    ensure!(ended.status == "FAILED", "expected {name}, found {found}");
    ensure!(ended.error.as_deref() == Some(name.as_str()), "expected {name}, found {found}");
    Ok(cause)
}

/// The message of a target that must have failed with this error, as the state machine saw it.
pub fn error<'a>(ended: &Ended, target: &'a TargetReport, name: ErrorName) -> Result<&'a str> {
    ensure!(target.outcome == TargetOutcome::Failed, "expected {name}, found {target:#?}");
    let error = target.error.as_ref().context("a failed target without an error")?;
    ensure!(error.catalogued() == Some(name), "expected {name}, found {error:#?}");
    if name.raised() != Raised::ByStateMachine {
        let raised = |step: &harness::execution::Step| {
            step.state == error.step && step.errors.iter().any(|found| found == name.as_str())
        };
        let transcript = &ended.transcript;
        ensure!(transcript.iter().any(raised), "no {name} of {} in {transcript:#?}", error.step);
    }
    Ok(&error.message)
}

/// The message contains all of these.
pub fn mentions(message: &str, all: impl IntoIterator<Item = impl AsRef<str>>) -> Result<()> {
    for one in all {
        let one = one.as_ref();
        ensure!(message.contains(one), "no {one:?} in {message:?}");
    }
    Ok(())
}

/// The expected report on a target with one group that got this image.
pub fn promoted(target: &TargetReport, healing: &AutoHealingStack, image: &str) -> Result<()> {
    let found = serde_json::to_string_pretty(target)?;
    ensure!(target.outcome == TargetOutcome::Updated && target.error.is_none(), "{found}");
    let [decision] = target.images.as_slice() else { bail!("not one image: {found}") };
    ensure!(decision.outcome == DecisionOutcome::Promote, "{found}");
    ensure!(
        decision.before.expose() == healing.base && decision.after.as_str() == image,
        "{found}"
    );
    ensure!(!decision.checks.is_empty() && decision.checks.iter().all(|c| c.passed), "{found}");
    let drift = drift(target)?;
    ensure!(target.drift[0].stack_name.as_str() == healing.stack.name, "{found}");
    ensure!(drift.status == DriftStatus::InSync && drift.resources_checked > 0, "{found}");
    let [group] = target.groups.rows.as_slice() else { bail!("not one group: {found}") };
    ensure!(group.group_name == healing.group.name, "{found}");
    ensure!(group.boots.as_deref() == Some(image), "{found}");
    Ok(())
}

/// The drift of a target's only stack, whose detection has ended.
#[derive(Debug)]
pub struct Drift<'a> {
    pub status: DriftStatus,
    pub resources_checked: usize,
    pub differences: &'a [Difference],
}

/// The drift of the target's only stack.
pub fn drift(target: &TargetReport) -> Result<Drift<'_>> {
    let [stack] = target.drift.as_slice() else { bail!("not one stack: {target:#?}") };
    let Detection::Settled { status, resources_checked, differences, .. } = &stack.detection else {
        bail!("its detection has not ended: {stack:#?}")
    };
    let (status, resources_checked) = (*status, *resources_checked);
    Ok(Drift { status, resources_checked, differences: &differences.rows })
}

/// Exactly one.
pub fn only<T: std::fmt::Debug>(items: Vec<T>) -> Result<T> {
    let found = format!("expected exactly one, found {items:#?}");
    let mut items = items.into_iter();
    let first = items.next();
    ensure!(items.next().is_none(), "{found}");
    first.context(found)
}

/// How often a state was entered.
pub fn times(ended: &Ended, state: &str) -> usize {
    ended.states().iter().filter(|found| **found == state).count()
}

/// How often an attempt of any state ended with this error.
pub fn attempts(ended: &Ended, name: ErrorName) -> usize {
    let errors = ended.transcript.iter().flat_map(|step| &step.errors);
    errors.filter(|error| *error == name.as_str()).count()
}

/// The final check of every promotion: the group's instance is killed, the next one boots this
/// image, and the stack is in sync.
pub async fn heals_into(healing: &AutoHealingStack, image: &str) -> Result<()> {
    let healed = healing.group.heal().await?;
    ensure!(healed.image == image, "healed into {}, not into {image}", healed.image);
    in_sync(&healing.stack).await
}

/// The stack's resources are as its template says, and some were compared.
pub async fn in_sync(stack: &Stack) -> Result<()> {
    let drift = stack.drift().await?;
    ensure!(drift.status == "IN_SYNC" && drift.differences.is_empty(), "{drift:#?}");
    ensure!(drift.resources_checked > 0, "in sync of nothing: {drift:#?}");
    Ok(())
}
