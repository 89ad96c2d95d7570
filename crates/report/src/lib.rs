//! report builds what people read about an execution: its outcome, the summary, the message of each
//! failure, and the cause of a failed execution. The state machine only collects. When the execution
//! has ended, it makes the event and the mail about it.
//!
//! It calls no AWS API and its role has no permissions; what CloudWatch counts are lines of its log. Its
//! own failure must not hide a promotion: the state machine then ends with what it has collected.

mod announce;
mod cause;
mod decide;
mod error;
mod mail;
mod metrics;
mod reconcile;
mod sentences;
#[cfg(test)]
mod tests;

use contract::output::StepOutput;
use contract::steps::{Announced, Collected, Reconciled, ReportInput, Reported};
use serde::Serialize;

pub use crate::error::Error;

use crate::metrics::Count;

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

/// Builds the report from what was collected, and writes what CloudWatch counts of it to stdout. `stack`
/// is the name of the stack of Driftless.
///
/// # Errors
/// [`Error::NotEncoded`]
pub fn handle(stack: &str, input: ReportInput) -> Result<Answer, Error> {
    let (answer, counts) = answered(input)?;
    metrics::write(stack, &counts);
    Ok(answer)
}

fn answered(input: ReportInput) -> Result<(Answer, Vec<Count>), Error> {
    Ok(match input {
        ReportInput::Promotion(collected) => {
            let (reported, counts) = promotion(collected)?;
            (Answer::Promotion(reported), counts)
        }
        ReportInput::Reconcile(round) => {
            let counts = metrics::of_round(&round);
            (Answer::Reconcile(reconcile::reconciled(round)?), counts)
        }
        ReportInput::Announcement(ended) => {
            (Answer::Announcement(announce::announced(&ended)?), Vec::new())
        }
    })
}

fn promotion(collected: Collected) -> Result<(Reported, Vec<Count>), Error> {
    let is_dry_run = collected.targets.iter().any(|target| target.dry_run);
    let resolution_failure = collected.failure.clone();
    let report = decide::report(collected);
    let counts = metrics::of_promotion(&report, resolution_failure.as_ref(), is_dry_run);
    let report = cause::fitted(report);
    if let Some(failure) = resolution_failure {
        let cause = sentences::cause_text(failure.cause.as_ref());
        let reported = Reported { report, error: Some(failure.name), cause: Some(cause) };
        return Ok((reported, counts));
    }
    let (error, cause) = cause::of(&report)?.unzip();
    Ok((Reported { report, error, cause }, counts))
}
