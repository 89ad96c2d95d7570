//! detect-drift owns the proof: the stack matches its template, **and** its groups would boot the
//! promoted image now, and that image is available. CloudFormation compares everything except a
//! launch template's data (`LaunchTemplateData` is write-only in the resource's schema), so neither
//! half alone proves anything.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws::groups::{self, SsmReferences};
use aws::{AwsError, Called, images, refusals};
use aws_sdk_cloudformation::types::StackResourceDrift;
use aws_sdk_ec2::types::Image;
use contract::ids::ImageId;
use contract::steps::{DriftInput, DriftReport, GroupLaunch, Progress, Proof, StackDrift};

use crate::decide::Detection;
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

/// Polls once: starts a detection for each stack that has none yet and polls the running ones. When
/// all have ended, it reads which images the groups would boot, and whether they are available.
///
/// # Errors
/// See [`Error`]. Drift is a finding in the answer.
pub async fn handle(clients: &Clients, input: DriftInput) -> Result<DriftReport, Error> {
    let DriftInput { mut stacks, mut groups, before, proof } = input;
    for stack in &mut stacks {
        look_at_stack(&clients.cloudformation, stack).await?;
    }
    if stacks.iter().any(|stack| stack.status.is_none()) {
        return Ok(DriftReport { status: Progress::InProgress, stacks, groups, finding: None });
    }
    decide::mark_before(&mut stacks, &before);
    groups = launches(clients, groups, proof.as_ref()).await?;
    look_at_images(&clients.ec2, &mut groups).await?;
    let finding = decide::finding(&stacks, &groups);
    for StackDrift { stack_name, status, resources_checked, differences, .. } in &stacks {
        // Log no values: they are properties of any resource of the stack.
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
    let answer = match answer.called(action) {
        Ok(answer) => answer,
        // Others have started so many detections of the stack meanwhile that CloudFormation no
        // longer keeps this one.
        Err(error) if refusals::is_drift_detection_forgotten(&error) => {
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
    match answer.called("cloudformation:DetectStackDrift") {
        Ok(answer) => answer.stack_drift_detection_id.ok_or_else(|| Error::DriftDetectionFailed {
            stack: stack.to_owned(),
            reason: "CloudFormation gave no detection id".to_owned(),
        }),
        Err(error)
            if refusals::is_drift_detection_running(&error)
                || refusals::is_stack_changing(&error) =>
        {
            Err(Error::DriftDetectionBusy { stack: stack.to_owned(), reason: error.to_string() })
        }
        Err(error) if refusals::is_stack_missing(&error) => {
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
        let answer = answer.called("cloudformation:DescribeStackResourceDrifts")?;
        found.extend(answer.stack_resource_drifts.unwrap_or_default());
        next_token = answer.next_token;
        if next_token.is_none() {
            return Ok(found);
        }
    }
}

/// The names of the groups in a stack and in the stacks nested in it.
async fn groups_of(
    cloudformation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<BTreeSet<String>, AwsError> {
    let (mut groups, mut open) = (BTreeSet::new(), vec![stack.to_owned()]);
    while let Some(stack) = open.pop() {
        let request = cloudformation.list_stack_resources().stack_name(stack);
        let pages = request.into_paginator().items().send();
        let resources: Result<Vec<_>, _> = pages.collect().await;
        for resource in resources.called("cloudformation:ListStackResources")? {
            let Some(id) = resource.physical_resource_id() else { continue };
            match resource.resource_type() {
                Some("AWS::AutoScaling::AutoScalingGroup") => drop(groups.insert(id.to_owned())),
                Some("AWS::CloudFormation::Stack") => open.push(id.to_owned()),
                _ => {}
            }
        }
    }
    Ok(groups)
}

/// One row for each image that a group may boot, or one row without an image.
///
/// The groups of the target's stack, nested stacks included, count even if they have no live
/// instance: it has just died, or the group is scaled to zero. They are read after the write,
/// because an `AutoScalingReplacingUpdate` creates a group with another name.
async fn launches(
    clients: &Clients,
    mut groups: Vec<GroupLaunch>,
    proof: Option<&Proof>,
) -> Result<Vec<GroupLaunch>, AwsError> {
    let mut names: BTreeSet<_> = groups.iter().map(|group| group.group_name.clone()).collect();
    if let Some(stack) = proof.and_then(|proof| proof.stack.as_ref()) {
        names.extend(groups_of(&clients.cloudformation, stack.as_str()).await?);
    }
    let names = names.iter().map(String::as_str).collect();
    let (autoscaling, ec2) = (&clients.autoscaling, &clients.ec2);
    let booted = groups::launch_images(autoscaling, ec2, &names, SsmReferences::Resolved).await?;
    let booted: Result<BTreeMap<_, _>, AwsError> =
        booted.into_iter().map(|(name, images)| Ok((name, images?))).collect();
    let booted = booted?;
    if let Some(proof) = proof {
        groups.extend(decide::unseen(proof, &booted, &groups));
    }
    let rows = groups.into_iter().flat_map(|group| {
        let images = booted.get(&group.group_name).cloned().unwrap_or_default();
        decide::rows(group, images)
    });
    Ok(rows.collect())
}

/// One call for the images of all groups.
async fn look_at_images(
    ec2: &aws_sdk_ec2::Client,
    groups: &mut [GroupLaunch],
) -> Result<(), AwsError> {
    let ids: BTreeSet<ImageId> =
        groups.iter().filter_map(|g| g.boots.as_ref()?.parse().ok()).collect();
    let images = images::describe(ec2, &Vec::from_iter(ids)).await?;
    for group in groups {
        let id = group.boots.as_ref().and_then(|id| id.parse().ok());
        let found = id.and_then(|id: ImageId| images.get(&id));
        let state = found.and_then(Image::state);
        group.image_state = state.map(|state| state.as_str().to_owned());
    }
    Ok(())
}
