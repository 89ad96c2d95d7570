//! promote-ssm owns the write of pattern 1: the SSM parameters that launch templates read.

mod claim;
mod decide;
mod error;
#[cfg(test)]
mod tests;

use aws::{AwsError, Called, RetryOnlyThrottling, parameters, refusals};
use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::types::{Parameter, ParameterHistory, ParameterType};
use contract::placed::PlacedValue;
use contract::steps::{ParameterWrite, Progress, PromoteInput, Promoted};

use crate::claim::Claim;
pub use crate::claim::Claims;
use crate::decide::{Next, State};
pub use crate::error::Error;

/// What the step calls.
#[derive(Debug)]
pub struct Clients {
    /// The parameters.
    pub ssm: Ssm,
    /// Whose write it is.
    pub claims: Claims,
    /// The stacks that own parameters.
    pub cloudformation: CloudFormation,
}

/// One look at a parameter.
struct Look {
    write: ParameterWrite,
    current: Parameter,
    state: State,
}

/// Reads and compares all, and writes what has to be and nobody writes yet. Nothing is written
/// while one of the parameters cannot be.
///
/// A 200 says only that the write was accepted; an image is checked afterwards (`PutParameter`,
/// `DataType`). So a write is looked for at the next call, which the state machine times.
///
/// # Errors
/// See [`Error`].
pub async fn handle(clients: &Clients, input: PromoteInput) -> Result<Promoted, Error> {
    let mut looks = Vec::new();
    for write in decide::distinct(input.writes)? {
        looks.push(look(clients, write, &input.execution).await?);
    }
    let due = |look: &&mut Look| {
        look.state == State::Due && !decide::is_awaited(&look.write, input.looks)
    };
    for look in looks.iter_mut().filter(due) {
        check_owner(&clients.cloudformation, look.write.parameter_name.as_str()).await?;
    }
    for look in looks.iter_mut().filter(due) {
        write(clients, look, &input.execution, input.looks).await?;
    }
    let is_complete = looks.iter().all(|look| look.state == State::InPlace);
    Ok(Promoted {
        status: if is_complete { Progress::Complete } else { Progress::InProgress },
        writes: looks.into_iter().map(|look| look.write).collect(),
    })
}

async fn look(
    clients: &Clients,
    mut write: ParameterWrite,
    execution: &str,
) -> Result<Look, Error> {
    let name = write.parameter_name.as_str();
    let current = parameters::get(&clients.ssm, name).await?;
    let current = current.ok_or_else(|| Error::ParameterNotFound(name.to_owned()))?;
    let state = decide::state(&write, value(&current))?;
    if state == State::InPlace {
        let replaced = write.previous_version.unwrap_or(current.version() - 1);
        let token = decide::token(execution, &write);
        match clients.claims.holder(name, replaced, &token).await? {
            // Where nothing is known of it, an earlier call made it whose answer was lost.
            Some(Claim::Mine) if !write.written => write.written = true,
            Some(Claim::Mine) => clients.claims.release(name, replaced).await?,
            // It was taken over.
            Some(_) => write.written = false,
            None => {}
        }
        if write.written {
            write.previous_version.get_or_insert(replaced);
        }
    }
    write.previous_version.get_or_insert(current.version());
    write.version = Some(current.version());
    Ok(Look { write, current, state })
}

/// Writes, unless that is another call's to do.
async fn write(
    clients: &Clients,
    look: &mut Look,
    execution: &str,
    looks: u32,
) -> Result<(), Error> {
    let name = look.write.parameter_name.as_str();
    let (version, token) = (look.current.version(), decide::token(execution, &look.write));
    let claim = clients.claims.take(name, version, &token).await?;
    look.write.written = look.write.written || claim == Claim::Mine;
    match decide::next(claim, looks) {
        Next::Await => return Ok(()),
        Next::TakeOver => clients.claims.take_over(name, version, &token).await?,
        Next::Write => {}
    }
    let current = parameters::get(&clients.ssm, name).await?;
    if current.is_none_or(|current| current.version() != version) {
        // A claim that has just become free is on a version that has just been replaced. The next
        // look sees by what.
        return match claim {
            Claim::Mine => Ok(()),
            Claim::Granted | Claim::Theirs => Ok(clients.claims.release(name, version).await?),
        };
    }
    look.write.written = true;
    let put = put(&clients.ssm, &look.write, &look.current).await;
    if let Err(error) = &put
        && !matches!(error, Error::Aws(AwsError::Unavailable { .. }))
    {
        // It was not made. What is wrong with the write matters more than the claim.
        let _ = clients.claims.release(name, version).await;
    }
    put
}

fn value(parameter: &Parameter) -> &str {
    parameter.value().unwrap_or_default()
}

/// A parameter that is a resource of a stack is that stack's to write: whoever else does makes it
/// drift.
async fn check_owner(cloudformation: &CloudFormation, name: &str) -> Result<(), Error> {
    let answer = cloudformation.describe_stack_resources().physical_resource_id(name).send().await;
    let action = "cloudformation:DescribeStackResources";
    let resources = match answer.called(action) {
        Ok(answer) => answer.stack_resources.unwrap_or_default(),
        Err(error) if refusals::is_not_a_stack_resource(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    decide::check_owner(name, &resources)
}

/// The data type goes along as it is: one that Parameter Store checks (`aws:ec2:image`) cannot
/// be changed to another or from another, and whether an overwrite without it keeps it is not
/// documented.
async fn put(ssm: &Ssm, write: &ParameterWrite, current: &Parameter) -> Result<(), Error> {
    let name = write.parameter_name.as_str();
    tracing::info!(parameter = name, before = %write.before, after = %write.after);
    let answer = ssm
        .put_parameter()
        .name(name)
        .value(write.after.as_str())
        .r#type(ParameterType::String)
        .set_data_type(current.data_type().map(str::to_owned))
        .overwrite(true)
        .customize()
        // Sent again after it was made, it would make a second version.
        .config_override(
            aws_sdk_ssm::config::Config::builder().retry_classifier(RetryOnlyThrottling),
        )
        .send()
        .await;
    match answer.called("ssm:PutParameter") {
        Ok(answer) => check_alone(ssm, write, current.version() + 1, answer.version()).await,
        // Parameter Store's own word for two writers at once.
        Err(error) if error.has_code("TooManyUpdates") => Err(Error::Changed {
            name: name.to_owned(),
            seen: write.before.to_string(),
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
    let between = parameters::get(ssm, &format!("{name}:{expected}")).await.ok().flatten();
    match between.as_ref().map(value) {
        // The same image: mostly this very write, which the SDK sent again for want of an answer.
        Some(value) if value == write.after.as_str() => Ok(()),
        other => Err(Error::Overwrote {
            name: name.to_owned(),
            lost: other
                .map_or_else(|| "another value".to_owned(), |v| PlacedValue::from(v).to_string()),
        }),
    }
}

/// All the versions that there are: a hundred at most.
async fn history(ssm: &Ssm, name: &str) -> Result<Vec<ParameterHistory>, AwsError> {
    let mut pages = ssm.get_parameter_history().name(name).into_paginator().send();
    let mut history = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.called("ssm:GetParameterHistory")?;
        history.extend(page.parameters.unwrap_or_default());
    }
    Ok(history)
}
