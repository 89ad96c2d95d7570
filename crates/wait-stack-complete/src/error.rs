//! What can go wrong in wait-stack-complete.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why the update is not complete and will not be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// CloudFormation gave the update up.
    #[error("stack {stack} ended in {status}: {reason}")]
    StackUpdateFailed {
        /// The stack's name or ARN.
        stack: String,
        /// The status that it ended in.
        status: String,
        /// The first resource that failed, and why.
        reason: String,
    },
    /// The stack is gone.
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
