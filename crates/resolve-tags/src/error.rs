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
    /// The image became available a moment ago, and may still be tagged.
    #[error("image {0} carries no tag that names a target yet")]
    Untagged(ImageId),
    /// The image is tagged for Driftless, and nothing says where it belongs.
    #[error("{0}")]
    Unplaced(String),
    /// The input, or the tags of the image that it names, name a target that Driftless may not
    /// touch.
    #[error("{0}")]
    OutsidePrefixes(String),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::InvalidInput(error) => error.name(),
            Self::ImageNotFound(_) => ErrorName::ImageNotFound,
            Self::Untagged(_) => ErrorName::ImageUntagged,
            Self::Unplaced(_) => ErrorName::ImageUnplaced,
            Self::OutsidePrefixes(_) => ErrorName::TargetNotPermitted,
            Self::Aws(error) => error.name(),
        }
    }
}
