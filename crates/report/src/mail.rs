//! The mail about an execution that has ended. Operators read it in a list of subjects, on a small
//! screen, at night: the subject says what and where, the text what to do.

use std::fmt::Write;

use contract::announcement::{
    FinishedError, FinishedExecution, FinishedOutcome, NotifyOn, PromotionFinished,
    ReconcileFinished,
};
use contract::error_name::is_of_the_input;
use contract::report::{ReconcileReport, Report, TargetOutcome, TargetReport};
use contract::steps::Mail;
use sentences::advice;
use step::truncated;

/// SNS API, `Publish`, Subject: "less than 100 characters long".
const MAX_SUBJECT_CHARS: usize = 99;
/// SNS takes 256 KiB; nobody reads so much.
const MAX_BODY_CHARS: usize = 16_000;

/// The mail about a promotion, if one is wanted.
pub(crate) fn of_promotion(
    detail: &PromotionFinished,
    report: Option<&Report>,
    notify_on: NotifyOn,
) -> Option<Mail> {
    let outcome = detail.execution.outcome;
    if !is_wanted(outcome, notify_on) {
        return None;
    }
    let what = match report.map(|report| report.targets.as_slice()) {
        Some([target]) => format!("{} {}", target.name, in_short(target)),
        Some([_, _, ..]) => {
            let names: Vec<_> = detail.targets.iter().map(|target| target.name.as_str()).collect();
            format!("{outcome:?}: {}", names.join(", "))
        }
        _ => format!("{outcome:?}: {}", detail.execution.summary),
    };
    Some(mail(&detail.execution, &what, report.map(sentences::promotion)))
}

/// What became of a target, without the message of its error, for which a subject has no room.
fn in_short(target: &TargetReport) -> String {
    let error = target.error.as_ref().map_or("", |error| error.name.as_str());
    match target.outcome {
        TargetOutcome::Failed => format!("failed: {error}"),
        TargetOutcome::RolledBack => format!("was rolled back: {error}"),
        _ => sentences::headline(target),
    }
}

/// The mail about a reconcile, if one is wanted.
pub(crate) fn of_reconcile(
    detail: &ReconcileFinished,
    report: Option<&ReconcileReport>,
    notify_on: NotifyOn,
) -> Option<Mail> {
    let counts = detail.counts;
    // One that failed outweighs all that were promoted in the outcome, but both are news.
    let has_failed = counts.failed + counts.unknown + counts.unproven > 0;
    let outcome = match detail.execution.outcome {
        outcome if is_wanted(outcome, NotifyOn::Failures) => outcome,
        _ if has_failed => FinishedOutcome::Failed,
        _ if counts.promoted > 0 => FinishedOutcome::Promoted,
        outcome => outcome,
    };
    if !is_wanted(outcome, notify_on) {
        return None;
    }
    let what = match report {
        Some(report) => format!("reconcile: {}", report.summary),
        None => format!("reconcile: {:?}: {}", detail.execution.outcome, detail.execution.summary),
    };
    Some(mail(&detail.execution, &what, report.map(sentences::reconcile)))
}

fn is_wanted(outcome: FinishedOutcome, notify_on: NotifyOn) -> bool {
    use FinishedOutcome::{
        Failed, Planned, Promoted, Skipped, Stopped, TimedOut, Unchanged, Unknown, Unproven,
    };
    let least = match outcome {
        Failed | TimedOut | Stopped | Unproven => NotifyOn::Failures,
        Promoted | Unknown => NotifyOn::Changes,
        Unchanged | Planned | Skipped => NotifyOn::All,
    };
    notify_on >= least
}

fn mail(execution: &FinishedExecution, what: &str, text: Option<String>) -> Mail {
    let region = execution.execution.split(':').nth(3).unwrap_or_default();
    let mut body = text.unwrap_or_else(|| {
        let error = execution.error.as_ref().and_then(|error| advice(&error.name));
        format!("{}\n{}", execution.summary, error.unwrap_or_default())
    });
    body = truncated(body, MAX_BODY_CHARS);
    let name = execution.execution.rsplit(':').next().unwrap_or_default();
    let page = execution.console.as_deref().unwrap_or(&execution.execution);
    let _ = write!(body, "\nThe execution: {page}\nRead it again: driftless follow {name}\n");
    if can_be_run_again(execution) {
        body.push_str("Run it again, when the cause is corrected: driftless redrive\n");
    }
    Mail { subject: subject(what, region), body }
}

/// Whether the dead-letter queue has it and running it again could help.
fn can_be_run_again(execution: &FinishedExecution) -> bool {
    use FinishedOutcome::{Failed, Stopped, TimedOut};
    let is_lost = |error: &FinishedError| !is_of_the_input(&error.name, &error.message);
    execution.error.as_ref().is_some_and(is_lost)
        && matches!(execution.outcome, Failed | Stopped | TimedOut)
}

/// What and where. A subject is ASCII without control characters.
fn subject(what: &str, region: &str) -> String {
    let place = format!(" ({region})");
    let is_allowed = |c: char| c == ' ' || c.is_ascii_graphic();
    let ascii: String = what.chars().map(|c| if is_allowed(c) { c } else { ' ' }).collect();
    let mut subject = format!("Driftless: {}", ascii.trim());
    let room = MAX_SUBJECT_CHARS.saturating_sub(place.len());
    if subject.len() > room {
        subject.truncate(room.saturating_sub(3));
        subject.push_str("...");
    }
    subject + &place
}
