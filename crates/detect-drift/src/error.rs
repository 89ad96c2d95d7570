//! Errors of detect-drift.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why drift could not be detected. (Drift itself is a finding, not an error.)
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// CloudFormation could not finish the detection.
    #[error("the drift detection of stack {stack} failed: {reason}")]
    DriftDetectionFailed {
        /// The stack.
        stack: String,
        /// CloudFormation's reason.
        reason: String,
    },
    /// Another detection or operation is running.
    #[error("stack {stack} cannot be checked for drift now: {reason}")]
    DriftDetectionBusy {
        /// The stack.
        stack: String,
        /// CloudFormation's reason.
        reason: String,
    },
    /// The stack no longer exists.
    #[error("stack {0} does not exist in this account and Region")]
    StackNotFound(String),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::DriftDetectionFailed { .. } => ErrorName::DriftDetectionFailed,
            Self::DriftDetectionBusy { .. } => ErrorName::DriftDetectionBusy,
            Self::StackNotFound(_) => ErrorName::StackNotFound,
            Self::Aws(error) => error.name(),
        }
    }
}
