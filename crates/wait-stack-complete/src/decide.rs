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
    /// An update was given up: this one, if it has begun. CloudFormation may show the state
    /// before it for a moment after it accepted the update.
    Failed,
    /// The stack is deleted, or was meant to be: no update comes back from there.
    Deleted,
}

/// Reads the stack's status after an update with these changes was started.
///
/// `parameters` are the stack's now; they tell a completed update from the state before it.
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
        | StackStatus::UpdateRollbackFailed => Verdict::Failed,
        StackStatus::DeleteInProgress | StackStatus::DeleteComplete | StackStatus::DeleteFailed => {
            Verdict::Deleted
        }
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

/// Why an update failed, from its own events, newest first as CloudFormation gives them: the
/// first resource that failed for a reason of its own, or, when none was touched (the stack's
/// parameters are checked before), what the stack says of its rollback.
#[must_use]
pub fn reason(events: &[StackEvent]) -> Option<String> {
    first_failed_resource(events).or_else(|| {
        let rollback = events.iter().find(|event| begins_rollback(event))?;
        rollback.resource_status_reason().map(str::to_owned)
    })
}

fn first_failed_resource(events: &[StackEvent]) -> Option<String> {
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
        !event.resource_status_reason().is_some_and(|reason| {
            reason.contains("update cancelled") || reason.contains("creation cancelled")
        })
    };
    let first = events.iter().rev().filter(failed).find(by_itself)?;
    Some(format!(
        "{} ({}): {}",
        first.logical_resource_id().unwrap_or("a resource"),
        first.resource_type().unwrap_or("of unknown type"),
        first.resource_status_reason().unwrap_or("no reason given"),
    ))
}

/// The stack is among its own events as a resource whose physical id is the stack's; a nested
/// stack has its own.
fn begins_rollback(event: &StackEvent) -> bool {
    event.resource_status() == Some(&ResourceStatus::UpdateRollbackInProgress)
        && event.physical_resource_id() == event.stack_id()
}
