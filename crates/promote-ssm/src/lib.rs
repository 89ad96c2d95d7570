//! promote-ssm owns the write of pattern 1: the SSM parameters that launch templates read.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::types::{Parameter, ParameterHistory, ParameterType, ResourceTypeForTagging, Tag};
use contract::steps::{ParameterWrite, Progress, PromoteInput, Promoted};
use step::{AwsError, InvalidInput, OnlyThrottling, texts};

use crate::decide::Action;
pub use crate::error::Error;

/// The tag of a parameter that says which write was begun last.
///
/// `PutParameter` knows no token as `UpdateStack` does, and its effect shows only later; so the
/// write is marked before it is made. A call that is repeated, because it was cut off or its
/// answer was lost, finds the mark, waits for the value, and writes no second version.
const MARK: &str = "DriftlessWrite";

/// One look at a parameter.
struct Look {
    write: ParameterWrite,
    current: Parameter,
    action: Action,
}

/// Reads and compares all, writes what has to be, reads that back. Nothing is written while one
/// of the parameters cannot be.
///
/// A 200 says only that the write was accepted; an image is checked afterwards (`PutParameter`,
/// DataType). So a value that does not show yet is looked for again, which the state machine
/// times. It also says when a write that was begun is overdue and has to be made again.
///
/// # Errors
/// See [`Error`].
pub async fn handle(
    ssm: &Ssm,
    cloudformation: &CloudFormation,
    input: PromoteInput,
) -> Result<Promoted, Error> {
    let mut looks = Vec::new();
    for write in decide::distinct(input.writes)? {
        looks.push(look(ssm, write, &input.execution, input.overdue).await?);
    }
    let due = |look: &&mut Look| look.action == Action::Put;
    for look in looks.iter_mut().filter(due) {
        check_owner(cloudformation, look.write.parameter_name.as_str()).await?;
    }
    for look in looks.iter_mut().filter(due) {
        mark(ssm, &look.write, &input.execution).await?;
        put(ssm, &look.write, &look.current).await?;
        look.write.written = true;
    }
    let mut promoted = Promoted { status: Progress::Complete, writes: Vec::new() };
    for mut seen in looks {
        if seen.action == Action::Put {
            seen = look(ssm, seen.write, &input.execution, false).await?;
        }
        if seen.action != Action::InPlace {
            promoted.status = Progress::InProgress;
        }
        promoted.writes.push(seen.write);
    }
    Ok(promoted)
}

async fn look(
    ssm: &Ssm,
    mut write: ParameterWrite,
    execution: &str,
    overdue: bool,
) -> Result<Look, Error> {
    let name = write.parameter_name.as_str();
    let current = match read(ssm, name).await {
        Ok(found) => found,
        Err(error) if error.has_code("ParameterNotFound") => None,
        Err(error) => return Err(error.into()),
    };
    let current = current.ok_or_else(|| Error::ParameterNotFound(name.to_owned()))?;
    write.written = write.written || is_marked(ssm, &write, execution).await?;
    let action = decide::action(&write, value(&current), overdue)?;
    write.previous_version.get_or_insert(current.version());
    write.version = Some(current.version());
    Ok(Look { write, current, action })
}

/// `name` may end in a version, `NAME:3`.
async fn read(ssm: &Ssm, name: &str) -> Result<Option<Parameter>, AwsError> {
    let answer = ssm.get_parameter().name(name).send().await;
    let answer = answer.map_err(|error| AwsError::new("ssm:GetParameter", error))?;
    Ok(answer.parameter)
}

fn value(parameter: &Parameter) -> &str {
    parameter.value().unwrap_or_default()
}

