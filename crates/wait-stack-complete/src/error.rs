//! Errors of wait-stack-complete.

use aws::{AwsError, refusals};
use contract::{ErrorName, Named};

/// Why the update will not complete.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The update ended without success.
    #[error("stack {stack} ended in {status}: {reason}")]
    StackUpdateFailed {
        /// The stack's name or ARN.
        stack: String,
        /// The status that it ended in.
        status: String,
        /// The first resource that failed, and why.
        reason: String,
    },
    /// The stack no longer exists.
    #[error("stack {0} no longer exists")]
    StackNotFound(String),
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::StackUpdateFailed { reason, .. } if refusals::is_failed_validation(reason) => {
                ErrorName::UpdateNotPermitted
            }
            Self::StackUpdateFailed { .. } => ErrorName::StackUpdateFailed,
            Self::StackNotFound(_) => ErrorName::StackNotFound,
            Self::Aws(error) => error.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_failed_has_a_name() {
        for (reason, name) in [
            (
                "Group (AWS::AutoScaling::AutoScalingGroup): The following hook(s) failed: [A::B::C]",
                ErrorName::UpdateNotPermitted,
            ),
            ("Group (AWS::AutoScaling::AutoScalingGroup): no room", ErrorName::StackUpdateFailed),
        ] {
            let (stack, status) = ("web".to_owned(), "UPDATE_ROLLBACK_COMPLETE".to_owned());
            let reason = reason.to_owned();
            assert_eq!(Error::StackUpdateFailed { stack, status, reason }.name(), name);
        }
    }
}
