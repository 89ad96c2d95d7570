//! The decisions of instance-refresh, without I/O: the order of replacement, the state of a refresh
//! and of the group's instances, and what to do next.

use std::str::FromStr;

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, Instance, InstanceRefresh, InstanceRefreshStatus, LifecycleState,
};
use contract::steps::{GroupRefresh, Progress, RefreshPhase};

use crate::error::UnknownOrder;

/// Whether termination or launch comes first in a group of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Terminate the old instance, then launch the new one: never two copies of a server that must
    /// be unique (the same host name, volume, schedule), but none for a while.
    TerminateFirst,
    /// Launch the new instance, and terminate the old one once the new one is in service: never
    /// none, but two for a while.
    LaunchFirst,
}

impl FromStr for Order {
    type Err = UnknownOrder;

    fn from_str(text: &str) -> Result<Self, UnknownOrder> {
        match text {
            "terminate-first" => Ok(Self::TerminateFirst),
            "launch-first" => Ok(Self::LaunchFirst),
            _ => Err(UnknownOrder(text.to_owned())),
        }
    }
}

impl Order {
    /// The minimum and maximum healthy percentage during the refresh. Both are explicit, because
    /// what Auto Scaling does without them depends on the group's own policy, and for one instance
    /// a maximum of 100 and no maximum are different orders (`RefreshPreferences`,
    /// `MaxHealthyPercentage`). They must not differ by more than 100.
    #[must_use]
    pub(crate) fn healthy_percentages(self) -> (i32, i32) {
        match self {
            Self::TerminateFirst => (0, 100),
            Self::LaunchFirst => (100, 200),
        }
    }
}

/// The state of a group's refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// It is running, with this status.
    Running(String),
    /// None is running, and none has failed.
    Ended,
    /// It ended without success, for this reason.
    Failed(String),
}

/// Classifies every status of the API (`InstanceRefresh`, Status).
#[must_use]
pub(crate) fn refresh(refresh: Option<&InstanceRefresh>) -> Refresh {
    let Some(refresh) = refresh else { return Refresh::Ended };
    let status = refresh.status().map_or("no status", InstanceRefreshStatus::as_str);
    match refresh.status() {
        Some(InstanceRefreshStatus::Successful) => Refresh::Ended,
        Some(
            InstanceRefreshStatus::Failed
            | InstanceRefreshStatus::Cancelled
            | InstanceRefreshStatus::RollbackFailed
            | InstanceRefreshStatus::RollbackSuccessful,
        ) => {
            let id = refresh.instance_refresh_id().unwrap_or_default();
            let reason = refresh.status_reason().unwrap_or("no reason given");
            Refresh::Failed(format!("instance refresh {id} ended {status}: {reason}"))
        }
        // Pending, InProgress, Baking, Cancelling, RollbackInProgress, and statuses that are
        // unknown to this SDK: poll again, within the state machine's bound.
        _ => Refresh::Running(status.to_owned()),
    }
}

/// The instances in service; `None` while the group is not at its desired size. An instance that is
/// being launched or replaced may run the image without any refresh.
#[must_use]
pub(crate) fn serving(group: &AutoScalingGroup) -> Option<Vec<String>> {
    let instances = group.instances().iter().filter(|instance| !is_aside(instance));
    let (serving, moving): (Vec<_>, Vec<_>) = instances.partition(|instance| is_serving(instance));
    let desired = group.desired_capacity().unwrap_or_default();
    let is_settled = moving.is_empty() && i32::try_from(serving.len()) == Ok(desired);
    is_settled.then(|| serving.iter().filter_map(|i| Some(i.instance_id()?.to_owned())).collect())
}

fn is_serving(instance: &Instance) -> bool {
    // An unhealthy instance is in service until Auto Scaling begins to replace it.
    instance.lifecycle_state() == Some(&LifecycleState::InService)
        && instance.health_status() != Some("Unhealthy")
}

/// Whether an operator has put the instance into standby, or it is in a warm pool: it does not
/// count towards the desired capacity.
fn is_aside(instance: &Instance) -> bool {
    instance.lifecycle_state().is_some_and(|state| {
        *state == LifecycleState::Standby || state.as_str().starts_with("Warmed")
    })
}

/// What to do while no refresh is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: the group is in this phase now.
    Become(RefreshPhase),
    /// Start a refresh.
    Start,
    /// Give up, for this reason.
    Fail(String),
}

/// Decides from the images that the instances in service run; `None` while these are unknown.
#[must_use]
pub(crate) fn next(group: &GroupRefresh, images: Option<&[String]>) -> Next {
    let Some(images) = images else { return Next::Become(group.phase.clone()) };
    let other = images.iter().find(|image| *image != group.expected.as_str());
    match (other, &group.phase) {
        (None, RefreshPhase::Running { refresh_id, .. }) => {
            Next::Become(RefreshPhase::Settled { refresh_id: refresh_id.clone() })
        }
        (None, RefreshPhase::NotStarted {}) => Next::Become(RefreshPhase::NotNeeded {}),
        // One that was adopted may have begun before the promotion. Another refresh of this
        // execution would replace the server with the same result.
        (Some(other), RefreshPhase::Running { refresh_id, adopted: false, .. }) => {
            Next::Fail(format!(
                "instance refresh {refresh_id} ended, and an instance runs {other}, not {}",
                group.expected
            ))
        }
        (Some(_), RefreshPhase::NotStarted {} | RefreshPhase::Running { .. }) => Next::Start,
        (_, over @ (RefreshPhase::NotNeeded {} | RefreshPhase::Settled { .. })) => {
            Next::Become(over.clone())
        }
    }
}

/// The phase of a group whose refresh has just been started or adopted. Without an ID, the next
/// poll tries again.
#[must_use]
pub(crate) fn pending(
    group: &GroupRefresh,
    refresh_id: Option<String>,
    adopted: bool,
) -> RefreshPhase {
    let Some(refresh_id) = refresh_id else { return group.phase.clone() };
    let status = InstanceRefreshStatus::Pending.as_str().to_owned();
    RefreshPhase::Running { refresh_id, adopted, status }
}

/// Whether the group is finished.
#[must_use]
pub(crate) fn is_over(group: &GroupRefresh) -> bool {
    matches!(group.phase, RefreshPhase::NotNeeded {} | RefreshPhase::Settled { .. })
}

/// Whether to poll again.
#[must_use]
pub(crate) fn progress(groups: &[GroupRefresh]) -> Progress {
    if groups.iter().all(is_over) { Progress::Complete } else { Progress::InProgress }
}
