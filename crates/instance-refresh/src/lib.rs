//! instance-refresh replaces running instances, if the target asks for it. It first reads which
//! images run: if the stack's own `UpdatePolicy` has already replaced the instances, there is
//! nothing to do.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use aws::{AwsError, Called, RetryOnlyThrottling};
use aws_sdk_autoscaling::types::{InstanceRefresh, RefreshPreferences};
use aws_sdk_ec2::types::InstanceStateName::Running;
use contract::steps::{GroupRefresh, RefreshInput, RefreshPhase, RefreshReport};

pub use crate::decide::Order;
use crate::decide::{Next, Refresh};
pub use crate::error::{Error, UnknownOrder};

/// The services that the step uses.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The groups and their refreshes.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// The images that instances run.
    pub ec2: aws_sdk_ec2::Client,
}

/// Polls each group once: starts a refresh if instances run another image, adopts one that is
/// already running, or reads its state.
///
/// # Errors
/// See [`Error`].
pub async fn handle(
    clients: &Clients,
    order: Order,
    input: RefreshInput,
) -> Result<RefreshReport, Error> {
    let mut groups = Vec::new();
    for mut group in input.groups {
        if !decide::is_over(&group) {
            group.phase = poll(clients, order, &group).await?;
        }
        groups.push(group);
    }
    Ok(RefreshReport { status: decide::progress(&groups), groups })
}

/// The phase of the group's refresh now.
async fn poll(
    clients: &Clients,
    order: Order,
    group: &GroupRefresh,
) -> Result<RefreshPhase, Error> {
    let name = &group.group_name;
    let failed = |reason| Error::InstanceRefreshFailed { group: name.clone(), reason };
    if let RefreshPhase::Running { refresh_id, adopted, .. } = &group.phase {
        let refresh = described(&clients.autoscaling, name, Some(refresh_id)).await?;
        match decide::refresh(refresh.as_ref()) {
            Refresh::Running(status) => {
                let (refresh_id, adopted) = (refresh_id.clone(), *adopted);
                return Ok(RefreshPhase::Running { refresh_id, adopted, status });
            }
            Refresh::Failed(reason) => return Err(failed(reason)),
            Refresh::Ended => {}
        }
    }
    let images = running_images(clients, name).await?;
    match decide::next(group, images.as_deref()) {
        Next::Become(phase) => Ok(phase),
        Next::Fail(reason) => Err(failed(reason)),
        Next::Start => start(&clients.autoscaling, order, group).await,
    }
}

/// The images that the group's instances run; `None` until the group has its desired number of
/// running instances.
async fn running_images(clients: &Clients, name: &str) -> Result<Option<Vec<String>>, Error> {
    let request = clients.autoscaling.describe_auto_scaling_groups();
    let answer = request.auto_scaling_group_names(name).send().await;
    let answer = answer.called("autoscaling:DescribeAutoScalingGroups")?;
    let Some(group) = answer.auto_scaling_groups().first() else {
        let (group, reason) = (name.to_owned(), "the group does not exist".to_owned());
        return Err(Error::InstanceRefreshFailed { group, reason });
    };
    let Some(ids) = decide::serving(group) else { return Ok(None) };
    if ids.is_empty() {
        // A call without IDs would return all instances of the account.
        return Ok(Some(Vec::new()));
    }
    let count = ids.len();
    let answer = clients.ec2.describe_instances().set_instance_ids(Some(ids)).send().await;
    let answer = match answer.called("ec2:DescribeInstances") {
        Ok(answer) => answer,
        // A new instance is visible in EC2 a moment later than in Auto Scaling.
        Err(error) if error.has_code("InvalidInstanceID.NotFound") => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let instances = answer.reservations().iter().flat_map(|reservation| reservation.instances());
    // Auto Scaling replaces a stopped or terminated instance as soon as it notices.
    let running = instances.filter(|i| i.state().and_then(|state| state.name()) == Some(&Running));
    let images: Vec<_> = running.filter_map(|i| Some(i.image_id()?.to_owned())).collect();
    Ok((images.len() == count).then_some(images))
}

async fn start(
    autoscaling: &aws_sdk_autoscaling::Client,
    order: Order,
    group: &GroupRefresh,
) -> Result<RefreshPhase, Error> {
    let (least, most) = order.healthy_percentages();
    let preferences = RefreshPreferences::builder()
        .min_healthy_percentage(least)
        .max_healthy_percentage(most)
        .build();
    let request = autoscaling.start_instance_refresh();
    let request = request.auto_scaling_group_name(&group.group_name).preferences(preferences);
    let config = aws_sdk_autoscaling::config::Config::builder();
    // If the SDK sent the call again after the refresh has ended, it would start a second one.
    let request = request.customize().config_override(config.retry_classifier(RetryOnlyThrottling));
    let answer = request.send().await;
    match answer.called("autoscaling:StartInstanceRefresh") {
        Ok(answer) => {
            let refresh_id = answer.instance_refresh_id;
            tracing::info!(group = group.group_name, expected = %group.expected, refresh_id, "started a refresh");
            Ok(decide::pending(group, refresh_id, false))
        }
        // Only one refresh runs at a time; follow that one.
        Err(error) if error.has_code("InstanceRefreshInProgress") => {
            adopt(autoscaling, group).await
        }
        // Another operation is changing the group right now.
        Err(error) if error.has_code("ResourceContention") => Ok(group.phase.clone()),
        Err(error) => Err(error.into()),
    }
}

/// Adopts the newest refresh. If it has ended in the meantime, the next poll reads its result.
async fn adopt(
    autoscaling: &aws_sdk_autoscaling::Client,
    group: &GroupRefresh,
) -> Result<RefreshPhase, Error> {
    let newest = described(autoscaling, &group.group_name, None).await?;
    let refresh_id = newest.and_then(|newest| newest.instance_refresh_id);
    tracing::info!(group = group.group_name, refresh_id, "adopted a refresh");
    Ok(decide::pending(group, refresh_id, true))
}

/// The refresh with this ID, or the newest.
async fn described(
    autoscaling: &aws_sdk_autoscaling::Client,
    group: &str,
    id: Option<&String>,
) -> Result<Option<InstanceRefresh>, AwsError> {
    let request = autoscaling.describe_instance_refreshes().auto_scaling_group_name(group);
    let request = request.set_instance_refresh_ids(id.map(|id| vec![id.clone()]));
    let answer = request.send().await;
    let answer = answer.called("autoscaling:DescribeInstanceRefreshes")?;
    Ok(answer.instance_refreshes.unwrap_or_default().into_iter().next())
}
