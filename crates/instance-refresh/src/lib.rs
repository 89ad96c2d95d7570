//! instance-refresh owns the replacement of running instances, where one was asked for. It looks
//! at what runs first: where the stack's own `UpdatePolicy` has replaced the instances already,
//! there is nothing left to do.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use aws_sdk_autoscaling::types::{
    InstanceRefresh, InstanceRefreshStatus, LifecycleState, RefreshPreferences,
};
use contract::steps::{GroupRefresh, RefreshInput, RefreshReport};
use step::AwsError;

use crate::decide::Look;
pub use crate::error::Error;

/// The one instance may be down while it is replaced: two copies of a server that was made to be
/// one (the same host name, volume, schedule) may harm each other. Explicit, because Auto
/// Scaling's defaults leave the order open (`RefreshPreferences`).
const MIN_HEALTHY_PERCENTAGE: i32 = 0;
/// Never more than the group's size.
const MAX_HEALTHY_PERCENTAGE: i32 = 100;

/// The services that the step uses.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The groups and their refreshes.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// The images that instances run.
    pub ec2: aws_sdk_ec2::Client,
}

/// Looks once at each group: starts a refresh where instances run another image, adopts one that
/// runs already, or sees how it stands.
///
/// # Errors
/// See [`Error`].
pub async fn handle(clients: &Clients, input: RefreshInput) -> Result<RefreshReport, Error> {
    let mut groups = Vec::new();
    for group in input.groups {
        groups.push(if decide::is_over(&group) { group } else { look(clients, group).await? });
    }
    Ok(RefreshReport { status: decide::progress(&groups), groups })
}

async fn look(clients: &Clients, group: GroupRefresh) -> Result<GroupRefresh, Error> {
    let name = group.group_name.clone();
    let refresh = match &group.refresh_id {
        Some(id) => described(&clients.autoscaling, &name, Some(id)).await?,
        None => None,
    };
    match decide::look(&name, refresh.as_ref())? {
        Look::Running(status) => Ok(GroupRefresh { status: Some(status), ..group }),
        Look::Ended if runs_expected(clients, &group).await? => {
            let status = Some(decide::over(group.refresh_id.is_some()).to_owned());
            Ok(GroupRefresh { status, ..group })
        }
        // None yet, or one that began before the promotion.
        Look::Ended => start(&clients.autoscaling, group).await,
    }
}

/// Whether every instance of the group runs the image.
async fn runs_expected(clients: &Clients, group: &GroupRefresh) -> Result<bool, AwsError> {
    let request = clients.autoscaling.describe_auto_scaling_groups();
    let answer = request.auto_scaling_group_names(&group.group_name).send().await;
    let answer = answer.map_err(|e| AwsError::new("autoscaling:DescribeAutoScalingGroups", e))?;
    let described = answer.auto_scaling_groups.unwrap_or_default().into_iter().next();
    let instances = described.and_then(|group| group.instances).unwrap_or_default();
    let in_service = |i: &aws_sdk_autoscaling::types::Instance| {
        i.lifecycle_state == Some(LifecycleState::InService)
    };
    if instances.is_empty() || !instances.iter().all(in_service) {
        return Ok(false);
    }
    let ids = instances.into_iter().filter_map(|instance| instance.instance_id).collect();
    let request = clients.ec2.describe_instances().set_instance_ids(Some(ids));
    let answer = request.send().await;
    let answer = answer.map_err(|e| AwsError::new("ec2:DescribeInstances", e))?;
    let reservations = answer.reservations.unwrap_or_default().into_iter();
    let mut instances = reservations.flat_map(|r| r.instances.unwrap_or_default());
    Ok(instances.all(|instance| instance.image_id() == Some(group.expected.as_str())))
}

async fn start(
    autoscaling: &aws_sdk_autoscaling::Client,
    group: GroupRefresh,
) -> Result<GroupRefresh, Error> {
    let preferences = RefreshPreferences::builder()
        .min_healthy_percentage(MIN_HEALTHY_PERCENTAGE)
        .max_healthy_percentage(MAX_HEALTHY_PERCENTAGE)
        .build();
    let request = autoscaling.start_instance_refresh();
    let request = request.auto_scaling_group_name(&group.group_name).preferences(preferences);
    let answer = request.send().await;
    let refresh_id = match answer.map_err(|e| AwsError::new("autoscaling:StartInstanceRefresh", e))
    {
        Ok(answer) => answer.instance_refresh_id,
        // Only one runs at a time; that one is followed.
        Err(error) if error.has_code("InstanceRefreshInProgress") => {
            let running = described(autoscaling, &group.group_name, None).await?;
            running.and_then(|refresh| refresh.instance_refresh_id)
        }
        Err(error) => return Err(error.into()),
    };
    tracing::info!(group = group.group_name, expected = %group.expected, refresh_id);
    let status = Some(InstanceRefreshStatus::Pending.as_str().to_owned());
    Ok(GroupRefresh { refresh_id, status, ..group })
}

/// The refresh with this id, or the newest.
async fn described(
    autoscaling: &aws_sdk_autoscaling::Client,
    group: &str,
    id: Option<&String>,
) -> Result<Option<InstanceRefresh>, AwsError> {
    let request = autoscaling.describe_instance_refreshes().auto_scaling_group_name(group);
    let request = request.set_instance_refresh_ids(id.map(|id| vec![id.clone()]));
    let answer = request.send().await;
    let answer = answer.map_err(|e| AwsError::new("autoscaling:DescribeInstanceRefreshes", e))?;
    Ok(answer.instance_refreshes.unwrap_or_default().into_iter().next())
}
