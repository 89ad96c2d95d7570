//! What instance-refresh decides, without a call: in which order instances are replaced, how a
//! refresh and the group's instances stand, and what is to be done next.

use std::str::FromStr;

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, Instance, InstanceRefresh, InstanceRefreshStatus, LifecycleState,
};
use contract::steps::{GroupRefresh, Progress};

use crate::error::UnknownOrder;

/// The status of a group whose instances ran the image before any refresh.
const NOT_NEEDED: &str = "NotNeeded";

/// Which comes first where a group is to have one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The old instance is terminated, then the new one launched: never two copies of a server
    /// that was made to be one (the same host name, volume, schedule), and none for a while.
    TerminateFirst,
    /// The new instance is launched, and the old one terminated once that is in service: never
    /// none, and two for a while.
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
    /// The least and the most of the desired capacity that may be there meanwhile. Both explicit,
    /// because what Auto Scaling does without them depends on the group's own policy, and for one
    /// instance a maximum of 100 and no maximum are different orders (`RefreshPreferences`,
    /// `MaxHealthyPercentage`). They may not be more than 100 apart.
    #[must_use]
    pub(crate) fn healthy_percentages(self) -> (i32, i32) {
        match self {
            Self::TerminateFirst => (0, 100),
            Self::LaunchFirst => (100, 200),
        }
    }
}

/// How a group's refresh stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// It runs, with this status.
    Running(String),
    /// There is none that runs, and none that failed.
    Ended,
    /// It ended without success, for this reason.
    Failed(String),
}

/// Sorts every status of the API (`InstanceRefresh`, Status).
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
        // Pending, InProgress, Baking, Cancelling, RollbackInProgress, and what this SDK does
        // not know: looked at again, within the state machine's bound.
        _ => Refresh::Running(status.to_owned()),
    }
}

/// The instances that serve; `None` while the group is on its way to its size. An instance that
/// is being launched or healed may come to run the image without any refresh.
#[must_use]
pub(crate) fn serving(group: &AutoScalingGroup) -> Option<Vec<String>> {
    let instances = group.instances().iter().filter(|instance| !is_aside(instance));
    let (serving, moving): (Vec<_>, Vec<_>) = instances.partition(|instance| is_serving(instance));
    let desired = group.desired_capacity().unwrap_or_default();
    let is_settled = moving.is_empty() && i32::try_from(serving.len()) == Ok(desired);
    is_settled.then(|| serving.iter().filter_map(|i| Some(i.instance_id()?.to_owned())).collect())
}

fn is_serving(instance: &Instance) -> bool {
    // An unhealthy one is in service until Auto Scaling begins to replace it.
    instance.lifecycle_state() == Some(&LifecycleState::InService)
        && instance.health_status() != Some("Unhealthy")
}

/// In standby by a person's hand, or in a warm pool: not of the desired capacity, and it stays so.
fn is_aside(instance: &Instance) -> bool {
    instance.lifecycle_state().is_some_and(|state| {
        *state == LifecycleState::Standby || state.as_str().starts_with("Warmed")
    })
}

/// What is to be done where no refresh runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Look again.
    Wait,
    /// Nothing more, with this status.
    Over(&'static str),
    /// Start a refresh.
    Start,
    /// Give up, for this reason.
    Fail(String),
}

/// Decides from the images that the serving instances run; `None` while that cannot be told.
#[must_use]
pub(crate) fn next(group: &GroupRefresh, images: Option<&[String]>) -> Next {
    let Some(images) = images else { return Next::Wait };
    let other = images.iter().find(|image| *image != group.expected.as_str());
    match (other, &group.refresh_id) {
        (None, None) => Next::Over(NOT_NEEDED),
        (None, Some(_)) => Next::Over(InstanceRefreshStatus::Successful.as_str()),
        (Some(_), None) => Next::Start,
        // It may have begun before the promotion.
        (Some(_), Some(_)) if group.adopted => Next::Start,
        // Another one would replace the server for the same result.
        (Some(other), Some(id)) => Next::Fail(format!(
            "instance refresh {id} ended, and an instance runs {other}, not {}",
            group.expected
        )),
    }
}

/// Whether nothing more is to be done for the group.
#[must_use]
pub(crate) fn is_over(group: &GroupRefresh) -> bool {
    let status = group.status.as_deref();
    status == Some(NOT_NEEDED) || status == Some(InstanceRefreshStatus::Successful.as_str())
}

/// Whether to look again.
#[must_use]
pub(crate) fn progress(groups: &[GroupRefresh]) -> Progress {
    if groups.iter().all(is_over) { Progress::Complete } else { Progress::InProgress }
}
