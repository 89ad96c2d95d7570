//! What can go wrong in validate-ami.

use contract::ids::ImageId;
use contract::{ErrorName, Named};
use step::AwsError;

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The newest image is not ready.
    #[error("image {0} is still being made")]
    ImagePending(ImageId),
    /// Nothing passes.
    #[error("no image for {parameter} passes validation: {verdicts}")]
    ImageRejected {
        /// The image parameter.
        parameter: String,
        /// Every candidate with the checks that it failed.
        verdicts: String,
    },
    /// There is no such SSM parameter.
    #[error(
        "there is no parameter {0}; create it once, outside any stack, with type String and data type aws:ec2:image"
    )]
    ParameterNotFound(String),
    /// There is no such stack.
    #[error("there is no stack {0} in this account and Region")]
    StackNotFound(String),
    /// The template has other parameters.
    #[error("stack {stack} has no parameter {}; its parameters are: {}", missing.join(", "), known.join(", "))]
    ParameterKeyNotFound {
        /// The stack.
        stack: String,
        /// What images name and the template lacks.
        missing: Vec<String>,
        /// What the template has.
        known: Vec<String>,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::ImagePending(_) => ErrorName::ImagePending,
            Self::ImageRejected { .. } => ErrorName::ImageRejected,
            Self::ParameterNotFound(_) => ErrorName::ParameterNotFound,
            Self::StackNotFound(_) => ErrorName::StackNotFound,
            Self::ParameterKeyNotFound { .. } => ErrorName::ParameterKeyNotFound,
            Self::Aws(error) => error.name(),
        }
    }
}
