//! report builds what people read about an execution: its outcome, the summary, the message of each
//! failure, and the cause of a failed execution. The state machine only collects.
//!
//! It calls no AWS API and its role has no permissions. Its own failure must not hide a promotion:
//! the state machine then ends with what it has collected.

mod cause;
mod decide;
mod error;
mod sentences;
#[cfg(test)]
mod tests;

use contract::steps::{ReportInput, Reported};

pub use crate::error::Error;

/// Builds the report from what was collected.
///
/// # Errors
/// [`Error::NotEncoded`]
pub fn handle(input: ReportInput) -> Result<Reported, Error> {
    let resolution_failure = input.failure.clone();
    let report = cause::fitted(decide::report(input));
    if let Some(failure) = resolution_failure {
        let cause = sentences::cause_text(failure.cause.as_ref());
        return Ok(Reported { report, error: Some(failure.name), cause: Some(cause) });
    }
    let (error, cause) = cause::of(&report)?.unzip();
    Ok(Reported { report, error, cause })
}
