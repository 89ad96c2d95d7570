//! What update-stack decides, without a call: which update is its own.

use std::hash::Hasher;

use aws_sdk_cloudformation::types::StackEvent;
use contract::steps::Change;
use fnv::FnvHasher;

/// How much of the execution's name the token repeats, for people; a name has no more
/// (`StartExecution`, name).
const LONGEST_NAME: usize = 80;

/// The token that marks the events of one decision's update: the same for a repeated call, so
/// that both we and CloudFormation recognise it, and another for another decision. It allows
/// letters, digits and hyphens, at most 128 (`UpdateStack`, ClientRequestToken), which is less
/// than many images take: so they are hashed, by a hash that is the same in every process.
///
/// The values before belong to it: the way back, or a decision that is made again because of
/// another writer, may choose an image for the second time in one execution.
#[must_use]
pub fn client_request_token(execution: &str, changes: &[Change]) -> String {
    let mut hasher = FnvHasher::default();
    let mut add = |text: &str| {
        hasher.write(text.as_bytes());
        // No text holds it: "ab" and "c" are not "a" and "bc".
        hasher.write(&[0xff]);
    };
    add(execution);
    for change in changes {
        add(&change.parameter);
        add(&change.before);
        add(change.after.as_str());
        add(if change.through { "through" } else { "" });
    }
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = execution.chars().map(allowed).take(LONGEST_NAME).collect();
    format!("driftless-{name}-{:016x}", hasher.finish())
}

/// Whether an operation with this token was begun, as far as these events tell.
#[must_use]
pub fn was_begun(events: &[StackEvent], token: &str) -> bool {
    events.iter().any(|event| event.client_request_token() == Some(token))
}
