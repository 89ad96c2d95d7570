//! What can go wrong in detect-drift.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why there is no answer about the drift. (That there is drift is an answer.)
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// CloudFormation did not get to the end.
    #[error("the drift detection of stack {stack} did not succeed: {reason}")]
    DriftDetectionFailed {
        /// The stack.
        stack: String,
        /// CloudFormation's reason.
        reason: String,
    },
    /// Somebody else's detection or operation runs.
    #[error("stack {stack} cannot be checked for drift now: {reason}")]
    DriftDetectionBusy {
        /// The stack.
        stack: String,
        /// CloudFormation's reason.
        reason: String,
    },
    /// The stack is gone.
    #[error("there is no stack {0} in this account and Region")]
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
