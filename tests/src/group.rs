//! Auto Healing groups: the instance of each, and the one that replaces it.

use anyhow::{Context, Result};
use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};

use crate::cloud::{Called, Cloud};
use crate::stack::Stack;
use crate::wait;

/// An Auto Scaling group of one instance.
#[derive(Debug, Clone)]
pub struct Group {
    cloud: Cloud,
    /// Its name.
    pub name: String,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The image that it booted.
    pub image: String,
}

impl Stack {
    /// The group that the template calls `Group`.
    pub async fn group(&self) -> Result<Group> {
        self.group_called("Group").await
    }

    /// The group with this logical id.
    pub async fn group_called(&self, logical_id: &str) -> Result<Group> {
        let name = self.resource(logical_id).await?;
        Ok(Group { cloud: self.cloud.clone(), name })
    }
}

impl Group {
    /// Waits for its instance in service.
    pub async fn instance(&self) -> Result<Instance> {
        self.instance_other_than(None).await
    }

    /// Terminates its instance and waits for the one that replaces it.
    pub async fn heal(&self) -> Result<Instance> {
        let dead = self.instance().await?;
        self.kill(&dead).await?;
        self.instance_other_than(Some(&dead.id)).await
    }

    /// Terminates an instance, as a failure would.
    pub async fn kill(&self, instance: &Instance) -> Result<()> {
        let request = self.cloud.ec2.terminate_instances().instance_ids(&instance.id);
        request.send().await.called("ec2:TerminateInstances").map(drop)
    }

    /// Causes drift: sets its maximum size above the template's.
    pub async fn enlarge(&self) -> Result<()> {
        let request = self.cloud.autoscaling.update_auto_scaling_group();
        let request = request.auto_scaling_group_name(&self.name).max_size(2);
        request.send().await.called("autoscaling:UpdateAutoScalingGroup").map(drop)
    }

    /// The instance in service that is not this one.
    pub async fn instance_other_than(&self, id: Option<&str>) -> Result<Instance> {
        let what = format!("an instance of {} to be in service", self.name);
        let id = wait::until(&self.cloud, wait::INSTANCE, &what, async || {
            let instances = self.describe().await?.instances.unwrap_or_default();
            let in_service = instances
                .into_iter()
                .filter(|i| i.lifecycle_state == Some(LifecycleState::InService))
                .filter_map(|instance| instance.instance_id)
                .find(|found| Some(found.as_str()) != id);
            Ok(in_service)
        })
        .await?;
        let answer = self.cloud.ec2.describe_instances().instance_ids(&id).send().await;
        let reservations = answer.called("ec2:DescribeInstances")?.reservations.unwrap_or_default();
        let mut instances = reservations.into_iter().flat_map(|r| r.instances.unwrap_or_default());
        let image = instances.next().and_then(|instance| instance.image_id);
        Ok(Instance { image: image.with_context(|| format!("{id} has no image"))?, id })
    }

    /// Its description from Auto Scaling.
    pub async fn describe(&self) -> Result<AutoScalingGroup> {
        let request = self.cloud.autoscaling.describe_auto_scaling_groups();
        let answer = request.auto_scaling_group_names(&self.name).send().await;
        let groups = answer.called("autoscaling:DescribeAutoScalingGroups")?.auto_scaling_groups;
        groups
            .and_then(|groups| groups.into_iter().next())
            .with_context(|| format!("no group {}", self.name))
    }
}
