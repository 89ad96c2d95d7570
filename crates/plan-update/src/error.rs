//! What can go wrong in plan-update.

use contract::{ErrorName, Named};
use step::{AwsError, stack};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stack's parameters cannot be changed.
    #[error(transparent)]
    Stack(#[from] stack::Error),
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
    /// The change set ended without a plan.
    #[error("CloudFormation cannot say what an update of stack {stack} would do: {reason}")]
    PlanFailed {
        /// The stack.
        stack: String,
        /// CloudFormation's reason.
        reason: String,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::Stack(stack::Error::NotFound(_)) => ErrorName::StackNotFound,
            Self::Stack(stack::Error::Nested { .. }) => ErrorName::StackNested,
            Self::Stack(stack::Error::UnknownKeys { .. }) => ErrorName::ParameterKeyNotFound,
            Self::Stack(stack::Error::Changed { .. }) => ErrorName::ConcurrentWrite,
            Self::Stack(stack::Error::TemplateTooLong { .. }) => ErrorName::TemplateTooLong,
            Self::Stack(stack::Error::Aws(error)) | Self::Aws(error) => error.name(),
            Self::StackBusy { .. } => ErrorName::StackBusy,
            Self::StackNotUpdatable { .. } => ErrorName::StackNotUpdatable,
            Self::PlanFailed { .. } => ErrorName::PlanFailed,
        }
    }
}
