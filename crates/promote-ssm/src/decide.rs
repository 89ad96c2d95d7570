//! What promote-ssm decides, without a call.

use aws_sdk_cloudformation::types::{ResourceStatus, StackResource};
use aws_sdk_ssm::types::ParameterHistory;
use contract::placed::PlacedValue;
use contract::steps::ParameterWrite;
use step::InvalidInput;

use crate::Error;
use crate::claim::Claim;

/// How many of a stack's resources CloudFormation lists at most (`DescribeStackResources`).
const LISTED: usize = 100;

/// After so many looks a write of an own earlier call, which does not show, was never made.
const OWN_OVERDUE: u32 = 6;
/// The same of another execution, which has its own chance to make it first.
const OTHERS_OVERDUE: u32 = 9;

/// How a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The image is there.
    InPlace,
    /// The value is the one that the decision was based on: it has to be replaced, or has been,
    /// which does not show yet.
    Due,
}

/// What to do about a parameter whose write is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Make it.
    Write,
    /// Make it in the place of an execution that has not come back.
    TakeOver,
    /// It was begun: look again later.
    Await,
}

/// The writes with each parameter once: two of a stack's parameters may name the same one.
///
/// # Errors
/// [`InvalidInput`] when it is to take two images.
pub(crate) fn distinct(writes: Vec<ParameterWrite>) -> Result<Vec<ParameterWrite>, InvalidInput> {
    let mut distinct: Vec<ParameterWrite> = Vec::new();
    for (index, write) in writes.into_iter().enumerate() {
        match distinct.iter().find(|other| other.parameter_name == write.parameter_name) {
            None => distinct.push(write),
            Some(other) if other.after == write.after => {}
            Some(other) => {
                let problem = format!(
                    "parameter {} cannot take both {} and {}",
                    write.parameter_name, other.after, write.after
                );
                return Err(InvalidInput::new(format!("writes[{index}].after"), problem));
            }
        }
    }
    Ok(distinct)
}

/// The token of a write, by which a repeated call knows its own. The value before belongs to it, as
/// it does to that of a stack update: the way back may choose an image for the second time.
#[must_use]
pub(crate) fn token(execution: &str, write: &ParameterWrite) -> String {
    step::token(
        execution,
        [write.parameter_name.as_str(), write.before.expose(), write.after.as_str()],
    )
}

/// Compares the value in place with what the decision saw and chose.
///
/// # Errors
/// [`Error::Changed`] when somebody else wrote in between. Whether that value is newer is for
/// validate-ami to say, so the decision is made again.
pub(crate) fn state(write: &ParameterWrite, current: &str) -> Result<State, Error> {
    if current == write.after.as_str() {
        Ok(State::InPlace)
    } else if current == write.before.expose() {
        Ok(State::Due)
    } else {
        Err(Error::Changed {
            name: write.parameter_name.to_string(),
            seen: write.before.to_string(),
            current: PlacedValue::from(current).to_string(),
        })
    }
}

/// Whether nothing is to be done about a write that is due, not even to ask whose it is.
#[must_use]
pub(crate) fn is_awaited(write: &ParameterWrite, looks: u32) -> bool {
    write.written && looks != OWN_OVERDUE
}

/// Whose write it is decides. One that was begun is made again only when it is overdue, once.
#[must_use]
pub(crate) fn next(claim: Claim, looks: u32) -> Next {
    match claim {
        Claim::Granted => Next::Write,
        Claim::Mine if looks == OWN_OVERDUE => Next::Write,
        Claim::Theirs if looks == OTHERS_OVERDUE => Next::TakeOver,
        Claim::Mine | Claim::Theirs => Next::Await,
    }
}

/// Looks for the parameter among the resources of the stack that has one with its name as
/// physical id.
///
/// # Errors
/// [`Error::ParameterOwnedByStack`]
pub(crate) fn check_owner(name: &str, resources: &[StackResource]) -> Result<(), Error> {
    let is_namesake = |resource: &&StackResource| resource.physical_resource_id() == Some(name);
    // Not a log group, say, of the same name; not one that its stack has let go.
    let is_parameter = |resource: &&StackResource| {
        let status = resource.resource_status();
        let is_gone =
            matches!(status, Some(ResourceStatus::DeleteComplete | ResourceStatus::DeleteSkipped));
        resource.resource_type() == Some("AWS::SSM::Parameter") && !is_gone
    };
    let mut namesakes = resources.iter().filter(is_namesake).peekable();
    let owner = match namesakes.peek() {
        // It is one of those that the list does not reach.
        None if resources.len() >= LISTED => {
            let first = resources.first().and_then(StackResource::stack_name);
            first.map(|stack| (stack, "a resource"))
        }
        _ => namesakes.find(is_parameter).map(|parameter| {
            let stack = parameter.stack_name().unwrap_or_default();
            (stack, parameter.logical_resource_id().unwrap_or_default())
        }),
    };
    match owner {
        Some((stack, resource)) => Err(Error::ParameterOwnedByStack {
            name: name.to_owned(),
            stack: stack.to_owned(),
            resource: resource.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Why the parameter takes no new version, from its history.
#[must_use]
pub(crate) fn versions_full(name: &str, history: &[ParameterHistory]) -> Error {
    let oldest = history.iter().min_by_key(|entry| entry.version());
    Error::ParameterVersionsFull {
        name: name.to_owned(),
        version: oldest.map_or(0, ParameterHistory::version),
        labels: oldest.map(|entry| entry.labels().to_vec()).unwrap_or_default(),
    }
}
