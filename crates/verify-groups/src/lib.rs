//! verify-groups owns the second half of the proof: the groups that the target feeds would boot the
//! promoted image now, and that image is available. It finds the groups where they are defined, and
//! after the write: an update may have replaced a group (`AutoScalingReplacingUpdate`), and the only
//! instance may have just died.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws::groups::{self, SsmReferences};
use aws::{AwsError, Called, images, pages};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use contract::ids::ImageId;
use contract::steps::{GroupLaunch, Proof, Scope, Verified, VerifyInput};

pub use crate::error::Error;

/// The services that the step reads.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The groups.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// The resources of stacks.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// The launch templates and the images in them.
    pub ec2: aws_sdk_ec2::Client,
}

/// Reads which images the groups of the target would boot now, and whether they are available.
///
/// # Errors
/// See [`Error`]. A wrong image is a finding in the answer.
pub async fn handle(
    clients: &Clients,
    account: &str,
    VerifyInput { proof }: VerifyInput,
) -> Result<Verified, Error> {
    // Boxed, because the nested futures exceed the compiler's limit for computing a layout.
    let groups = Box::pin(groups(clients, account, &proof)).await?;
    let mut rows = Box::pin(launches(clients, &proof, groups)).await?;
    set_image_states(&clients.ec2, &mut rows).await?;
    let verified = decide::verified(rows);
    for GroupLaunch { group_name, expected, boots, image_state } in &verified.groups.rows {
        tracing::info!(group_name, %expected, boots, image_state, "read what the group boots");
    }
    Ok(verified)
}

/// The groups that the target's scope defines, and those that live instances named.
async fn groups(
    clients: &Clients,
    account: &str,
    proof: &Proof,
) -> Result<Vec<AutoScalingGroup>, AwsError> {
    let (autoscaling, ec2) = (&clients.autoscaling, &clients.ec2);
    let mut names: BTreeSet<_> =
        proof.groups.iter().map(|group| group.group_name.clone()).collect();
    let mut found = match &proof.scope {
        Scope::Stack(stack) => {
            names.extend(groups_of_stack(&clients.cloudformation, stack.as_str()).await?);
            Vec::new()
        }
        Scope::Parameter(_) if proof.is_complete => Vec::new(),
        Scope::Parameter(parameter) => {
            groups::booting_from(autoscaling, ec2, parameter, account).await?
        }
    };
    for group in found.iter().filter_map(AutoScalingGroup::auto_scaling_group_name) {
        names.remove(group);
    }
    let names = names.iter().map(String::as_str).collect();
    found.extend(groups::describe(autoscaling, &names).await?);
    Ok(found)
}

/// The names of the groups in a stack and in the stacks nested in it.
async fn groups_of_stack(
    cloudformation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<BTreeSet<String>, AwsError> {
    let (mut groups, mut open) = (BTreeSet::new(), vec![stack.to_owned()]);
    while let Some(stack) = open.pop() {
        let request = cloudformation.list_stack_resources().stack_name(stack);
        let resources = pages::all(async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.called("cloudformation:ListStackResources")?;
            Ok((page.stack_resource_summaries, page.next_token))
        });
        for resource in resources.await? {
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
async fn launches(
    clients: &Clients,
    proof: &Proof,
    groups: Vec<AutoScalingGroup>,
) -> Result<Vec<GroupLaunch>, AwsError> {
    let booted = groups::launch_images(&clients.ec2, groups, SsmReferences::Resolved).await?;
    let booted: Result<BTreeMap<_, _>, AwsError> =
        booted.into_iter().map(|(name, images)| Ok((name, images?))).collect();
    Ok(decide::rows(proof, &booted?))
}

/// One call for the images of all groups.
async fn set_image_states(
    ec2: &aws_sdk_ec2::Client,
    rows: &mut [GroupLaunch],
) -> Result<(), AwsError> {
    let ids: BTreeSet<ImageId> =
        rows.iter().filter_map(|row| row.boots.as_ref()?.parse().ok()).collect();
    let images = images::describe(ec2, &Vec::from_iter(ids)).await?;
    for row in rows {
        let id = row.boots.as_ref().and_then(|id| id.parse::<ImageId>().ok());
        let state = id.and_then(|id| images.get(&id)?.state());
        row.image_state = state.map(|state| state.as_str().to_owned());
    }
    Ok(())
}
