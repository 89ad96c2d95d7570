//! What can go wrong in validate-ami.

use aws::AwsError;
use contract::ids::ImageId;
use contract::{ErrorName, Named};

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
    /// A rollback has nowhere to go.
    #[error("no image for {parameter} is older than {before}, which is in place")]
    NothingOlder {
        /// The image parameter.
        parameter: String,
        /// The value in place.
        before: String,
    },
    /// The image is a backup of something that the target has nothing to do with.
    #[error("{parameter} may not be given this image: {verdicts}")]
    TargetNotPermitted {
        /// The image parameter.
        parameter: String,
        /// The candidates that were passed over, with the reason.
        verdicts: String,
    },
    /// A tag names something that is hidden. No image is, and what is must not be overwritten
    /// because somebody may tag an instance.
    #[error("{0} holds a secret and not an image; correct the image's tags")]
    Secret(String),
    /// There is no such SSM parameter.
    #[error(
        "there is no parameter {0}; create it once, outside any stack, with type String and data type aws:ec2:image"
    )]
    ParameterNotFound(String),
    /// A stack's parameter is of a type `AWS::SSM::Parameter::Value<…>`, and its value is not a
    /// name that could be written.
    #[error(
        "parameter {key} of stack {stack} reads {value:?}, which is not the name of an SSM parameter of this account; name one that is"
    )]
    NotAParameterName {
        /// The stack.
        stack: String,
        /// Its parameter.
        key: String,
        /// What that is said to read.
        value: String,
    },
    /// There is no such stack.
    #[error("there is no stack {0} in this account and Region")]
    StackNotFound(String),
    /// The template has other parameters.
    #[error("stack {stack} has no parameter {missing}; its parameters are: {}", known.join(", "))]
    ParameterKeyNotFound {
        /// The stack.
        stack: String,
        /// What an image names and the template lacks.
        missing: String,
        /// What the template has.
        known: Vec<String>,
    },
    /// Nothing could be decided about any of the target's image parameters.
    #[error("{message}")]
    AllRefused {
        /// The first one's.
        name: ErrorName,
        /// Every one's.
        message: String,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Error {
    /// Whether it keeps one image parameter from its image, and no other of the same stack.
    #[must_use]
    pub fn is_of_one_parameter(&self) -> bool {
        match self {
            Self::ImageRejected { .. }
            | Self::NothingOlder { .. }
            | Self::TargetNotPermitted { .. }
            | Self::Secret(_)
            | Self::ParameterNotFound(_)
            | Self::NotAParameterName { .. }
            | Self::ParameterKeyNotFound { .. } => true,
            // A newer image that is being made is waited for: all go into one update.
            Self::ImagePending(_)
            | Self::StackNotFound(_)
            | Self::AllRefused { .. }
            | Self::Aws(_) => false,
        }
    }
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::ImagePending(_) => ErrorName::ImagePending,
            Self::ImageRejected { .. } | Self::NothingOlder { .. } => ErrorName::ImageRejected,
            Self::TargetNotPermitted { .. } | Self::Secret(_) => ErrorName::TargetNotPermitted,
            Self::ParameterNotFound(_) | Self::NotAParameterName { .. } => {
                ErrorName::ParameterNotFound
            }
            Self::StackNotFound(_) => ErrorName::StackNotFound,
            Self::ParameterKeyNotFound { .. } => ErrorName::ParameterKeyNotFound,
            Self::AllRefused { name, .. } => *name,
            Self::Aws(error) => error.name(),
        }
    }
}
