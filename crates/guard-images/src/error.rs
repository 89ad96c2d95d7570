//! Errors of guard-images.

use aws::AwsError;
use contract::ids::ImageId;
use contract::{ErrorName, Named};

/// Why an image is not protected, or an old one not released.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Without its tags, a protection would never be removed.
    #[error(
        "image {0} has no room for the tags that mark it as protected: EC2 allows 50, and Driftless \
         needs one, and one for each image parameter that holds the image"
    )]
    ImageTagsFull(ImageId),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::ImageTagsFull(_) => ErrorName::ImageTagsFull,
            Self::Aws(error) => error.name(),
        }
    }
}
