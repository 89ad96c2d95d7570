//! Reads the values in place, the images and their origins: one call each for all images of the
//! target (and one for each launch template).

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use aws::groups::{self, SsmReferences};
use aws::{AwsError, Called, images, pages, parameters, stacks};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_cloudformation::types::Parameter;
use aws_sdk_ec2::types::{InstanceTypeInfo, Snapshot};
use aws_sdk_ssm::types::ParameterType;
use contract::Gather;
use contract::ids::ParameterName;
use contract::placed::PlacedValue;
use contract::steps::Via;
use contract::target::{Group, Target};

use crate::decide::{self, CurrentValue};
use crate::provenance::{self, LaunchSources};
use crate::{Clients, Error};

/// The value in place in each image parameter of the target, or why it cannot be read.
///
/// # Errors
/// The target itself does not exist, or a call failed.
pub(crate) async fn in_place(
    clients: &Clients,
    target: &Target,
) -> Result<BTreeMap<String, Result<CurrentValue, Error>>, Error> {
    let (stack_name, keys) = match target {
        Target::Parameter { name, .. } => {
            let value = ssm_value(&clients.ssm, name.as_str()).await?;
            let in_place = CurrentValue { value, via: None };
            return Ok(iter::once((name.to_string(), Ok(in_place))).gather());
        }
        Target::Stack { name, parameters } => {
            let keys: BTreeSet<_> = parameters.iter().map(|one| one.key.to_string()).gather();
            (name.as_str(), keys)
        }
    };
    let stack = stacks::find(&clients.cloudformation, stack_name).await?;
    let stack = stack.ok_or_else(|| Error::StackNotFound(stack_name.to_owned()))?;
    let parameters = stack.parameters.unwrap_or_default().into_iter();
    let mut parameters: BTreeMap<_, _> =
        parameters.filter_map(|p| Some((p.parameter_key.clone()?, p))).gather();
    let known: Vec<_> = parameters.keys().cloned().collect();
    let types = types(&clients.cloudformation, stack_name).await?;
    let mut found = BTreeMap::new();
    for key in keys {
        let in_place = match parameters.remove(&key) {
            Some(parameter) => {
                let kind = types.get(&key).map_or("", String::as_str);
                of_stack(&clients.ssm, stack_name, &key, kind, parameter).await
            }
            None => Err(Error::ParameterKeyNotFound {
                stack: stack_name.to_owned(),
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

/// The types of the stack's parameters (`GetTemplateSummary`; `DescribeStacks` does not have them).
async fn types(
    cloudformation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<BTreeMap<String, String>, AwsError> {
    let answer = cloudformation.get_template_summary().stack_name(stack).send().await;
    let answer = answer.called("cloudformation:GetTemplateSummary")?;
    let parameters = answer.parameters.unwrap_or_default().into_iter();
    Ok(parameters.filter_map(|p| Some((p.parameter_key?, p.parameter_type?))).gather())
}

/// The value that AWS returns for a `NoEcho` parameter (`DescribeStacks`, Parameters).
const NO_ECHO: &str = "****";

/// The value in place in a stack's parameter. A parameter with a type
/// `AWS::SSM::Parameter::Value<…>` also has a resolved value, which the template got when the stack
/// was last updated.
async fn of_stack(
    ssm: &aws_sdk_ssm::Client,
    stack: &str,
    key: &str,
    kind: &str,
    parameter: Parameter,
) -> Result<CurrentValue, Error> {
    let value = parameter.parameter_value.unwrap_or_default();
    let told = format!("parameter {key} of stack {stack}");
    if value == NO_ECHO {
        return Err(Error::Secret(format!("{told}, which is NoEcho,")));
    }
    if decide::is_list_type(kind) {
        return Err(Error::HoldsList { parameter: told, kind: format!("a value of type {kind}") });
    }
    let Some(resolved) = parameter.resolved_value else {
        return Ok(CurrentValue { value: decide::one_value(value, told)?, via: None });
    };
    let Ok(name) = value.parse::<ParameterName>() else {
        let (stack, key) = (stack.to_owned(), key.to_owned());
        return Err(Error::NotAParameterName { stack, key, value });
    };
    let before = ssm_value(ssm, name.as_str()).await?;
    let via = Some(Via { parameter_name: name, before });
    Ok(CurrentValue { value: decide::one_value(resolved, told)?, via })
}

async fn ssm_value(ssm: &aws_sdk_ssm::Client, name: &str) -> Result<PlacedValue, Error> {
    let found = parameters::get(ssm, name).await?;
    let found = found.ok_or_else(|| Error::ParameterNotFound(name.to_owned()))?;
    let told = format!("parameter {name}");
    match found.r#type {
        Some(ParameterType::SecureString) => Err(Error::Secret(format!("{told}, a SecureString,"))),
        Some(ParameterType::StringList) => {
            Err(Error::HoldsList { parameter: told, kind: "a value of type StringList".to_owned() })
        }
        _ => decide::one_value(found.value.unwrap_or_default(), told),
    }
}

/// These snapshots as EC2 lists them, without those that no longer exist or belong to another
/// account.
///
/// # Errors
/// The call failed.
pub(crate) async fn snapshots(
    ec2: &aws_sdk_ec2::Client,
    ids: &[String],
) -> Result<BTreeMap<String, Snapshot>, AwsError> {
    let mut found = BTreeMap::new();
    for filter in images::filters("snapshot-id", ids) {
        // Without an owner, EC2 would search all public snapshots too.
        let request = ec2.describe_snapshots().owner_ids("self").filters(filter);
        let answer = pages::all(async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.called("ec2:DescribeSnapshots")?;
            Ok((page.snapshots, page.next_token))
        });
        found.extend(answer.await?.into_iter().filter_map(|s| Some((s.snapshot_id.clone()?, s))));
    }
    Ok(found)
}

/// The instance types of the target's groups, without types that EC2 does not list.
///
/// # Errors
/// The call failed.
pub(crate) async fn instance_types(
    ec2: &aws_sdk_ec2::Client,
    target: &Target,
) -> Result<BTreeMap<String, InstanceTypeInfo>, AwsError> {
    let groups = target.images().into_iter().flat_map(|(_, images)| &images.groups);
    let names: BTreeSet<_> = groups.filter_map(|group| group.instance_type.clone()).gather();
    let mut found = BTreeMap::new();
    for filter in images::filters("instance-type", &names.into_iter().collect::<Vec<_>>()) {
        let request = ec2.describe_instance_types().filters(filter);
        let answer = pages::all(async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.called("ec2:DescribeInstanceTypes")?;
            Ok((page.instance_types, page.next_token))
        });
        found.extend(answer.await?.into_iter().filter_map(|info| {
            let name = info.instance_type.as_ref()?.as_str().to_owned();
            Some((name, info))
        }));
    }
    Ok(found)
}

/// The groups and stacks that the candidates come from or that the target may feed.
///
/// # Errors
/// A call failed.
pub(crate) async fn sources(
    clients: &Clients,
    target: &Target,
    account: &str,
) -> Result<LaunchSources, AwsError> {
    let mut sources = LaunchSources::default();
    for name in provenance::stack_names(target) {
        if let Some(stack) = stacks::find(&clients.cloudformation, name).await? {
            // An ARN: `…:stack/NAME/UNIQUE`.
            let root = stack.root_id.as_deref().and_then(|arn| arn.split('/').nth(1));
            sources.roots.insert(name.to_owned(), root.map(str::to_owned));
        }
    }
    let (autoscaling, ec2) = (&clients.autoscaling, &clients.ec2);
    let mut described = match target {
        Target::Parameter { readers: Some(listed), .. } => {
            let listed = listed.iter().map(String::as_str).gather();
            groups::describe(autoscaling, &listed).await?
        }
        Target::Parameter { name, readers: None, .. } => {
            groups::booting_from(autoscaling, ec2, name, account).await?
        }
        Target::Stack { .. } => Vec::new(),
    };
    sources.readers = described.iter().filter_map(group).collect();
    // What a group boots decides only about those that the images come from or live instances named.
    let mut names = provenance::group_names(target);
    described
        .retain(|group| group.auto_scaling_group_name().is_some_and(|name| names.remove(name)));
    described.extend(groups::describe(autoscaling, &names).await?);
    let launches = groups::launch_images(ec2, described, SsmReferences::AsWritten).await?;
    sources.launches = launches
        .into_iter()
        .map(|(name, images)| (name, images.map_err(|refusal| refusal.to_string())))
        .gather();
    Ok(sources)
}

/// CloudFormation tags a group with the name of the stack that made it.
const TAG_STACK: &str = "aws:cloudformation:stack-name";

fn group(group: &AutoScalingGroup) -> Option<Group> {
    let stack = group.tags().iter().find(|tag| tag.key() == Some(TAG_STACK));
    Some(Group {
        group_name: group.auto_scaling_group_name()?.to_owned(),
        stack_name: stack.and_then(|tag| tag.value()?.parse().ok()),
        instance_type: None,
    })
}
