//! The usual script, for comparison: it promotes an image without CloudFormation. The group heals
//! into the image, but the stack has drifted.

use anyhow::{Context, Result};
use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_ec2::types::RequestLaunchTemplateData;

use crate::cloud::{Called, Cloud};
use crate::group::Group;

/// Creates a launch template version with the image and points the group to it.
pub async fn promote(cloud: &Cloud, group: &Group, image: &str) -> Result<()> {
    let template = group.describe().await?.launch_template.context("no launch template")?;
    let id = template.launch_template_id.context("the launch template has no id")?;
    let source = template.version.context("the launch template has no version")?;
    let data = RequestLaunchTemplateData::builder().image_id(image).build();
    let request = cloud.ec2.create_launch_template_version().launch_template_id(&id);
    let request = request.source_version(source).launch_template_data(data);
    let made = request.send().await.called("ec2:CreateLaunchTemplateVersion")?;
    let version = made.launch_template_version.and_then(|made| made.version_number);
    let version = version.context("the new version has no number")?.to_string();
    let version = LaunchTemplateSpecification::builder().launch_template_id(id).version(version);
    let update = cloud.autoscaling.update_auto_scaling_group();
    let update = update.auto_scaling_group_name(&group.name).launch_template(version.build());
    update.send().await.called("autoscaling:UpdateAutoScalingGroup").map(drop)
}
