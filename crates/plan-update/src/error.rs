//! Errors of plan-update.

use aws::{AwsError, refusals, stacks};
use contract::{ErrorName, Named};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stack's parameters cannot be changed.
    #[error(transparent)]
    Stack(#[from] stacks::Error),
    /// The change set ended without a plan.
    #[error("CloudFormation could not plan an update of stack {stack}: {reason}")]
    PlanFailed {
        /// The stack.
        stack: String,
        /// CloudFormation's reason.
        reason: String,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::Stack(error) => error.name(),
            Self::Aws(error) => error.name(),
            Self::PlanFailed { reason, .. } => name_of(reason),
        }
    }
}

/// A change set is created after the call has returned, so what would refuse an update is here the
/// reason of a change set that failed.
fn name_of(reason: &str) -> ErrorName {
    if refusals::is_failed_validation(reason) {
        ErrorName::UpdateNotPermitted
    } else if refusals::is_denial_reason(reason) {
        ErrorName::AccessDenied
    } else {
        ErrorName::PlanFailed
    }
}
