//! The sentences of a report.

use contract::report::TargetReport;
use contract::steps::{Decision, DecisionOutcome, Detection, Failure, TargetRecord, Verdict};
use contract::{ErrorName, target::Pattern};
use serde_json::Value;

/// Added to the message of a failed promotion that cannot be rolled back.
pub(crate) const NO_WAY_BACK: &str =
    "; it was not rolled back, because the value that was in place is not an image ID";

/// The reason for a target without a group.
pub(crate) const NO_GROUP: &str =
    "no Auto Scaling group was found that boots from it, so nothing shows that the image is used";

/// The reason for a target in whose stacks CloudFormation has compared nothing.
#[must_use]
pub(crate) fn nothing_compared(stacks: &[String]) -> String {
    format!("drift detection compared no resource of {}", stacks.join(", "))
}

/// That a step failed outside the targets.
#[must_use]
pub(crate) fn step_failed(failure: &Failure) -> String {
    let cause = cause_text(failure.cause.as_ref());
    format!("{} failed with {}: {cause}", failure.step, failure.name)
}

/// One target's part of the summary.
#[must_use]
pub(crate) fn target(target: &TargetReport) -> String {
    let pattern = match target.pattern {
        Pattern::Parameter => "parameter",
        Pattern::Stack => "stack",
    };
    let mut sentence = format!("{pattern} {}: {:?}", target.name, target.outcome);
    if !target.images.is_empty() {
        sentence.push_str(&format!(" ({})", join(", ", target.images.iter().map(images))));
    }
    let rejected = || target.images.iter().flat_map(|decision| &decision.rejected.rows);
    if rejected().next().is_some() {
        let reasons = rejected().map(|one| format!("{}: {}", one.image_id, checks(&one.failed)));
        let more: usize = target.images.iter().map(|decision| decision.rejected.more).sum();
        let more = (more > 0).then(|| format!("and {more} more"));
        let reasons = join("; ", reasons.chain(more));
        sentence.push_str(&format!(", not a newer image because {reasons}"));
    }
    if let Some(error) = &target.error {
        let (step, name, message) = (&error.step, &error.name, &error.message);
        sentence.push_str(&format!(", {step} failed with {name}: {message}"));
    }
    if let Some(reason) = &target.unproven {
        sentence.push_str(&format!(", {reason}"));
    }
    let drift = target.drift.iter().filter_map(|stack| match &stack.detection {
        Detection::Settled { status, .. } => Some(format!(", {} {status}", stack.stack_name)),
        Detection::NotStarted {} | Detection::Running { .. } => None,
    });
    sentence.extend(drift);
    sentence
}

fn images(decision: &Decision) -> String {
    if decision.before.expose() == decision.after.as_str() {
        decision.after.to_string()
    } else {
        format!("{} -> {}", decision.before, decision.after)
    }
}

fn checks(failed: &[Verdict]) -> String {
    join(", ", failed.iter().map(|verdict| format!("{} is {}", verdict.check, verdict.actual)))
}

/// The message of a failure: for the end of a loop its number of polls, for everything else its
/// cause.
#[must_use]
pub(crate) fn failure(record: &TargetRecord, failure: &Failure) -> String {
    let Some(polls) = failure.polls else { return cause_text(failure.cause.as_ref()) };
    let is = |name: ErrorName| failure.name == name.as_str();
    let after = format!("after {polls} polls");
    if is(ErrorName::PlanTimedOut) {
        format!("the change set of {} is not ready {after}", record.name)
    } else if is(ErrorName::ParameterNotUpdated) {
        let writes = record.writes.iter();
        let accepted =
            writes.map(|w| format!("parameter {} accepted {}", w.parameter_name, w.after));
        format!(
            "{} but does not return it {after}: Parameter Store validates an image after it has accepted \
             the write, and its event \"Parameter Store Change\" has the reason for a refusal",
            join(", ", accepted)
        )
    } else if is(ErrorName::StackUpdateTimedOut) {
        let status = cause_text(failure.cause.as_ref());
        format!("stack {} is still {status} {after}", record.name)
    } else if is(ErrorName::DriftDetectionTimedOut) {
        let stacks = join(", ", record.drift.iter().map(|stack| stack.stack_name.to_string()));
        format!("the drift detection of {stacks} has not ended {after}")
    } else if is(ErrorName::InstanceRefreshTimedOut) {
        let groups = join(", ", record.refresh.iter().map(|group| group.group_name.clone()));
        format!("the refresh of {groups} has not ended {after}")
    } else {
        format!("{} has not ended {after}", failure.step)
    }
}

/// Why neither the promotion nor the rollback succeeded.
#[must_use]
pub(crate) fn rollback_failed(
    record: &TargetRecord,
    promotion: &Failure,
    rollback: &Failure,
) -> String {
    let is_put_back = |decision: &&Decision| decision.outcome == DecisionOutcome::Promote;
    let images = record.images.iter().filter(is_put_back);
    format!(
        "the promotion failed in {} with {} ({}), and the rollback to {} failed in {} with {} ({}); \
         check what {} holds and what its groups boot, and correct it by hand",
        promotion.step,
        promotion.name,
        failure(record, promotion),
        join(", ", images.map(|decision| decision.before.to_string())),
        rollback.step,
        rollback.name,
        failure(record, rollback),
        record.name,
    )
}

/// The text of a cause. A Lambda's is `{"errorType", "errorMessage", …}` as JSON text (Step
/// Functions developer guide, "Handling errors"); a service's, or the machine's own, is any text,
/// and that of a timeout may be empty or absent.
#[must_use]
pub(crate) fn cause_text(cause: Option<&Value>) -> String {
    match cause {
        None | Some(Value::Null) => message(""),
        Some(Value::String(text)) => message(text),
        Some(other) => other.to_string(),
    }
}

/// The message in the text of a cause.
#[must_use]
pub(crate) fn message(text: &str) -> String {
    if text.is_empty() {
        return "no cause was given".to_owned();
    }
    let error = serde_json::from_str::<Value>(text).ok();
    match error.as_ref().and_then(|error| error.get("errorMessage")) {
        Some(Value::String(message)) => message.clone(),
        Some(Value::Null) | None => text.to_owned(),
        Some(other) => other.to_string(),
    }
}

fn join(separator: &str, parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(separator)
}
