//! The decisions of promote-ssm, without I/O, except when to write: that is in `rule`.

use aws::stacks;
use aws_sdk_cloudformation::types::StackResource;
use aws_sdk_ssm::types::ParameterHistory;
use contract::placed::PlacedValue;
use contract::steps::ParameterWrite;
use step::InvalidInput;

use crate::Error;

/// The writes, without duplicates: two of a stack's parameters may name the same SSM parameter.
///
/// # Errors
/// [`InvalidInput`] if one parameter would get two images.
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

/// The token of a write, by which a repeated call recognises its own write. As for a stack update,
/// it includes the value before: a rollback may choose an image for the second time.
#[must_use]
pub(crate) fn token(execution: &str, write: &ParameterWrite) -> String {
    step::token(
        execution,
        [write.parameter_name.as_str(), write.before.expose(), write.after.as_str()],
    )
}

/// Another writer wrote after the decision: the parameter has this value now.
#[must_use]
pub(crate) fn changed(write: &ParameterWrite, current: &str) -> Error {
    Error::Changed {
        name: write.parameter_name.to_string(),
        seen: write.before.to_string(),
        current: PlacedValue::from(current).to_string(),
    }
}

/// Refuses a parameter that is one of these resources, which belong to one stack.
///
/// # Errors
/// [`Error::ParameterOwnedByStack`]
pub(crate) fn check_owner(name: &str, resources: &[StackResource]) -> Result<(), Error> {
    match stacks::owner(name, resources) {
        Some((stack, resource)) => Err(Error::ParameterOwnedByStack {
            name: name.to_owned(),
            stack: stack.to_owned(),
            resource: resource.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Why the parameter accepts no new version, according to its history.
#[must_use]
pub(crate) fn versions_full(name: &str, history: &[ParameterHistory]) -> Error {
    let oldest = history.iter().min_by_key(|entry| entry.version());
    Error::ParameterVersionsFull {
        name: name.to_owned(),
        version: oldest.map_or(0, ParameterHistory::version),
        labels: oldest.map(|entry| entry.labels().to_vec()).unwrap_or_default(),
    }
}
