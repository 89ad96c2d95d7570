//! report builds what people read about an execution: its outcome, the summary, the message of each
//! failure, and the cause of a failed execution. The state machine only collects. When the execution
//! has ended, it makes the event and the mail about it.
//!
//! It calls no AWS API and its role has no permissions. Its own failure must not hide a promotion:
//! the state machine then ends with what it has collected.

mod announce;
mod cause;
mod decide;
mod error;
mod mail;
mod reconcile;
mod sentences;
#[cfg(test)]
mod tests;

use contract::output::StepOutput;
use contract::steps::{Announced, Collected, Reconciled, ReportInput, Reported};
use serde::Serialize;

pub use crate::error::Error;

/// The report on what a state machine has collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// For `promote-ami`.
    Promotion(Reported),
    /// For `reconcile`.
    Reconcile(Reconciled),
    /// For `announce`.
    Announcement(Announced),
}

impl StepOutput for Answer {
    const MAX_BYTES: usize = Reported::MAX_BYTES;
}

/// Builds the report from what was collected.
///
/// # Errors
/// [`Error::NotEncoded`]
pub fn handle(input: ReportInput) -> Result<Answer, Error> {
    Ok(match input {
        ReportInput::Promotion(collected) => Answer::Promotion(promotion(collected)?),
        ReportInput::Reconcile(round) => Answer::Reconcile(reconcile::reconciled(round)?),
        ReportInput::Announcement(ended) => Answer::Announcement(announce::announced(ended)?),
    })
}

fn promotion(collected: Collected) -> Result<Reported, Error> {
    let resolution_failure = collected.failure.clone();
    let report = cause::fitted(decide::report(collected));
    if let Some(failure) = resolution_failure {
        let cause = sentences::cause_text(failure.cause.as_ref());
        return Ok(Reported { report, error: Some(failure.name), cause: Some(cause) });
    }
    let (error, cause) = cause::of(&report)?.unzip();
    Ok(Reported { report, error, cause })
}
