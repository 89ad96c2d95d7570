//! Errors of report.

use contract::{ErrorName, Named};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A defect in this step: every field of a report can be encoded as JSON.
    #[error("the report cannot be written as JSON: {0}")]
    NotEncoded(#[from] serde_json::Error),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::NotEncoded(_) => ErrorName::StepPanicked,
        }
    }
}
