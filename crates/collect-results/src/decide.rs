//! The decisions of collect-results, without I/O: the row of each promotion, and the page's summary.

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use contract::report::{Counts, Outcome, PromotionRow, Report, Summary};
use contract::steps::{Rows, StartResult};
use contract::target::Pattern;
use step::truncated;

/// The maximum length of a name. An SSM parameter's may have 1,011 characters; the execution has it
/// in full.
const MAX_NAME_CHARS: usize = 200;
/// The maximum length of a sentence.
const MAX_SENTENCE_CHARS: usize = 200;
/// The maximum length of a page's rows as JSON: twelve pages make a round, and Step Functions passes
/// 256 KiB from one state to the next.
const MAX_ROWS_BYTES: usize = 9_000;

/// How a promotion ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With a report.
    Reported {
        /// The outcome in it.
        outcome: Outcome,
        /// The summary in it.
        summary: String,
    },
    /// Without success.
    Failed {
        /// The error's name.
        error: String,
        /// What happened.
        sentence: String,
    },
    /// It was never started.
    NotStarted,
    /// The step may not read it.
    Unreadable {
        /// The error's name.
        error: String,
        /// What AWS said.
        sentence: String,
    },
    /// It is still running, although nobody waits for it any more.
    Running,
}

/// The end that the state machine knows.
pub(crate) fn reported(result: &StartResult) -> Option<End> {
    let summary = result.summary.clone().unwrap_or_default();
    result.outcome.map(|outcome| End::Reported { outcome, summary })
}

/// The ARN of an execution of this state machine.
pub(crate) fn execution_arn(machine: &str, name: &str) -> String {
    format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1))
}

/// The end that Step Functions describes.
pub(crate) fn end(found: DescribeExecutionOutput) -> End {
    let report = |text: Option<&str>| serde_json::from_str::<Report>(text?).ok();
    match found.status {
        ExecutionStatus::Running | ExecutionStatus::PendingRedrive => End::Running,
        ExecutionStatus::Succeeded => match report(found.output.as_deref()) {
            Some(Report { outcome, summary, .. }) => End::Reported { outcome, summary },
            None => failed(&found.status, "its output is not a report".to_owned()),
        },
        // The target's own error says more than the execution's.
        ExecutionStatus::Failed => {
            let report = report(found.cause.as_deref());
            match report.and_then(|report| report.targets.into_iter().find_map(|one| one.error)) {
                Some(error) => End::Failed { error: error.name, sentence: error.message },
                None => End::Failed {
                    error: found.error.unwrap_or_else(|| found.status.to_string()),
                    sentence: found.cause.unwrap_or_default(),
                },
            }
        }
        status => failed(&status, "it was stopped, or ran out of time".to_owned()),
    }
}

fn failed(status: &ExecutionStatus, sentence: String) -> End {
    End::Failed { error: status.to_string(), sentence }
}

/// The row of a promotion.
pub(crate) fn row(result: StartResult, end: End) -> PromotionRow {
    let StartResult { start, error, cause, .. } = result;
    let names = start.input.target;
    let (pattern, name) = match (names.parameter_name, names.stack_name) {
        (Some(name), _) => (Pattern::Parameter, name.to_string()),
        (None, name) => (Pattern::Stack, name.map(|name| name.to_string()).unwrap_or_default()),
    };
    let (outcome, error, sentence) = match end {
        // Nothing happened.
        End::Reported { outcome: Outcome::Unchanged, .. } => (Some(Outcome::Unchanged), None, None),
        End::Reported { outcome, summary } => (Some(outcome), None, Some(summary)),
        End::Failed { error, sentence } => (Some(Outcome::Failed), Some(error), Some(sentence)),
        End::NotStarted => {
            let cause = cause.filter(|cause| !cause.is_empty());
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            (None, error, Some(format!("it was not started{cause}")))
        }
        End::Unreadable { error, sentence } => (None, Some(error), Some(sentence)),
        End::Running => (None, error, Some("it is still running".to_owned())),
    };
    PromotionRow {
        pattern,
        name: truncated(name, MAX_NAME_CHARS),
        execution: start.name,
        outcome,
        error: error.map(|error| truncated(error, MAX_NAME_CHARS)),
        sentence: sentence.map(|text| truncated(text, MAX_SENTENCE_CHARS)),
    }
}

/// The page's summary.
pub(crate) fn summary(rows: Vec<PromotionRow>) -> Summary {
    let mut counts = Counts::default();
    for row in &rows {
        counts.add(row.outcome);
    }
    let is_failed = |row: &PromotionRow| matches!(row.outcome, None | Some(Outcome::Failed));
    let (failed, mut others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_failed);
    others.sort_by_key(|row| row.outcome == Some(Outcome::Unchanged));
    let failed = Rows { rows: failed, more: 0 }.within(MAX_ROWS_BYTES);
    let left = MAX_ROWS_BYTES.saturating_sub(failed.bytes());
    Summary { counts, others: Rows { rows: others, more: 0 }.within(left), failed }
}
