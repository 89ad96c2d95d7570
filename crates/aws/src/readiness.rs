//! Whether an update can start from a stack's status.

use aws_sdk_cloudformation::types::StackStatus;

/// Whether an update can start from a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It can start now.
    Ready,
    /// It can start later: another operation runs.
    Busy,
    /// It cannot start until an operator has done this.
    Stuck(&'static str),
}

/// Classifies every status of the API (`DescribeStacks`, `StackStatus`).
pub(crate) fn readiness(status: &StackStatus) -> Readiness {
    use Readiness::{Busy, Ready, Stuck};
    match status {
        StackStatus::CreateComplete
        | StackStatus::UpdateComplete
        | StackStatus::UpdateRollbackComplete
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackComplete => Ready,
        StackStatus::CreateInProgress
        | StackStatus::UpdateInProgress
        | StackStatus::UpdateCompleteCleanupInProgress
        | StackStatus::UpdateRollbackInProgress
        | StackStatus::UpdateRollbackCompleteCleanupInProgress
        | StackStatus::ImportInProgress
        | StackStatus::ImportRollbackInProgress => Busy,
        StackStatus::ReviewInProgress => Stuck("execute or delete the change set that created it"),
        StackStatus::UpdateRollbackFailed => Stuck("continue its update rollback"),
        StackStatus::UpdateFailed => Stuck("roll it back or update it manually"),
        StackStatus::ImportRollbackFailed => Stuck("repair the import manually"),
        StackStatus::CreateFailed
        | StackStatus::RollbackComplete
        | StackStatus::RollbackFailed
        | StackStatus::RollbackInProgress => {
            Stuck("its creation failed: delete it and create it again")
        }
        StackStatus::DeleteInProgress | StackStatus::DeleteComplete | StackStatus::DeleteFailed => {
            Stuck("it is deleted, is being deleted, or could not be deleted")
        }
        _ => Stuck("this version of Driftless does not know the status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_api_is_sorted_on_purpose() {
        for name in StackStatus::values() {
            let unknown = Readiness::Stuck("this version of Driftless does not know the status");
            assert_ne!(readiness(&StackStatus::from(*name)), unknown, "{name}");
        }
        assert_eq!(readiness(&StackStatus::UpdateRollbackComplete), Readiness::Ready);
        assert_eq!(readiness(&StackStatus::UpdateInProgress), Readiness::Busy);
        assert!(matches!(readiness(&StackStatus::from("NEW_ONE")), Readiness::Stuck(_)));
    }
}
