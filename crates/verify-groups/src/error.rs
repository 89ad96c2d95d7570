//! Errors of verify-groups.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why the groups could not be verified. (A wrong image is a finding, not an error.)
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
