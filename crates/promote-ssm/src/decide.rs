//! What promote-ssm decides, without a call.

use contract::steps::PromoteInput;

use crate::Error;

/// What is to be done with the parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The image is there already.
    Unchanged,
    /// The value is the one that the decision was based on: replace it.
    Put,
}

/// Compares the value in place with what the decision saw and chose.
///
/// # Errors
/// [`Error::ConcurrentWrite`] when somebody else wrote in between. Whether that value is newer
/// is for validate-ami to say, so the decision is made again.
pub fn action(input: &PromoteInput, current: &str) -> Result<Action, Error> {
    if current == input.after.as_str() {
        Ok(Action::Unchanged)
    } else if current == input.before {
        Ok(Action::Put)
    } else {
        Err(Error::ConcurrentWrite {
            name: input.parameter_name.to_string(),
            seen: input.before.clone(),
            current: current.to_owned(),
        })
    }
}
