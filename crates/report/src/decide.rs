//! The outcome of each target, and of the execution.

use contract::ErrorName;
use contract::placed::PlacedValue;
use contract::report::{Outcome, Report, StepError, TargetOutcome, TargetReport};
use contract::steps::{
    Collected, Decision, DecisionOutcome, Detection, Failure, ParameterWrite, StackDrift,
    TargetRecord,
};
use contract::target::Pattern;

use crate::sentences;

/// The report of an execution.
#[must_use]
pub(crate) fn report(input: Collected) -> Report {
    if let Some(failure) = input.failure {
        let summary = sentences::step_failed(&failure);
        return Report { outcome: Outcome::Failed, summary, targets: Vec::new() };
    }
    if let Some(reason) = input.skipped {
        return Report { outcome: Outcome::Skipped, summary: reason, targets: Vec::new() };
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
        drift: record.drift.into_iter().map(without_fingerprints).collect(),
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
    if record.groups.rows.is_empty() {
        return Some(sentences::NO_GROUP.to_owned());
    }
    // Where nothing was promoted, a reconcile detects no drift unless it was asked to.
    if !record.verify && !record.has_written {
        return None;
    }
    let is_unchecked = |stack: &&StackDrift| match stack.detection {
        Detection::Settled { resources_checked, .. } => resources_checked == 0,
        Detection::NotStarted {} | Detection::Running { .. } => true,
    };
    let unchecked: Vec<_> = record.drift.iter().filter(is_unchecked).collect();
    // A root stack may have nothing but nested stacks, whose resources count as its own.
    let is_proved = match record.pattern {
        Pattern::Parameter => unchecked.is_empty(),
        Pattern::Stack => unchecked.len() < record.drift.len(),
    };
    let names = unchecked.iter().map(|stack| stack.stack_name.to_string());
    (!is_proved).then(|| sentences::nothing_compared(&names.collect::<Vec<_>>()))
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

/// The next run compares drift anew.
fn without_fingerprints(mut stack: StackDrift) -> StackDrift {
    if let Detection::Settled { fingerprints, .. } = &mut stack.detection {
        fingerprints.clear();
    }
    stack
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
