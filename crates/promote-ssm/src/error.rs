//! Errors of promote-ssm.

use aws::AwsError;
use contract::{ErrorName, Named};
use step::InvalidInput;

/// Why a parameter does not have its image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two images for one parameter.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The parameter does not exist.
    #[error(
        "parameter {0} does not exist; create it once, outside any stack, with type String and data type aws:ec2:image"
    )]
    ParameterNotFound(String),
    /// The parameter belongs to a stack.
    #[error(
        "parameter {name} belongs to stack {stack} ({resource}), so writing it would cause drift; create one outside any stack"
    )]
    ParameterOwnedByStack {
        /// The parameter.
        name: String,
        /// The stack.
        stack: String,
        /// Its resource.
        resource: String,
    },
    /// No new version can be created, because the oldest cannot be deleted.
    #[error(
        "parameter {name} has the maximum number of versions, and the oldest, version {version}, cannot be deleted because of its label {}; move the label to a newer version", labels.join(", ")
    )]
    ParameterVersionsFull {
        /// The parameter.
        name: String,
        /// Its oldest version.
        version: i64,
        /// What keeps it.
        labels: Vec<String>,
    },
    /// The value is neither what the decision saw nor what it chose.
    #[error("parameter {name} was {seen} when the image was chosen and is {current} now")]
    Changed {
        /// The parameter.
        name: String,
        /// What the decision saw.
        seen: String,
        /// What is there now.
        current: String,
    },
    /// Another writer wrote between the poll and the write.
    #[error(
        "another writer wrote {lost} to parameter {name} at the same moment, and was overwritten"
    )]
    Overwrote {
        /// The parameter.
        name: String,
        /// The other's value.
        lost: String,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::Input(error) => error.name(),
            Self::ParameterNotFound(_) => ErrorName::ParameterNotFound,
            Self::ParameterOwnedByStack { .. } => ErrorName::ParameterOwnedByStack,
            Self::ParameterVersionsFull { .. } => ErrorName::ParameterVersionsFull,
            Self::Changed { .. } | Self::Overwrote { .. } => ErrorName::ConcurrentWrite,
            Self::Aws(error) => error.name(),
        }
    }
}
