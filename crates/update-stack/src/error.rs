//! What can go wrong in update-stack.

use contract::{ErrorName, Named};
use step::{AwsError, stack};

/// Why no update was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another operation runs.
    #[error("stack {stack} is in {status}; it is waited for")]
    StackBusy {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
    },
    /// The state is one that no update leads out of.
    #[error("stack {stack} is in {status}, from which CloudFormation does not update; {remedy}")]
    StackNotUpdatable {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
        /// What a person has to do.
        remedy: &'static str,
    },
    /// The stack is not one whose parameters can be changed so.
    #[error(transparent)]
    Stack(#[from] stack::Error),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::StackBusy { .. } => ErrorName::StackBusy,
            Self::StackNotUpdatable { .. } => ErrorName::StackNotUpdatable,
            Self::Stack(stack::Error::NotFound(_)) => ErrorName::StackNotFound,
            Self::Stack(stack::Error::Nested { .. }) => ErrorName::StackNested,
            Self::Stack(stack::Error::UnknownKeys { .. }) => ErrorName::ParameterKeyNotFound,
            Self::Stack(stack::Error::Changed { .. }) => ErrorName::ConcurrentWrite,
            Self::Stack(stack::Error::TemplateTooLong { .. }) => ErrorName::TemplateTooLong,
            Self::Stack(stack::Error::Aws(error)) | Self::Aws(error) => error.name(),
        }
    }
}
