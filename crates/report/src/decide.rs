//! The outcome of each target, and of the execution.

use contract::ErrorName;
use contract::placed::PlacedValue;
use contract::report::{Outcome, Report, StepError, TargetOutcome, TargetReport};
use contract::steps::{
    Decision, DecisionOutcome, Failure, ParameterWrite, ReportInput, TargetRecord,
};
use contract::target::Pattern;

use crate::sentences;

/// The report of an execution.
#[must_use]
pub(crate) fn report(input: ReportInput) -> Report {
    if let Some(failure) = input.failure {
        let message = sentences::cause_text(failure.cause.as_ref());
        let summary = format!("{} failed with {}: {message}", failure.step, failure.name);
        return Report { outcome: Outcome::Failed, summary, targets: Vec::new() };
    }
    let targets: Vec<_> = input.targets.into_iter().map(target).collect();
    let summary: Vec<_> = targets.iter().map(sentences::target).collect();
    Report { outcome: outcome(&targets), summary: summary.join("; "), targets }
}

/// One failed target fails the execution, so that the alarm on failed executions fires.
fn outcome(targets: &[TargetReport]) -> Outcome {
    let has = |outcome| targets.iter().any(|target| target.outcome == outcome);
    if has(TargetOutcome::Failed) || has(TargetOutcome::RolledBack) {
        Outcome::Failed
    } else if has(TargetOutcome::Planned) {
        Outcome::Planned
    } else if has(TargetOutcome::Unproven) {
        Outcome::Unproven
    } else if has(TargetOutcome::Updated) {
        Outcome::Promoted
    } else {
        Outcome::Unchanged
    }
}

fn target(record: TargetRecord) -> TargetReport {
    let (outcome, error) = (target_outcome(&record), error(&record));
    let unproven = (outcome == TargetOutcome::Unproven).then(|| unproven(&record)).flatten();
    TargetReport {
        pattern: record.pattern,
        name: record.name,
        outcome,
        images: record.images.into_iter().map(redacted_decision).collect(),
        writes: record.writes.into_iter().map(redacted_write).collect(),
        plan: record.plan,
        drift: record.drift,
        groups: record.groups,
        refresh: record.refresh,
        unproven,
        error,
    }
}

/// The result for one target.
#[must_use]
pub(crate) fn target_outcome(record: &TargetRecord) -> TargetOutcome {
    let has = |outcome| record.images.iter().any(|image| image.outcome == outcome);
    let is_refused = !record.refused.is_empty() && !record.is_rollback;
    if record.failure.is_some() || is_refused {
        TargetOutcome::Failed
    } else if record.is_rollback {
        TargetOutcome::RolledBack
    } else if record.dry_run && has(DecisionOutcome::Promote) {
        TargetOutcome::Planned
    } else if unproven(record).is_some() {
        TargetOutcome::Unproven
    } else if record.has_written {
        TargetOutcome::Updated
    } else if has(DecisionOutcome::Superseded) {
        TargetOutcome::Superseded
    } else {
        TargetOutcome::Unchanged
    }
}

/// Why it is not proved that a group boots the image, for a target that has not failed. A dry run
/// proves nothing and does not claim to.
#[must_use]
pub(crate) fn unproven(record: &TargetRecord) -> Option<String> {
    if record.dry_run || record.failure.is_some() {
        return None;
    }
    // The groups of a stack are read from its resources. Those that read a parameter are only known
    // through live instances, so that none is found says nothing there.
    if record.groups.is_empty() && record.pattern == Pattern::Stack {
        return Some(sentences::NO_GROUP.to_owned());
    }
    let unchecked = record.drift.iter().filter(|stack| stack.resources_checked == 0);
    let names: Vec<_> = unchecked.map(|stack| stack.stack_name.to_string()).collect();
    (!names.is_empty()).then(|| sentences::nothing_compared(&names))
}

/// What went wrong with one target, and where.
#[must_use]
pub(crate) fn error(record: &TargetRecord) -> Option<StepError> {
    let of = |failure: &Failure, message: String| StepError {
        step: failure.step.clone(),
        name: failure.name.clone(),
        message,
    };
    match (&record.failure, &record.promotion_failure) {
        (Some(failure), Some(promotion)) if record.is_rollback => Some(StepError {
            step: failure.step.clone(),
            name: ErrorName::RollbackFailed.to_string(),
            message: sentences::rollback_failed(record, promotion, failure),
        }),
        (Some(failure), _) => {
            let mut message = sentences::failure(record, failure);
            if record.is_without_way_back() {
                message.push_str(sentences::NO_WAY_BACK);
            }
            Some(of(failure, message))
        }
        (None, Some(promotion)) if record.is_rollback => {
            Some(of(promotion, sentences::failure(record, promotion)))
        }
        (None, _) => record.refused.first().map(|first| {
            let messages: Vec<_> = record.refused.iter().map(|one| one.message.as_str()).collect();
            StepError {
                step: "ValidateAmi".to_owned(),
                name: first.name.to_string(),
                message: messages.join("; "),
            }
        }),
    }
}

/// People read a report and forward it, so it contains no value that is not an image ID.
fn redacted_decision(mut decision: Decision) -> Decision {
    decision.before = redacted(&decision.before);
    if let Some(via) = &mut decision.via {
        via.before = redacted(&via.before);
    }
    decision
}

fn redacted_write(write: ParameterWrite) -> ParameterWrite {
    ParameterWrite { before: redacted(&write.before), ..write }
}

fn redacted(value: &PlacedValue) -> PlacedValue {
    PlacedValue::from(value.redacted())
}
