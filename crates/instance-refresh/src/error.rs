//! What can go wrong in instance-refresh.

use contract::{ErrorName, Named};
use step::AwsError;

/// Why the instances do not run the image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A refresh ended, and not well.
    #[error("the instance refresh {refresh_id} of group {group} ended {status}: {reason}")]
    InstanceRefreshFailed {
        /// The group.
        group: String,
        /// The refresh.
        refresh_id: String,
        /// Auto Scaling's status.
        status: String,
        /// Auto Scaling's reason.
        reason: String,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::InstanceRefreshFailed { .. } => ErrorName::InstanceRefreshFailed,
            Self::Aws(error) => error.name(),
        }
    }
}
