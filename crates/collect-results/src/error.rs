//! Errors of collect-results.

use aws::AwsError;
use contract::{ErrorName, Named};

/// Why the results could not be collected.
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
