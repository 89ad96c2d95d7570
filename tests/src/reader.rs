//! Groups without an instance that boot from an SSM parameter, and belong to no stack.

use anyhow::Result;
use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_ec2::types::{InstanceType, RequestLaunchTemplateData};

use crate::cloud::{Called, Cloud};

/// Creates the group, and its launch template of the same name.
pub async fn create(cloud: &Cloud, name: &str, parameter: &str) -> Result<()> {
    let data = RequestLaunchTemplateData::builder().image_id(format!("resolve:ssm:{parameter}"));
    let data = data.instance_type(InstanceType::T3Micro).build();
    let template = cloud.ec2.create_launch_template().launch_template_name(name);
    template.launch_template_data(data).send().await.called("ec2:CreateLaunchTemplate")?;
    let template = LaunchTemplateSpecification::builder().launch_template_name(name);
    cloud
        .autoscaling
        .create_auto_scaling_group()
        .auto_scaling_group_name(name)
        .launch_template(template.version("$Latest").build())
        .availability_zones(format!("{}a", cloud.region()))
        .min_size(0)
        .max_size(1)
        .desired_capacity(0)
        .send()
        .await
        .called("autoscaling:CreateAutoScalingGroup")
        .map(drop)
}

/// Deletes both.
pub async fn delete(cloud: &Cloud, name: &str) -> Result<()> {
    let group = cloud.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(name);
    group.send().await.called("autoscaling:DeleteAutoScalingGroup")?;
    let template = cloud.ec2.delete_launch_template().launch_template_name(name);
    template.send().await.called("ec2:DeleteLaunchTemplate").map(drop)
}
