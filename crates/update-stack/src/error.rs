//! What can go wrong in update-stack.

use contract::{ErrorName, Named};
use step::AwsError;

/// Why no update was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no stack of that name.
    #[error("there is no stack {0} in this account and Region; the image's tag StackName names it")]
    StackNotFound(String),
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
    /// The template does not have the parameter.
    #[error(
        "stack {stack} has no parameter {}; its parameters are: {}", missing.join(", "), known.join(", ")
    )]
    ParameterKeyNotFound {
        /// The stack.
        stack: String,
        /// The parameters that were to be changed and do not exist.
        missing: Vec<String>,
        /// The parameters that do.
        known: Vec<String>,
    },
    /// A value is neither what the decision saw nor what it chose.
    #[error(
        "parameter {parameter} of stack {stack} was {seen} when the image was chosen and is {current} now"
    )]
    ConcurrentWrite {
        /// The stack.
        stack: String,
        /// The parameter's key.
        parameter: String,
        /// What validate-ami read.
        seen: String,
        /// What is there now.
        current: String,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::StackNotFound(_) => ErrorName::StackNotFound,
            Self::StackBusy { .. } => ErrorName::StackBusy,
            Self::StackNotUpdatable { .. } => ErrorName::StackNotUpdatable,
            Self::ParameterKeyNotFound { .. } => ErrorName::ParameterKeyNotFound,
            Self::ConcurrentWrite { .. } => ErrorName::ConcurrentWrite,
            Self::Aws(error) => error.name(),
        }
    }
}
