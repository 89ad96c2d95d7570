//! What is told of an execution that has ended: an event for programs, and a mail for people.

use contract::announcement::{
    FinishedDrift, FinishedError, FinishedExecution, FinishedImage, FinishedOutcome,
    FinishedTarget, PROMOTION_FINISHED, PromotionFinished, RECONCILE_FINISHED, ReconcileFinished,
    StatusChange,
};
use contract::event::TargetRun;
use contract::report::{Counts, ReconcileReport, Report, TargetReport};
use contract::steps::{Announced, Detection, Ended, Rows};
use serde::de::DeserializeOwned;
use step::truncated;

use crate::mail;
use crate::sentences;

/// The maximum length of a message in an event, and of the summary.
const MAX_MESSAGE_CHARS: usize = 1_000;
/// The maximum length of the failed promotions as JSON. An event may have 256 KiB (EventBridge user
/// guide, "Calculating `PutEvents` event entry size").
const MAX_FAILED_BYTES: usize = 64 * 1024;

/// The event and, if one is wanted, the mail.
///
/// # Errors
/// The event cannot be written as JSON, which is a defect.
pub(crate) fn announced(ended: &Ended) -> Result<Announced, serde_json::Error> {
    let change = &ended.change;
    if ended.is_reconcile {
        let report = report_of::<ReconcileReport>(change);
        let detail = reconcile(change, report.as_ref());
        let mail = mail::of_reconcile(&detail, report.as_ref(), ended.notify_on);
        let detail = serde_json::to_value(detail)?;
        return Ok(Announced { detail_type: RECONCILE_FINISHED.to_owned(), detail, mail });
    }
    let report = report_of::<Report>(change);
    let detail = promotion(change, report.as_ref());
    // The mail about a reconcile is about its promotions too.
    let mail = match &detail.reconcile {
        Some(_) => None,
        None => mail::of_promotion(&detail, report.as_ref(), ended.notify_on),
    };
    let detail = serde_json::to_value(detail)?;
    Ok(Announced { detail_type: PROMOTION_FINISHED.to_owned(), detail, mail })
}

/// The report is the output of an execution that succeeded, and usually the cause of one that failed.
fn report_of<T: DeserializeOwned>(change: &StatusChange) -> Option<T> {
    let text = change.output.as_deref().or(change.cause.as_deref())?;
    serde_json::from_str(text).ok()
}

fn promotion(change: &StatusChange, report: Option<&Report>) -> PromotionFinished {
    let said = report.map(|report| (report.outcome.into(), report.summary.as_str()));
    let targets = report.map(|report| report.targets.as_slice()).unwrap_or_default();
    let input = change.input.as_deref().and_then(|text| serde_json::from_str(text).ok());
    PromotionFinished {
        execution: execution(change, said),
        reconcile: input.and_then(|run: TargetRun| run.started_by),
        targets: targets.iter().map(target).collect(),
    }
}

fn reconcile(change: &StatusChange, report: Option<&ReconcileReport>) -> ReconcileFinished {
    let said = report.map(|report| (report.outcome.into(), report.summary.as_str()));
    ReconcileFinished {
        execution: execution(change, said),
        targets: report.map_or(0, |report| report.targets),
        counts: report.map_or_else(Counts::default, |report| report.results.counts),
        failed: report.map_or_else(Rows::default, |report| {
            report.results.failed.clone().within(MAX_FAILED_BYTES)
        }),
    }
}

fn execution(change: &StatusChange, said: Option<(FinishedOutcome, &str)>) -> FinishedExecution {
    let error = error(change, said.map(|(_, summary)| summary));
    let without_report = || match change.status.as_str() {
        "SUCCEEDED" => (
            FinishedOutcome::Unknown,
            "It succeeded. Its report is too long for an event; the execution has it.".to_owned(),
        ),
        "TIMED_OUT" => (FinishedOutcome::TimedOut, "It ran out of time.".to_owned()),
        "ABORTED" => (FinishedOutcome::Stopped, stopped(error.as_ref())),
        _ => (FinishedOutcome::Failed, failed(error.as_ref())),
    };
    let (outcome, summary) =
        said.map_or_else(without_report, |(outcome, summary)| (outcome, summary.to_owned()));
    FinishedExecution {
        outcome,
        summary: truncated(summary, MAX_MESSAGE_CHARS),
        execution: change.execution_arn.clone(),
        console: console(&change.execution_arn),
        start_date: change.start_date,
        stop_date: change.stop_date,
        error,
    }
}

/// The error, with the report's summary for its message if the cause is the report.
fn error(change: &StatusChange, summary: Option<&str>) -> Option<FinishedError> {
    let name = match (&change.error, change.status.as_str()) {
        (Some(name), _) => name,
        (None, "TIMED_OUT") => "States.Timeout",
        (None, _) => return None,
    };
    let cause = || sentences::message(change.cause.as_deref().unwrap_or_default());
    Some(named(name, summary.map_or_else(cause, str::to_owned)))
}

fn named(name: &str, message: impl Into<String>) -> FinishedError {
    FinishedError { name: name.to_owned(), message: truncated(message, MAX_MESSAGE_CHARS) }
}

fn failed(error: Option<&FinishedError>) -> String {
    error.map_or_else(
        || "It failed without an error.".to_owned(),
        |error| format!("{}: {}", error.name, error.message),
    )
}

fn stopped(error: Option<&FinishedError>) -> String {
    let why = error.map(|error| format!(": {}: {}", error.name, error.message));
    format!("Somebody stopped it{}.", why.unwrap_or_default())
}

fn target(report: &TargetReport) -> FinishedTarget {
    let images = report.images.iter().map(|image| FinishedImage {
        parameter: image.parameter.clone(),
        before: image.before.redacted().to_owned(),
        after: image.after.to_string(),
    });
    let drift = report.drift.iter().filter_map(|stack| match &stack.detection {
        Detection::Settled { status, .. } => Some(FinishedDrift {
            stack_name: stack.stack_name.to_string(),
            status: status.to_string(),
        }),
        Detection::NotStarted {} | Detection::Running { .. } => None,
    });
    FinishedTarget {
        pattern: report.pattern,
        name: report.name.clone(),
        outcome: report.outcome,
        images: images.collect(),
        drift: drift.collect(),
        error: report.error.as_ref().map(|error| named(&error.name, error.message.as_str())),
    }
}

/// The execution's page. Each partition has a console of its own (AWS General Reference, "AWS
/// Management Console endpoints").
fn console(execution: &str) -> Option<String> {
    let parts: Vec<_> = execution.split(':').collect();
    let &[_, partition, _, region, ..] = parts.as_slice() else { return None };
    let host = match partition {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => return None,
    };
    Some(format!(
        "https://{region}.{host}/states/home?region={region}#/v2/executions/details/{execution}"
    ))
}
