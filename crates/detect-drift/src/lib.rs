//! detect-drift owns the proof: the stack is as its template says, **and** its groups would boot
//! the promoted image now, which can be booted. CloudFormation compares everything but what is in
//! a launch template (`LaunchTemplateData` is write-only in the resource's schema), so either
//! alone proves nothing.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_cloudformation::types::StackResourceDrift;
use aws_sdk_ec2::types::{Filter, Image};
use contract::steps::{DriftInput, DriftReport, GroupLaunch, Progress, StackDrift};
use step::{AwsError, texts};

use crate::decide::{Detection, TemplateVersion};
pub use crate::error::Error;

/// The services that the step reads.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The groups.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// The stacks' drift.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// The launch templates and the images in them.
    pub ec2: aws_sdk_ec2::Client,
}

/// Looks once: starts a detection for each stack that has none yet, looks after those that run,
/// and when all have ended looks at what the groups would boot, and whether that can be booted.
///
/// # Errors
/// See [`Error`]. Drift is a finding in the answer.
pub async fn handle(clients: &Clients, input: DriftInput) -> Result<DriftReport, Error> {
    let DriftInput { mut stacks, mut groups, before } = input;
    for stack in &mut stacks {
        look_at_stack(&clients.cloudformation, stack).await?;
    }
    if stacks.iter().any(|stack| stack.status.is_none()) {
        return Ok(DriftReport { status: Progress::InProgress, stacks, groups, finding: None });
    }
    decide::mark_before(&mut stacks, &before);
    look_at_groups(clients, &mut groups).await?;
    look_at_images(&clients.ec2, &mut groups).await?;
    let finding = decide::finding(&stacks, &groups);
    for StackDrift { stack_name, status, resources_checked, differences, .. } in &stacks {
        // Without the values, which are the properties of any resource of the stack.
        let places: Vec<_> =
            differences.iter().map(|d| format!("{}{}", d.logical_id, d.path)).collect();
        tracing::info!(stack = %stack_name, status, resources_checked, ?places);
    }
    tracing::info!(?groups, finding = finding.as_ref().map(|finding| finding.name.as_str()));
    Ok(DriftReport { status: Progress::Complete, stacks, groups, finding })
}

