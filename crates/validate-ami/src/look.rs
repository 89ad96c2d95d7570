//! What validate-ami reads: what is in place, the images, and where they come from. Each is one
//! call for all images of the target (a launch template is one of its own).

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_cloudformation::types::{Parameter, Stack};
use aws_sdk_ec2::types::{Filter, Image, InstanceTypeInfo, Snapshot};
use aws_sdk_ssm::types::ParameterType;
use contract::ids::{ImageId, ParameterName};
use contract::steps::Via;
use contract::target::{Pattern, Target};
use step::{AwsError, texts};

use crate::decide::InPlace;
use crate::provenance::{self, Feeds, Launches, TemplateVersion};
use crate::{Clients, Error};

/// What each image parameter of the target has now, or why that cannot be told.
///
/// # Errors
/// The target itself is not there, or a call failed.
pub async fn in_place(
    clients: &Clients,
    target: &Target,
) -> Result<BTreeMap<String, Result<InPlace, Error>>, Error> {
    if target.pattern == Pattern::Parameter {
        let value = ssm_value(&clients.ssm, &target.name).await?;
        let in_place = InPlace { value: value.into(), via: None };
        let names = target.parameters.iter().map(|parameter| parameter.parameter.clone());
        return Ok(names.map(|name| (name, Ok(in_place.clone()))).collect());
    }
    let stack = stack(&clients.cloudformation, &target.name).await?;
    let stack = stack.ok_or_else(|| Error::StackNotFound(target.name.clone()))?;
    let parameters = stack.parameters.unwrap_or_default().into_iter();
    let mut parameters: BTreeMap<_, _> =
        parameters.filter_map(|p| Some((p.parameter_key.clone()?, p))).collect();
    let keys: BTreeSet<_> = target.parameters.iter().map(|p| p.parameter.clone()).collect();
    let known: Vec<_> = parameters.keys().cloned().collect();
    let mut found = BTreeMap::new();
    for key in keys {
        let in_place = match parameters.remove(&key) {
            Some(parameter) => of_stack(&clients.ssm, &target.name, &key, parameter).await,
            None => Err(Error::ParameterKeyNotFound {
                stack: target.name.clone(),
                missing: key.clone(),
                known: known.clone(),
            }),
        };
        match in_place {
            Err(error) if !error.is_of_one_parameter() => return Err(error),
            in_place => found.insert(key, in_place),
        };
    }
    Ok(found)
}

/// What a NoEcho parameter reads as (`DescribeStacks`, Parameters).
const NO_ECHO: &str = "****";

/// What a stack's parameter has. One of a type `AWS::SSM::Parameter::Value<…>` has a resolved
/// value besides; that is what reached the template when the stack was last updated.
async fn of_stack(
    ssm: &aws_sdk_ssm::Client,
    stack: &str,
    key: &str,
    parameter: Parameter,
) -> Result<InPlace, Error> {
    let value = parameter.parameter_value.unwrap_or_default();
    if value == NO_ECHO {
        return Err(Error::Secret(format!("parameter {key} of stack {stack}, which is NoEcho,")));
    }
    let Some(resolved) = parameter.resolved_value else {
        return Ok(InPlace { value: value.into(), via: None });
    };
    let Ok(name) = value.parse::<ParameterName>() else {
        let (stack, key) = (stack.to_owned(), key.to_owned());
        return Err(Error::NotAParameterName { stack, key, value });
    };
    let before = ssm_value(ssm, name.as_str()).await?.into();
    let via = Some(Via { parameter_name: name, before });
    Ok(InPlace { value: resolved.into(), via })
}

async fn ssm_value(ssm: &aws_sdk_ssm::Client, name: &str) -> Result<String, Error> {
    let answer = ssm.get_parameter().name(name).send().await;
    let found = match answer.map_err(|error| AwsError::new("ssm:GetParameter", error)) {
        Ok(answer) => answer.parameter,
        Err(error) if error.has_code("ParameterNotFound") => None,
        Err(error) => return Err(error.into()),
    };
    let found = found.ok_or_else(|| Error::ParameterNotFound(name.to_owned()))?;
    if found.r#type == Some(ParameterType::SecureString) {
        return Err(Error::Secret(format!("parameter {name}, a SecureString,")));
    }
    Ok(found.value.unwrap_or_default())
}

