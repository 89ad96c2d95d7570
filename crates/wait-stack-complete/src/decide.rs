//! The decisions of wait-stack-complete, without I/O.

use aws::stacks;
use aws_sdk_cloudformation::types::{Parameter, ResourceStatus, StackEvent, StackStatus};
use contract::steps::Change;

/// The result of one poll of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Poll again.
    InProgress,
    /// The update is complete and its images are in place.
    Complete,
    /// No operation is running, and the stack does not show the update's success: the update has
    /// failed, or another operation has followed it, or the state is still the one before it, which
    /// CloudFormation may return for a moment after it accepted the update. The events decide.
    Settled,
    /// The stack is deleted, its deletion failed, or it was never created: no update can complete.
    Gone,
}

/// Reads the stack's status after an update with these changes was started (`DescribeStacks`,
/// `StackStatus`).
///
/// `parameters` are the stack's parameters now; they distinguish a completed update from the state
/// before it.
#[must_use]
#[expect(clippy::match_same_arms, reason = "an unknown status is apart from the known ones")]
pub(crate) fn verdict(
    status: &StackStatus,
    parameters: &[Parameter],
    changes: &[Change],
) -> Verdict {
    match status {
        StackStatus::UpdateComplete if has_images(parameters, changes) => Verdict::Complete,
        StackStatus::CreateComplete
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackComplete
        | StackStatus::ImportRollbackFailed
        | StackStatus::UpdateComplete
        | StackStatus::UpdateFailed
        | StackStatus::UpdateRollbackComplete
        | StackStatus::UpdateRollbackFailed => Verdict::Settled,
        StackStatus::CreateInProgress
        | StackStatus::ImportInProgress
        | StackStatus::ImportRollbackInProgress
        | StackStatus::UpdateInProgress
        // The cleanup deletes what the update replaced. The stack cannot be updated until it ends,
        // so wait for it too.
        | StackStatus::UpdateCompleteCleanupInProgress
        | StackStatus::UpdateRollbackInProgress
        | StackStatus::UpdateRollbackCompleteCleanupInProgress => Verdict::InProgress,
        StackStatus::CreateFailed
        | StackStatus::DeleteComplete
        | StackStatus::DeleteFailed
        | StackStatus::DeleteInProgress
        | StackStatus::ReviewInProgress
        | StackStatus::RollbackComplete
        | StackStatus::RollbackFailed
        | StackStatus::RollbackInProgress => Verdict::Gone,
        // A status that is unknown to this SDK: poll again, within the state machine's bound.
        _ => Verdict::InProgress,
    }
}

fn has_images(parameters: &[Parameter], changes: &[Change]) -> bool {
    let is_in_place = |change| stacks::value(parameters, change) == Some(change.after.as_str());
    changes.iter().all(is_in_place)
}

/// How an update ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It is not known: the update has not begun, or has not ended.
    Unknown,
    /// It succeeded. Its images may no longer be in place, because another update may have
    /// followed.
    Complete,
    /// It failed, in this status.
    Failed(String),
}

/// Reads an update's own events, newest first, for a stack that has settled in `status`.
#[must_use]
pub(crate) fn end(status: &StackStatus, events: &[StackEvent]) -> End {
    let of_stack = events.iter().find(|event| is_of_stack(event));
    match of_stack.and_then(StackEvent::resource_status) {
        Some(ResourceStatus::UpdateComplete) => End::Complete,
        Some(
            end @ (ResourceStatus::UpdateFailed
            | ResourceStatus::UpdateRollbackComplete
            | ResourceStatus::UpdateRollbackFailed),
        ) => End::Failed(end.as_str().to_owned()),
        // Cancelling an update or continuing its rollback uses another token.
        _ if !events.is_empty() && is_failure(status) => End::Failed(status.as_str().to_owned()),
        _ => End::Unknown,
    }
}

fn is_failure(status: &StackStatus) -> bool {
    matches!(
        status,
        StackStatus::UpdateFailed
            | StackStatus::UpdateRollbackComplete
            | StackStatus::UpdateRollbackFailed
    )
}

/// Why an update failed, from its own events, newest first as CloudFormation gives them: the first
/// resource that failed for a reason of its own, or, if none was changed (CloudFormation validates
/// the parameters first), the reason of the stack's rollback.
#[must_use]
pub(crate) fn reason(events: &[StackEvent]) -> Option<String> {
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
    // A resource that CloudFormation cancels because of another failure is not the cause.
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

fn begins_rollback(event: &StackEvent) -> bool {
    event.resource_status() == Some(&ResourceStatus::UpdateRollbackInProgress) && is_of_stack(event)
}

/// In its own events, the stack is a resource with the stack's ID as its physical ID; a nested
/// stack has its own ID.
fn is_of_stack(event: &StackEvent) -> bool {
    event.stack_id().is_some() && event.physical_resource_id() == event.stack_id()
}
