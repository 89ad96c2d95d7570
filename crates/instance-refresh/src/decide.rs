//! What instance-refresh decides, without a call: how a refresh stands and when all is over.

use aws_sdk_autoscaling::types::{InstanceRefresh, InstanceRefreshStatus};
use contract::steps::{GroupRefresh, Progress};

use crate::Error;

/// The status of a group whose instances ran the image before any refresh.
const NOT_NEEDED: &str = "NotNeeded";

/// What a look at a group's refresh comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It runs, with this status.
    Running(String),
    /// There is none that runs.
    Ended,
}

/// Sorts every status of the API (`InstanceRefresh`, Status).
///
/// # Errors
/// The refresh ended without success.
pub fn look(group: &str, refresh: Option<&InstanceRefresh>) -> Result<Look, Error> {
    let Some(refresh) = refresh else { return Ok(Look::Ended) };
    let status = refresh.status().map_or("no status", InstanceRefreshStatus::as_str);
    match refresh.status() {
        Some(InstanceRefreshStatus::Successful) => Ok(Look::Ended),
        Some(
            InstanceRefreshStatus::Failed
            | InstanceRefreshStatus::Cancelled
            | InstanceRefreshStatus::RollbackFailed
            | InstanceRefreshStatus::RollbackSuccessful,
        ) => Err(Error::InstanceRefreshFailed {
            group: group.to_owned(),
            refresh_id: refresh.instance_refresh_id().unwrap_or_default().to_owned(),
            status: status.to_owned(),
            reason: refresh.status_reason().unwrap_or("no reason given").to_owned(),
        }),
        // Pending, InProgress, Baking, Cancelling, RollbackInProgress, and what this SDK does
        // not know: looked at again, within the state machine's bound.
        _ => Ok(Look::Running(status.to_owned())),
    }
}

/// The status of a group whose instances run the image.
#[must_use]
pub fn over(is_refreshed: bool) -> &'static str {
    if is_refreshed { InstanceRefreshStatus::Successful.as_str() } else { NOT_NEEDED }
}

/// Whether nothing more is to be done for the group.
#[must_use]
pub fn is_over(group: &GroupRefresh) -> bool {
    let status = group.status.as_deref();
    status == Some(NOT_NEEDED) || status == Some(InstanceRefreshStatus::Successful.as_str())
}

/// Whether to look again.
#[must_use]
pub fn progress(groups: &[GroupRefresh]) -> Progress {
    if groups.iter().all(is_over) { Progress::Complete } else { Progress::InProgress }
}
