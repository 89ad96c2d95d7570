//! What promote-ssm decides, without a call.

use contract::steps::PromoteInput;

use crate::Error;

/// How the parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The image is there.
    InPlace,
    /// The value is the one that the decision was based on: replace it.
    Put,
    /// It was replaced already, which does not show yet: look again later.
    Await,
}

/// Compares the value in place with what the decision saw and chose. `written` tells that the
/// value was written since, so that no second write makes a second version.
///
/// # Errors
/// [`Error::ConcurrentWrite`] when somebody else wrote in between. Whether that value is newer
/// is for validate-ami to say, so the decision is made again.
pub fn action(input: &PromoteInput, written: bool, current: &str) -> Result<Action, Error> {
    if current == input.after.as_str() {
        Ok(Action::InPlace)
    } else if current != input.before {
        Err(Error::ConcurrentWrite {
            name: input.parameter_name.to_string(),
            seen: input.before.clone(),
            current: current.to_owned(),
        })
    } else if written {
        Ok(Action::Await)
    } else {
        Ok(Action::Put)
    }
}
