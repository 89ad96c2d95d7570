//! Errors of list-targets.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why the targets could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::Aws(error) => error.name(),
        }
    }
}
