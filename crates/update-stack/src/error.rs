//! Errors of update-stack.

use aws::{AwsError, stacks};
use contract::{ErrorName, Named};

/// Why no update was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stack's parameters cannot be changed.
    #[error(transparent)]
    Stack(#[from] stacks::Error),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::Stack(error) => error.name(),
            Self::Aws(error) => error.name(),
        }
    }
}
