//! What can go wrong in promote-ssm.

use contract::{ErrorName, Named};
use step::AwsError;

/// Why the parameter does not have the image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such parameter.
    #[error(
        "there is no parameter {0}; create it once, outside any stack, with type String and data type aws:ec2:image"
    )]
    ParameterNotFound(String),
    /// The value is neither what the decision saw nor what it chose.
    #[error("parameter {name} was {seen} when the image was chosen and is {current} now")]
    ConcurrentWrite {
        /// The parameter.
        name: String,
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
            Self::ParameterNotFound(_) => ErrorName::ParameterNotFound,
            Self::ConcurrentWrite { .. } => ErrorName::ConcurrentWrite,
            Self::Aws(error) => error.name(),
        }
    }
}
