//! Errors of wait-stack-complete.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why the update will not complete.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The update ended without success.
    #[error("stack {stack} ended in {status}: {reason}")]
    StackUpdateFailed {
        /// The stack's name or ARN.
        stack: String,
        /// The status that it ended in.
        status: String,
        /// The first resource that failed, and why.
        reason: String,
    },
    /// The stack no longer exists.
    #[error("stack {0} no longer exists")]
    StackNotFound(String),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::StackUpdateFailed { .. } => ErrorName::StackUpdateFailed,
            Self::StackNotFound(_) => ErrorName::StackNotFound,
            Self::Aws(error) => error.name(),
        }
    }
}
