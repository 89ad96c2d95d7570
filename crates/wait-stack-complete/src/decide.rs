//! What wait-stack-complete decides, without a call.

use aws_sdk_cloudformation::types::{Parameter, ResourceStatus, StackEvent, StackStatus};
use contract::steps::Change;

/// What a look at the stack comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look again.
    InProgress,
    /// The update is done and its images are in place.
    Complete,
    /// CloudFormation gave it up.
    Failed,
}

/// Reads the stack's status after an update with these changes was started.
///
/// `parameters` are the stack's now. They tell a completed update from the state before it:
/// CloudFormation may show the old state for a moment after it accepted the update.
#[must_use]
pub fn verdict(status: &StackStatus, parameters: &[Parameter], changes: &[Change]) -> Verdict {
    match status {
        StackStatus::UpdateComplete | StackStatus::UpdateCompleteCleanupInProgress
            if !has_images(parameters, changes) =>
        {
            Verdict::InProgress
        }
        // The clean-up takes away what the update replaced; the stack is not updatable until
        // it ends, so it is part of the wait.
        StackStatus::UpdateComplete => Verdict::Complete,
        StackStatus::UpdateFailed
        | StackStatus::UpdateRollbackComplete
        | StackStatus::UpdateRollbackFailed
        | StackStatus::DeleteInProgress
        | StackStatus::DeleteComplete
        | StackStatus::DeleteFailed => Verdict::Failed,
        // The rest is on its way, or is the state before the update; a status that this SDK
        // does not know is looked at again, within the state machine's bound.
        _ => Verdict::InProgress,
    }
}

fn has_images(parameters: &[Parameter], changes: &[Change]) -> bool {
    changes.iter().all(|change| {
        parameters.iter().any(|parameter| {
            parameter.parameter_key() == Some(change.parameter.as_str())
                && parameter.parameter_value() == Some(change.after.as_str())
        })
    })
}

/// Why the update with this token failed: its first resource that failed for a reason of its
/// own. `events` come newest first, as CloudFormation gives them.
#[must_use]
pub fn first_failure(events: &[StackEvent], token: &str) -> Option<String> {
    let of_this_update = |event: &&StackEvent| event.client_request_token() == Some(token);
    let failed = |event: &&StackEvent| {
        matches!(
            event.resource_status(),
            Some(
                ResourceStatus::CreateFailed
                    | ResourceStatus::UpdateFailed
                    | ResourceStatus::DeleteFailed
            )
        )
    };
    // What CloudFormation stops because of another failure is not the cause of anything.
    let by_itself = |event: &&StackEvent| {
        !event.resource_status_reason().is_some_and(|r| r.contains("update cancelled"))
            && !event.resource_status_reason().is_some_and(|r| r.contains("creation cancelled"))
    };
    let first = events.iter().rev().filter(of_this_update).filter(failed).find(by_itself)?;
    Some(format!(
        "{} ({}): {}",
        first.logical_resource_id().unwrap_or("a resource"),
        first.resource_type().unwrap_or("of unknown type"),
        first.resource_status_reason().unwrap_or("no reason given"),
    ))
}
