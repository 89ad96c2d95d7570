//! Errors of resolve-tags.

use aws::AwsError;
use contract::ids::ImageId;
use contract::{ErrorName, Named};
use step::InvalidInput;

/// Why the targets could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input, or a tag of the image, has no known form.
    #[error(transparent)]
    InvalidInput(#[from] InvalidInput),
    /// EC2 does not list the image.
    #[error(
        "EC2 does not list image {0} in this account and Region; it was deregistered, or it is too new to be visible"
    )]
    ImageNotFound(ImageId),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::InvalidInput(error) => error.name(),
            Self::ImageNotFound(_) => ErrorName::ImageNotFound,
            Self::Aws(error) => error.name(),
        }
    }
}
