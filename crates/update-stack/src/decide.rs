//! The decisions of update-stack, without I/O: which update is its own.

use aws_sdk_cloudformation::types::StackEvent;
use contract::steps::Change;

/// The token that marks the events of one decision's update. CloudFormation and this step recognise
/// a repeated call by it.
///
/// It includes the values before: a rollback, or a new decision because of another writer, may
/// choose an image for the second time in one execution.
#[must_use]
pub(crate) fn client_request_token(execution: &str, changes: &[Change]) -> String {
    // The SSM parameter's name is left out: it is the stack's own value.
    let via = |change: &Change| if change.via.is_some() { "via" } else { "" };
    let parts = changes.iter().flat_map(|change| {
        [change.parameter.as_str(), change.before.expose(), change.after.as_str(), via(change)]
    });
    step::token(execution, parts)
}

/// Whether an operation with this token has begun, according to these events.
#[must_use]
pub(crate) fn was_begun(events: &[StackEvent], token: &str) -> bool {
    events.iter().any(|event| event.client_request_token() == Some(token))
}
