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
    /// The write was accepted, and reading it back shows something else.
    #[error(
        "parameter {name} was written with {written} but reads {current}; Parameter Store checks the image after its answer (\"Parameter Store Change\" events say why it refuses one)"
    )]
    ParameterNotUpdated {
        /// The parameter.
        name: String,
        /// What was sent.
        written: String,
        /// What reads back.
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
            Self::ParameterNotUpdated { .. } => ErrorName::ParameterNotUpdated,
            Self::Aws(error) => error.name(),
        }
    }
}
