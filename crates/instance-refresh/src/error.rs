//! Errors of instance-refresh.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why the instances do not run the image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A refresh ended without success, or there is nothing to refresh.
    #[error("the instances of group {group} were not replaced: {reason}")]
    InstanceRefreshFailed {
        /// The group.
        group: String,
        /// Auto Scaling's reason, or what was found.
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

/// The function's `REFRESH_ORDER` is not a known order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("REFRESH_ORDER must be terminate-first or launch-first, not {0:?}")]
pub struct UnknownOrder(pub String);
