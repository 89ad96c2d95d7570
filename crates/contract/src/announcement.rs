//! The events that Driftless puts on the default event bus when an execution has ended, and what it
//! makes them of. `docs/events.schema.json` describes them for whoever writes a rule.

use serde::{Deserialize, Serialize};

use crate::report::{Counts, Outcome, PromotionRow, TargetOutcome};
use crate::steps::Rows;
use crate::target::Pattern;

/// The `source` of the events.
pub const SOURCE: &str = "driftless";
/// The `detail-type` of a [`PromotionFinished`].
pub const PROMOTION_FINISHED: &str = "Promotion Finished";
/// The `detail-type` of a [`ReconcileFinished`].
pub const RECONCILE_FINISHED: &str = "Reconcile Finished";

/// Of which executions a mail is sent: each of these includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyOn {
    /// Of none: there is no topic.
    Never,
    /// Of those that failed, timed out or were stopped, or did not prove what is booted.
    Failures,
    /// Also of those that promoted an image.
    Changes,
    /// Of every one.
    All,
}

/// The `detail` of "Step Functions Execution Status Change", as far as Driftless reads it (Step
/// Functions developer guide, "Automating Step Functions event delivery with EventBridge"). It
/// belongs to AWS, so fields that are not listed here may come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// The execution's ARN.
    pub execution_arn: String,
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// When it started, in milliseconds since 1970.
    pub start_date: i64,
    /// When it ended, in milliseconds since 1970.
    pub stop_date: Option<i64>,
    /// Its input as JSON text; `null` if there is no room for it.
    pub input: Option<String>,
    /// Its output as JSON text, if it succeeded; `null` if there is no room for it.
    pub output: Option<String>,
    /// The name of its error, if it did not.
    pub error: Option<String>,
    /// The cause, if it did not.
    pub cause: Option<String>,
}

/// The `detail` of "Promotion Finished".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionFinished {
    /// The execution.
    #[serde(flatten)]
    pub execution: FinishedExecution,
    /// The reconcile that started it, by its execution's name; `null` if none did.
    pub reconcile: Option<String>,
    /// Its targets; empty if they are not known.
    pub targets: Vec<FinishedTarget>,
}

/// The `detail` of "Reconcile Finished".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileFinished {
    /// The execution.
    #[serde(flatten)]
    pub execution: FinishedExecution,
    /// How many targets were listed.
    pub targets: usize,
    /// How many promotions ended in which way.
    pub counts: Counts,
    /// The promotions that failed, and those whose end is unknown.
    pub failed: Rows<PromotionRow>,
}

/// An execution that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishedExecution {
    /// The outcome.
    pub outcome: FinishedOutcome,
    /// What happened, in sentences.
    pub summary: String,
    /// The execution's ARN.
    pub execution: String,
    /// Its page in the Step Functions console; `null` in a partition whose console is not known.
    pub console: Option<String>,
    /// When it started, in milliseconds since 1970, as in Step Functions' own event.
    pub start_date: i64,
    /// When it ended, in milliseconds since 1970.
    pub stop_date: Option<i64>,
    /// The error that it ended with; `null` if it succeeded.
    pub error: Option<FinishedError>,
}

/// The outcome of an execution that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishedOutcome {
    /// See [`Outcome::Promoted`].
    Promoted,
    /// See [`Outcome::Unchanged`].
    Unchanged,
    /// See [`Outcome::Planned`].
    Planned,
    /// See [`Outcome::Unproven`].
    Unproven,
    /// See [`Outcome::Skipped`].
    Skipped,
    /// See [`Outcome::Failed`]; also an execution that failed without a report.
    Failed,
    /// It ran out of time.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
    /// It succeeded, but the event about it has no report: the execution has it.
    Unknown,
}

impl From<Outcome> for FinishedOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Promoted => Self::Promoted,
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Planned => Self::Planned,
            Outcome::Unproven => Self::Unproven,
            Outcome::Skipped => Self::Skipped,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// An error that an execution ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedError {
    /// Its name.
    pub name: String,
    /// What was found.
    pub message: String,
}

/// What became of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishedTarget {
    /// How the image reaches the launch template.
    pub pattern: Pattern,
    /// The SSM parameter's name, or the stack's.
    pub name: String,
    /// The outcome.
    pub outcome: TargetOutcome,
    /// Each image parameter.
    pub images: Vec<FinishedImage>,
    /// Each stack whose drift was detected.
    pub drift: Vec<FinishedDrift>,
    /// The error, if it failed.
    pub error: Option<FinishedError>,
}

/// An image parameter of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedImage {
    /// The SSM parameter's name, or the key of the stack's parameter.
    pub parameter: String,
    /// What was in place: an image, or a redacted value.
    pub before: String,
    /// The image that was chosen.
    pub after: String,
}

/// What CloudFormation found in a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishedDrift {
    /// The stack.
    pub stack_name: String,
    /// `IN_SYNC` or `DRIFTED`.
    pub status: String,
}