/// A parameter that is a resource of a stack is that stack's to write: whoever else does makes it
/// drift.
async fn check_owner(cloudformation: &CloudFormation, name: &str) -> Result<(), Error> {
    let answer = cloudformation.describe_stack_resources().physical_resource_id(name).send().await;
    let action = "cloudformation:DescribeStackResources";
    let resources = match answer.map_err(|error| AwsError::new(action, error)) {
        Ok(answer) => answer.stack_resources.unwrap_or_default(),
        Err(error) if texts::is_in_no_stack(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    decide::check_owner(name, &resources)
}

/// Whether an earlier call has begun this write.
async fn is_marked(ssm: &Ssm, write: &ParameterWrite, execution: &str) -> Result<bool, AwsError> {
    let request = ssm.list_tags_for_resource().resource_id(write.parameter_name.as_str());
    let answer = request.resource_type(ResourceTypeForTagging::Parameter).send().await;
    let answer = answer.map_err(|error| AwsError::new("ssm:ListTagsForResource", error))?;
    let token = decide::token(execution, write);
    Ok(answer.tag_list().iter().any(|tag| tag.key() == MARK && tag.value() == token))
}

/// Says that this write is begun.
async fn mark(ssm: &Ssm, write: &ParameterWrite, execution: &str) -> Result<(), Error> {
    let tag = Tag::builder().key(MARK).value(decide::token(execution, write)).build();
    let tag = tag.map_err(|error| InvalidInput::new("writes", error.to_string()))?;
    let request = ssm.add_tags_to_resource().resource_id(write.parameter_name.as_str());
    let request = request.resource_type(ResourceTypeForTagging::Parameter).tags(tag);
    let answer = request.send().await;
    answer.map_err(|error| AwsError::new("ssm:AddTagsToResource", error))?;
    Ok(())
}

/// The data type goes along as it is: one that Parameter Store checks (`aws:ec2:image`) cannot
/// be changed to another or from another, and whether an overwrite without it keeps it is not
/// documented.
async fn put(ssm: &Ssm, write: &ParameterWrite, current: &Parameter) -> Result<(), Error> {
    let name = write.parameter_name.as_str();
    tracing::info!(parameter = name, before = write.before, after = %write.after);
    let answer = ssm
        .put_parameter()
        .name(name)
        .value(write.after.as_str())
        .r#type(ParameterType::String)
        .set_data_type(current.data_type().map(str::to_owned))
        .overwrite(true)
        .customize()
        // Sent again after it was made, it would make a second version.
        .config_override(aws_sdk_ssm::config::Config::builder().retry_classifier(OnlyThrottling))
        .send()
        .await;
    match answer.map_err(|error| AwsError::new("ssm:PutParameter", error)) {
        Ok(answer) => check_alone(ssm, write, current.version() + 1, answer.version()).await,
        // Parameter Store's own word for two writers at once.
        Err(error) if error.has_code("TooManyUpdates") => Err(Error::Changed {
            name: name.to_owned(),
            seen: write.before.clone(),
            current: "being written by another".to_owned(),
        }),
        Err(error) if error.has_code("ParameterMaxVersionLimitExceeded") => {
            Err(decide::versions_full(name, &history(ssm, name).await?))
        }
        Err(error) => Err(error.into()),
    }
}

/// `PutParameter` knows no condition, so it is the version that tells whether somebody wrote
/// between the look and the write.
async fn check_alone(
    ssm: &Ssm,
    write: &ParameterWrite,
    expected: i64,
    answered: i64,
) -> Result<(), Error> {
    if answered == expected {
        return Ok(());
    }
    let name = write.parameter_name.as_str();
    // Known or not, it was overwritten: a version that cannot be read makes the text poorer only.
    let between = read(ssm, &format!("{name}:{expected}")).await.ok().flatten();
    match between.as_ref().map(value) {
        // The same image: mostly this very write, which the SDK sent again for want of an answer.
        Some(value) if value == write.after.as_str() => Ok(()),
        other => Err(Error::Overwrote {
            name: name.to_owned(),
            lost: other.unwrap_or("another value").to_owned(),
        }),
    }
}

/// All the versions that there are: a hundred at most.
async fn history(ssm: &Ssm, name: &str) -> Result<Vec<ParameterHistory>, AwsError> {
    let mut pages = ssm.get_parameter_history().name(name).into_paginator().send();
    let mut history = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::new("ssm:GetParameterHistory", error))?;
        history.extend(page.parameters.unwrap_or_default());
    }
    Ok(history)
}