async fn look_at_stack(
    cloudformation: &aws_sdk_cloudformation::Client,
    stack: &mut StackDrift,
) -> Result<(), Error> {
    if stack.status.is_some() {
        return Ok(());
    }
    let name = stack.stack_name.as_str();
    let Some(detection_id) = &stack.detection_id else {
        stack.detection_id = Some(start(cloudformation, name).await?);
        return Ok(());
    };
    let request = cloudformation.describe_stack_drift_detection_status();
    let answer = request.stack_drift_detection_id(detection_id).send().await;
    let action = "cloudformation:DescribeStackDriftDetectionStatus";
    let answer = match answer.map_err(|e| AwsError::new(action, e)) {
        Ok(answer) => answer,
        // Others have had the stack checked so often meanwhile that what came of this is gone.
        Err(error) if texts::is_drift_detection_forgotten(&error) => {
            stack.detection_id = Some(start(cloudformation, name).await?);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    match decide::detection(&answer) {
        Detection::Running => {}
        Detection::Failed(reason) => {
            return Err(Error::DriftDetectionFailed { stack: name.to_owned(), reason });
        }
        Detection::Ended(status) => {
            let resources = resource_drifts(cloudformation, name).await?;
            stack.resources_checked = decide::count_checked(&resources);
            stack.differences = resources.iter().flat_map(decide::differences).collect();
            stack.status = Some(status);
        }
    }
    Ok(())
}

async fn start(
    cloudformation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<String, Error> {
    let answer = cloudformation.detect_stack_drift().stack_name(stack).send().await;
    match answer.map_err(|e| AwsError::new("cloudformation:DetectStackDrift", e)) {
        Ok(answer) => answer.stack_drift_detection_id.ok_or_else(|| Error::DriftDetectionFailed {
            stack: stack.to_owned(),
            reason: "CloudFormation gave no detection id".to_owned(),
        }),
        Err(error)
            if texts::is_drift_detection_running(&error) || texts::is_stack_changing(&error) =>
        {
            Err(Error::DriftDetectionBusy { stack: stack.to_owned(), reason: error.to_string() })
        }
        Err(error) if texts::is_stack_missing(&error) => {
            Err(Error::StackNotFound(stack.to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

async fn resource_drifts(
    cloudformation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<Vec<StackResourceDrift>, AwsError> {
    let mut found = Vec::new();
    let mut next_token = None;
    // The SDK has no paginator for this call.
    loop {
        let request = cloudformation.describe_stack_resource_drifts().stack_name(stack);
        let answer = request.set_next_token(next_token).send().await;
        let answer =
            answer.map_err(|e| AwsError::new("cloudformation:DescribeStackResourceDrifts", e))?;
        found.extend(answer.stack_resource_drifts.unwrap_or_default());
        next_token = answer.next_token;
        if next_token.is_none() {
            return Ok(found);
        }
    }
}

async fn look_at_groups(clients: &Clients, groups: &mut [GroupLaunch]) -> Result<(), AwsError> {
    let names: Vec<_> = groups.iter().map(|group| group.group_name.clone()).collect();
    let described = auto_scaling_groups(&clients.autoscaling, &names).await?;
    for group in groups {
        let found = described
            .iter()
            .find(|found| found.auto_scaling_group_name() == Some(&group.group_name));
        group.boots = match found.and_then(decide::template_version) {
            Some(version) => image_of(&clients.ec2, &version).await?,
            None => None,
        };
    }
    Ok(())
}

async fn auto_scaling_groups(
    autoscaling: &aws_sdk_autoscaling::Client,
    names: &[String],
) -> Result<Vec<AutoScalingGroup>, AwsError> {
    let mut groups = Vec::new();
    // By default Auto Scaling takes 50 names (`DescribeAutoScalingGroups`, MaxRecords); no name
    // at all would mean every group of the account.
    for names in names.chunks(50) {
        let request = autoscaling.describe_auto_scaling_groups();
        let request = request.set_auto_scaling_group_names(Some(names.to_vec()));
        let found: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let found = found.map_err(|e| AwsError::new("autoscaling:DescribeAutoScalingGroups", e))?;
        groups.extend(found);
    }
    Ok(groups)
}

/// The image that a launch template's version gives now: an SSM parameter in it is resolved.
async fn image_of(
    ec2: &aws_sdk_ec2::Client,
    version: &TemplateVersion,
) -> Result<Option<String>, AwsError> {
    let request = ec2
        .describe_launch_template_versions()
        .launch_template_id(&version.template_id)
        .versions(&version.version)
        .resolve_alias(true);
    let answer = request.send().await;
    let answer = answer.map_err(|e| AwsError::new("ec2:DescribeLaunchTemplateVersions", e))?;
    let version = answer.launch_template_versions.unwrap_or_default().into_iter().next();
    Ok(version.and_then(|version| version.launch_template_data?.image_id))
}

/// One call for the images of all groups. An image that is gone is not in the answer; asked for by
/// id instead of by filter, it would fail the call.
async fn look_at_images(
    ec2: &aws_sdk_ec2::Client,
    groups: &mut [GroupLaunch],
) -> Result<(), AwsError> {
    let ids: BTreeSet<_> = groups.iter().filter_map(|group| group.boots.clone()).collect();
    if ids.is_empty() {
        // No value would mean all images.
        return Ok(());
    }
    let filter = Filter::builder().name("image-id").set_values(Some(ids.into_iter().collect()));
    let request = ec2.describe_images().filters(filter.build());
    let answer = request.include_disabled(true).include_deprecated(true).send().await;
    let images = answer.map_err(|e| AwsError::new("ec2:DescribeImages", e))?;
    for group in groups {
        let found = images.images().iter().find(|image| image.image_id() == group.boots.as_deref());
        let state = found.and_then(Image::state);
        group.image_state = state.map(|state| state.as_str().to_owned());
    }
    Ok(())
}