async fn stack(
    cloudformation: &aws_sdk_cloudformation::Client,
    name: &str,
) -> Result<Option<Stack>, AwsError> {
    let answer = cloudformation.describe_stacks().stack_name(name).send().await;
    match answer.map_err(|e| AwsError::new("cloudformation:DescribeStacks", e)) {
        Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
        Err(error) if texts::is_stack_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// EC2 takes 200 values in one filter (EC2 API, "Filter"). Ids that are asked for as such would
/// fail the call as a whole when one is gone.
const MOST_VALUES: usize = 200;

fn filters(name: &str, values: &[String]) -> Vec<Filter> {
    let filter =
        |values: &[String]| Filter::builder().name(name).set_values(Some(values.to_vec())).build();
    values.chunks(MOST_VALUES).map(filter).collect()
}

/// What EC2 says of these images now; one that is gone is left out.
///
/// # Errors
/// The call's.
pub async fn images(
    ec2: &aws_sdk_ec2::Client,
    ids: &[ImageId],
) -> Result<BTreeMap<ImageId, Image>, AwsError> {
    let mut found = BTreeMap::new();
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    for filter in filters("image-id", &ids) {
        let request = ec2.describe_images().filters(filter);
        // What is in place may be another account's, of whom EC2 leaves out the deprecated ones.
        let request = request.include_disabled(true).include_deprecated(true);
        let answer: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let answer = answer.map_err(|error| AwsError::new("ec2:DescribeImages", error))?;
        found.extend(answer.into_iter().filter_map(|image| {
            let id = image.image_id.as_deref()?.parse().ok()?;
            Some((id, image))
        }));
    }
    Ok(found)
}

/// What EC2 says of these snapshots; one that is gone, or another account's, is left out.
///
/// # Errors
/// The call's.
pub async fn snapshots(
    ec2: &aws_sdk_ec2::Client,
    ids: &[String],
) -> Result<BTreeMap<String, Snapshot>, AwsError> {
    let mut found = BTreeMap::new();
    for filter in filters("snapshot-id", ids) {
        // Without an owner, EC2 would look through everybody's public snapshots too.
        let request = ec2.describe_snapshots().owner_ids("self").filters(filter);
        let answer: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let answer = answer.map_err(|error| AwsError::new("ec2:DescribeSnapshots", error))?;
        found.extend(answer.into_iter().filter_map(|s| Some((s.snapshot_id.clone()?, s))));
    }
    Ok(found)
}

/// What the instances of the target's groups are; a type that EC2 does not know is left out.
///
/// # Errors
/// The call's.
pub async fn instance_types(
    ec2: &aws_sdk_ec2::Client,
    target: &Target,
) -> Result<BTreeMap<String, InstanceTypeInfo>, AwsError> {
    let groups = target.parameters.iter().flat_map(|parameter| &parameter.groups);
    let names: BTreeSet<_> = groups.filter_map(|group| group.instance_type.clone()).collect();
    let mut found = BTreeMap::new();
    for filter in filters("instance-type", &names.into_iter().collect::<Vec<_>>()) {
        let request = ec2.describe_instance_types().filters(filter);
        let answer: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let answer = answer.map_err(|error| AwsError::new("ec2:DescribeInstanceTypes", error))?;
        found.extend(answer.into_iter().filter_map(|info| {
            let name = info.instance_type.as_ref()?.as_str().to_owned();
            Some((name, info))
        }));
    }
    Ok(found)
}

/// What the groups and stacks are that the candidates come from or that the target may feed.
///
/// # Errors
/// The calls'.
pub async fn feeds(clients: &Clients, target: &Target) -> Result<Feeds, AwsError> {
    let mut feeds = Feeds::default();
    for name in provenance::wanted_stacks(target) {
        if let Some(stack) = stack(&clients.cloudformation, name).await? {
            // An ARN: `…:stack/NAME/UNIQUE`.
            let root = stack.root_id.as_deref().and_then(|arn| arn.split('/').nth(1));
            feeds.roots.insert(name.to_owned(), root.map(str::to_owned));
        }
    }
    let names = provenance::wanted_groups(target);
    let mut known = BTreeMap::new();
    for group in auto_scaling_groups(&clients.autoscaling, &names).await? {
        if let Some(name) = group.auto_scaling_group_name() {
            let launches = launches(&clients.ec2, &group, &mut known).await?;
            feeds.launches.insert(name.to_owned(), launches);
        }
    }
    Ok(feeds)
}

/// Auto Scaling takes no more names in a call (`DescribeAutoScalingGroups`, MaxRecords).
const MOST_GROUPS: usize = 50;

async fn auto_scaling_groups(
    autoscaling: &aws_sdk_autoscaling::Client,
    names: &BTreeSet<&str>,
) -> Result<Vec<AutoScalingGroup>, AwsError> {
    let mut found = Vec::new();
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    // No name would mean all groups of the account; of none there is no chunk.
    for names in names.chunks(MOST_GROUPS) {
        let request = autoscaling.describe_auto_scaling_groups();
        let request = request.set_auto_scaling_group_names(Some(names.to_vec()));
        let groups: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        found
            .extend(groups.map_err(|e| AwsError::new("autoscaling:DescribeAutoScalingGroups", e))?);
    }
    Ok(found)
}

/// What a group launches. `known` are the versions that were looked at already.
async fn launches(
    ec2: &aws_sdk_ec2::Client,
    group: &AutoScalingGroup,
    known: &mut BTreeMap<TemplateVersion, Launches>,
) -> Result<Launches, AwsError> {
    let mut images = provenance::override_images(group);
    for version in provenance::template_versions(group) {
        if !known.contains_key(&version) {
            let said = image_of(ec2, &version).await?;
            known.insert(version.clone(), said);
        }
        match &known[&version] {
            Ok(said) => images.extend(said.iter().cloned()),
            Err(reason) => return Ok(Err(reason.clone())),
        }
    }
    Ok(Ok(images))
}

/// The image that a launch template's version says, an SSM parameter in it as it is written.
async fn image_of(
    ec2: &aws_sdk_ec2::Client,
    version: &TemplateVersion,
) -> Result<Launches, AwsError> {
    let request = ec2
        .describe_launch_template_versions()
        .launch_template_id(&version.template_id)
        .versions(&version.version);
    let answer = request.send().await;
    match answer.map_err(|e| AwsError::new("ec2:DescribeLaunchTemplateVersions", e)) {
        Ok(answer) => {
            let versions = answer.launch_template_versions.unwrap_or_default().into_iter();
            Ok(Ok(versions.filter_map(|version| version.launch_template_data?.image_id).collect()))
        }
        // The template or the version is gone.
        Err(refusal @ AwsError::Refused { .. }) => Ok(Err(refusal.to_string())),
        Err(error) => Err(error),
    }
}
