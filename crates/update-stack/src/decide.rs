//! What update-stack decides, without a call: whether the stack can be updated, what of it
//! changes, and how the parameters are sent.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{Parameter, StackStatus};
use contract::steps::Change;

use crate::Error;

/// Whether an update can start from a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// Later.
    Busy,
    /// Not before a person has done this.
    Stuck(&'static str),
}

/// Sorts every status of the API (`DescribeStacks`, StackStatus).
#[must_use]
pub fn readiness(status: &StackStatus) -> Readiness {
    use Readiness::{Busy, Ready, Stuck};
    match status {
        StackStatus::CreateComplete
        | StackStatus::UpdateComplete
        | StackStatus::UpdateRollbackComplete
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackComplete => Ready,
        StackStatus::CreateInProgress
        | StackStatus::UpdateInProgress
        | StackStatus::UpdateCompleteCleanupInProgress
        | StackStatus::UpdateRollbackInProgress
        | StackStatus::UpdateRollbackCompleteCleanupInProgress
        | StackStatus::ImportInProgress
        | StackStatus::ImportRollbackInProgress => Busy,
        StackStatus::ReviewInProgress => Stuck("execute or delete the change set that created it"),
        StackStatus::UpdateRollbackFailed => Stuck("continue its update rollback"),
        StackStatus::UpdateFailed => Stuck("roll it back or update it by hand"),
        StackStatus::ImportRollbackFailed => Stuck("repair the import by hand"),
        StackStatus::CreateFailed
        | StackStatus::RollbackComplete
        | StackStatus::RollbackFailed
        | StackStatus::RollbackInProgress => Stuck("its creation failed: delete and create it"),
        StackStatus::DeleteInProgress | StackStatus::DeleteComplete | StackStatus::DeleteFailed => {
            Stuck("it is deleted, or was meant to be")
        }
        _ => Stuck("this version of Driftless does not know the status"),
    }
}

/// How one parameter is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// With this value.
    Value(String),
    /// As `UsePreviousValue`. Never by value: a NoEcho parameter reads as `****`.
    Previous,
}

/// Merges the changes into the stack's parameters: the changed ones by value, all others as
/// they were. `None` when every image is in place already.
///
/// # Errors
/// [`Error::ParameterKeyNotFound`] names every change that has no parameter;
/// [`Error::ConcurrentWrite`] the first one that somebody else has changed in between.
pub fn merge(
    stack: &str,
    current: &[Parameter],
    changes: &[Change],
) -> Result<Option<BTreeMap<String, Sent>>, Error> {
    let mut merged: BTreeMap<String, Sent> = current
        .iter()
        .filter_map(|parameter| Some((parameter.parameter_key()?.to_owned(), Sent::Previous)))
        .collect();
    let missing: Vec<String> = changes
        .iter()
        .map(|change| change.parameter.clone())
        .filter(|key| !merged.contains_key(key))
        .collect();
    if !missing.is_empty() {
        let known = merged.into_keys().collect();
        return Err(Error::ParameterKeyNotFound { stack: stack.to_owned(), missing, known });
    }
    for change in changes {
        let value = value_of(current, &change.parameter);
        if value == change.after.as_str() {
            continue;
        }
        if value != change.before {
            return Err(Error::ConcurrentWrite {
                stack: stack.to_owned(),
                parameter: change.parameter.clone(),
                seen: change.before.clone(),
                current: value.to_owned(),
            });
        }
        merged.insert(change.parameter.clone(), Sent::Value(change.after.to_string()));
    }
    let changes_something = merged.values().any(|sent| matches!(sent, Sent::Value(_)));
    Ok(changes_something.then_some(merged))
}

fn value_of<'a>(parameters: &'a [Parameter], key: &str) -> &'a str {
    let parameter = parameters.iter().find(|p| p.parameter_key() == Some(key));
    parameter.and_then(Parameter::parameter_value).unwrap_or_default()
}

/// The token that marks the events of one execution's update: the same for a repeated call, so
/// that CloudFormation recognises it, and another for other images. It allows letters, digits
/// and hyphens, at most 128 (`UpdateStack`, ClientRequestToken).
#[must_use]
pub fn client_request_token(execution: &str, changes: &[Change]) -> String {
    let images = changes.iter().map(|change| change.after.as_str().trim_start_matches("ami-"));
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = execution.chars().map(allowed).take(80).collect();
    let images = images.collect::<Vec<_>>().join("-");
    format!("driftless-{name}-{images}").chars().take(128).collect()
}
