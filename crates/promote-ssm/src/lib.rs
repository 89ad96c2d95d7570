//! promote-ssm makes the writes of pattern 1: to the SSM parameters that launch templates read.

mod claim;
mod decide;
mod error;
mod rule;
#[cfg(test)]
mod tests;

use aws::{AwsError, Called, RetryOnlyThrottling, pages, parameters, stacks};
use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::types::{Parameter, ParameterHistory, ParameterType};
use contract::placed::PlacedValue;
use contract::steps::{ParameterWrite, Progress, PromoteInput, Promoted, Versions, WritePhase};

pub use crate::claim::Claims;
pub use crate::error::Error;
use crate::rule::{Action, Answer, Overdue, Shown, rule};

/// The clients of the step.
#[derive(Debug)]
pub struct Clients {
    /// The parameters.
    pub ssm: Ssm,
    /// Who owns each write.
    pub claims: Claims,
    /// The stacks that own parameters.
    pub cloudformation: CloudFormation,
}

/// One poll of a parameter.
struct Poll {
    write: ParameterWrite,
    versions: Versions,
    current: Parameter,
    shown: Shown,
    action: Action,
}

impl Poll {
    fn into_write(self) -> ParameterWrite {
        let phase = match self.shown {
            Shown::New => WritePhase::Settled(self.versions),
            Shown::Old | Shown::Foreign | Shown::NextVersion => WritePhase::Running(self.versions),
        };
        ParameterWrite { phase, ..self.write }
    }
}

/// Polls every parameter, and writes those that the rule selects. Nothing is written if one of the
/// parameters cannot be.
///
/// A 200 only means that the write was accepted; Parameter Store validates an image afterwards
/// (`PutParameter`, `DataType`). So the next poll, which the state machine schedules, checks whether
/// the new value is visible.
///
/// # Errors
/// See [`Error`].
pub async fn handle(clients: &Clients, input: PromoteInput) -> Result<Promoted, Error> {
    let overdue = Overdue::at(input.polls);
    let mut polls = Vec::new();
    for write in decide::distinct(input.writes)? {
        polls.push(poll(clients, write, &input.execution, overdue).await?);
    }
    let to_claim = |poll: &&mut Poll| poll.action == Action::Claim;
    for poll in polls.iter_mut().filter(to_claim) {
        check_owner(&clients.cloudformation, poll.write.parameter_name.as_str()).await?;
    }
    for poll in polls.iter_mut().filter(to_claim) {
        write(clients, poll, &input.execution, overdue).await?;
    }
    let is_complete = polls.iter().all(|poll| poll.shown == Shown::New);
    Ok(Promoted {
        status: if is_complete { Progress::Complete } else { Progress::InProgress },
        writes: polls.into_iter().map(Poll::into_write).collect(),
    })
}

/// Reads the parameter, and the claim if the new value is visible.
async fn poll(
    clients: &Clients,
    write: ParameterWrite,
    execution: &str,
    overdue: Overdue,
) -> Result<Poll, Error> {
    let earlier = write.phase.versions();
    let name = write.parameter_name.as_str();
    let current = parameters::get(&clients.ssm, name).await?;
    let current = current.ok_or_else(|| Error::ParameterNotFound(name.to_owned()))?;
    let shown = Shown::of(&write, value(&current));
    let (replaced, claim) = if shown == Shown::New {
        let replaced = earlier.map_or(current.version() - 1, |earlier| earlier.previous_version);
        let token = decide::token(execution, &write);
        (replaced, clients.claims.holder(name, replaced, &token).await?)
    } else {
        (current.version(), None)
    };
    let was_written = earlier.is_some_and(|earlier| earlier.written);
    let Answer { action, written } = rule(shown, claim, was_written, overdue);
    match action {
        Action::ChooseAgain => return Err(decide::changed(&write, value(&current))),
        Action::DeleteClaim => clients.claims.delete(name, replaced).await?,
        Action::Claim | Action::Write | Action::TakeOver | Action::Wait | Action::Done => {}
    }
    let first = if written { replaced } else { current.version() };
    let previous_version = earlier.map_or(first, |earlier| earlier.previous_version);
    let versions = Versions { written, previous_version, version: current.version() };
    Ok(Poll { write, versions, current, shown, action })
}

