//! Errors of validate-ami.

use aws::AwsError;
use contract::ids::ImageId;
use contract::{ErrorName, Named};

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The newest image is still pending.
    #[error("image {0} is still pending")]
    ImagePending(ImageId),
    /// No candidate passes.
    #[error("no image for {parameter} passes validation: {verdicts}")]
    ImageRejected {
        /// The image parameter.
        parameter: String,
        /// Every candidate with its failed checks.
        verdicts: String,
    },
    /// AWS Backup deletes the image in place before another can replace it.
    #[error(
        "image {image}, which is in place in {parameter}, lasts {end}, and nothing replaces it: {reason}"
    )]
    ImageExpiring {
        /// The image parameter.
        parameter: String,
        /// The image in place.
        image: ImageId,
        /// When its lifecycle ends.
        end: String,
        /// Why no newer image replaces it.
        reason: String,
    },
    /// There is no older image to roll back to.
    #[error("no image for {parameter} is older than {before}, which is in place")]
    NothingOlder {
        /// The image parameter.
        parameter: String,
        /// The value in place.
        before: String,
    },
    /// The image is not a backup of an instance of a group that the target feeds.
    #[error("the newest image must not be promoted to {parameter}: {verdicts}")]
    TargetNotPermitted {
        /// The image parameter.
        parameter: String,
        /// The rejected candidates, with the reason.
        verdicts: String,
    },
    /// A tag names a target whose value is hidden. An image ID never is, and being able to tag an
    /// instance must not be enough to overwrite a secret.
    #[error("{0} holds a secret, not an image; correct the image's tags")]
    Secret(String),
    /// The parameter is for several images, or holds several values.
    #[error(
        "{parameter} holds {kind}, and one image must not replace several; give each image a parameter of its own"
    )]
    HoldsList {
        /// The parameter, and the stack that it is of.
        parameter: String,
        /// What makes it a list: its type, or the form of its value.
        kind: String,
    },
    /// The SSM parameter does not exist.
    #[error(
        "parameter {0} does not exist; create it once, outside any stack, with type String and data type aws:ec2:image"
    )]
    ParameterNotFound(String),
    /// A stack's parameter has a type `AWS::SSM::Parameter::Value<…>`, and its value is not the
    /// name of a parameter that can be written.
    #[error(
        "parameter {key} of stack {stack} has the value {value:?}, which is not the name of an SSM parameter in this account; set it to the name of one"
    )]
    NotAParameterName {
        /// The stack.
        stack: String,
        /// Its parameter.
        key: String,
        /// Its value.
        value: String,
    },
    /// The stack does not exist.
    #[error("stack {0} does not exist in this account and Region")]
    StackNotFound(String),
    /// The template does not have this parameter.
    #[error("stack {stack} has no parameter {missing}; its parameters are: {}", known.join(", "))]
    ParameterKeyNotFound {
        /// The stack.
        stack: String,
        /// The parameter that an image names.
        missing: String,
        /// The parameters of the template.
        known: Vec<String>,
    },
    /// Nothing could be decided about any of the target's image parameters.
    #[error("{message}")]
    AllRefused {
        /// The name of the first error.
        name: ErrorName,
        /// The messages of all errors.
        message: String,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Error {
    /// Whether it concerns only one image parameter, and no other of the same stack.
    #[must_use]
    pub fn is_of_one_parameter(&self) -> bool {
        match self {
            Self::ImageRejected { .. }
            | Self::ImageExpiring { .. }
            | Self::NothingOlder { .. }
            | Self::TargetNotPermitted { .. }
            | Self::Secret(_)
            | Self::HoldsList { .. }
            | Self::ParameterNotFound(_)
            | Self::NotAParameterName { .. }
            | Self::ParameterKeyNotFound { .. } => true,
            // The step waits for a pending newer image, because all images go into one update.
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
            Self::ImageExpiring { .. } => ErrorName::ImageExpiring,
            Self::TargetNotPermitted { .. } | Self::Secret(_) => ErrorName::TargetNotPermitted,
            Self::HoldsList { .. } => ErrorName::ParameterHoldsList,
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
