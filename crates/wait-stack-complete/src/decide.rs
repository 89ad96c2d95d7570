//! What wait-stack-complete decides, without a call.

use aws::stacks;
use aws_sdk_cloudformation::types::{Parameter, ResourceStatus, StackEvent, StackStatus};
use contract::steps::Change;

/// What a look at the stack comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look again.
    InProgress,
    /// The update is done and its images are in place.
    Complete,
    /// No operation runs, and what the stack shows is not the update's success: it has failed,
    /// or another operation has followed it, or the state is still the one before it, which
    /// CloudFormation may show for a moment after it accepted the update. Its events tell.
    Settled,
    /// The stack is deleted, was meant to be, or was never made: no update comes back from there.
    Gone,
}

/// Reads the stack's status after an update with these changes was started (`DescribeStacks`,
/// `StackStatus`).
///
/// `parameters` are the stack's now; they tell a completed update from the state before it.
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
        // It takes away what the update replaced; the stack is not updatable until it ends, so
        // it is part of the wait.
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
        // One that this SDK does not know is looked at again, within the state machine's bound.
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
    /// It does not show: it has not begun, or its end is still to come.
    Unknown,
    /// With success. Its images need not be in place any more: another update may have followed.
    Complete,
    /// Without, in this status.
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
        // Who cancels an update or continues its rollback has a token of their own.
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

/// Why an update failed, from its own events, newest first as CloudFormation gives them: the
/// first resource that failed for a reason of its own, or, when none was touched (the stack's
/// parameters are checked before), what the stack says of its rollback.
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

fn begins_rollback(event: &StackEvent) -> bool {
    event.resource_status() == Some(&ResourceStatus::UpdateRollbackInProgress) && is_of_stack(event)
}

/// The stack is among its own events as a resource whose physical id is the stack's; a nested
/// stack has its own.
fn is_of_stack(event: &StackEvent) -> bool {
    event.stack_id().is_some() && event.physical_resource_id() == event.stack_id()
}