/// Claims the write, and makes it if the rule allows.
async fn write(
    clients: &Clients,
    poll: &mut Poll,
    execution: &str,
    overdue: Overdue,
) -> Result<(), Error> {
    let name = poll.write.parameter_name.as_str();
    let (version, token) = (poll.current.version(), decide::token(execution, &poll.write));
    let claim = clients.claims.take(name, version, &token).await?;
    let Answer { action, written } = rule(poll.shown, Some(claim), poll.versions.written, overdue);
    poll.versions.written = written;
    match action {
        Action::Write => {}
        Action::TakeOver => clients.claims.take_over(name, version, &token).await?,
        _ => return Ok(()),
    }
    let current = parameters::get(&clients.ssm, name).await?;
    if current.is_none_or(|current| current.version() != version) {
        let Answer { action, .. } = rule(Shown::NextVersion, Some(claim), written, overdue);
        if action == Action::DeleteClaim {
            clients.claims.delete(name, version).await?;
        }
        return Ok(());
    }
    poll.versions.written = true;
    let put = put(&clients.ssm, &poll.write, &poll.current).await;
    if let Err(error) = &put
        && !matches!(error, Error::Aws(AwsError::Unavailable { .. }))
    {
        // The write was not made. Its error matters more than an error about the claim.
        let _ = clients.claims.delete(name, version).await;
    }
    put
}

fn value(parameter: &Parameter) -> &str {
    parameter.value().unwrap_or_default()
}

/// A parameter that is a resource of a stack must be written only by that stack: any other write
/// causes drift.
async fn check_owner(cloudformation: &CloudFormation, name: &str) -> Result<(), Error> {
    decide::check_owner(name, &stacks::beside(cloudformation, name).await?)
}

/// The data type is sent unchanged: one that Parameter Store validates (`aws:ec2:image`) cannot be
/// changed to another or from another, and whether an overwrite without it keeps it is not
/// documented.
async fn put(ssm: &Ssm, write: &ParameterWrite, current: &Parameter) -> Result<(), Error> {
    let name = write.parameter_name.as_str();
    tracing::info!(parameter = name, before = %write.before, after = %write.after, "writing a parameter");
    let answer = ssm
        .put_parameter()
        .name(name)
        .value(write.after.as_str())
        .r#type(ParameterType::String)
        .set_data_type(current.data_type().map(str::to_owned))
        .overwrite(true)
        .customize()
        // If the SDK sent the call again after it took effect, it would create a second version.
        .config_override(
            aws_sdk_ssm::config::Config::builder().retry_classifier(RetryOnlyThrottling),
        )
        .send()
        .await;
    match answer.called("ssm:PutParameter") {
        Ok(answer) => check_alone(ssm, write, current.version() + 1, answer.version()).await,
        // Parameter Store's own error for two concurrent writers.
        Err(error) if error.has_code("TooManyUpdates") => Err(Error::Changed {
            name: name.to_owned(),
            seen: write.before.to_string(),
            current: "being written by another writer".to_owned(),
        }),
        Err(error) if error.has_code("ParameterMaxVersionLimitExceeded") => {
            Err(decide::versions_full(name, &history(ssm, name).await?))
        }
        Err(error) => Err(error.into()),
    }
}

/// `PutParameter` has no conditional write, so the version shows whether another writer wrote
/// between the poll and the write.
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
    // The value was overwritten, whether or not it can be read: a version that cannot be read only
    // makes the message less precise.
    let between = parameters::get(ssm, &format!("{name}:{expected}")).await.ok().flatten();
    match between.as_ref().map(value) {
        // The same image: usually this very write, which was sent again because the first response
        // was lost.
        Some(value) if value == write.after.as_str() => Ok(()),
        other => Err(Error::Overwrote {
            name: name.to_owned(),
            lost: other
                .map_or_else(|| "another value".to_owned(), |v| PlacedValue::from(v).to_string()),
        }),
    }
}

/// All versions, of which there are at most a hundred.
async fn history(ssm: &Ssm, name: &str) -> Result<Vec<ParameterHistory>, AwsError> {
    let request = ssm.get_parameter_history().name(name);
    pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("ssm:GetParameterHistory")?;
        Ok((page.parameters, page.next_token))
    })
    .await
}
