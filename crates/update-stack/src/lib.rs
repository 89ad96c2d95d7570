//! update-stack owns the write of pattern 2: one stack update, of the template as it is, with
//! nothing but the image parameters changed.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Parameter, Stack, StackEvent};
use contract::steps::{StackUpdate, UpdateInput, WriteOutcome};
use step::stack::{self, Readiness, Template};
use step::{AwsError, texts};

pub use crate::error::Error;

/// Reads, compares, and starts an update if need be. The state machine waits for its end.
///
/// An update of this decision that has been started already is answered as started, whatever has
/// become of it: how it ends is for wait-stack-complete to say.
///
/// # Errors
/// See [`Error`].
pub async fn handle(cloudformation: &Client, input: UpdateInput) -> Result<StackUpdate, Error> {
    let name = input.stack_name.as_str();
    let stack = stack::describe(cloudformation, name).await?;
    let stack_id = stack.stack_id().unwrap_or(name).to_owned();
    let client_request_token = decide::client_request_token(&input.execution, &input.images);

    let events = newest_events(cloudformation, &stack_id).await?;
    let outcome = if decide::was_begun(&events, &client_request_token) {
        WriteOutcome::Updated
    } else {
        check_readiness(name, &stack)?;
        match stack::merge(name, stack.parameters(), &input.images)? {
            None => WriteOutcome::Unchanged,
            Some(parameters) => {
                let template = stack::template(cloudformation, name).await?;
                update(cloudformation, name, &client_request_token, parameters, template).await?
            }
        }
    };
    tracing::info!(stack = name, client_request_token, ?outcome);
    Ok(StackUpdate { outcome, stack_id, client_request_token })
}

/// One page, newest first: an operation that matters now is on it.
async fn newest_events(
    cloudformation: &Client,
    stack_id: &str,
) -> Result<Vec<StackEvent>, AwsError> {
    let answer = cloudformation.describe_stack_events().stack_name(stack_id).send().await;
    let answer = answer.map_err(|e| AwsError::new("cloudformation:DescribeStackEvents", e))?;
    Ok(answer.stack_events.unwrap_or_default())
}

fn check_readiness(name: &str, stack: &Stack) -> Result<(), Error> {
    let Some(status) = stack.stack_status() else { return Ok(()) };
    let (stack, status_text) = (name.to_owned(), status.as_str().to_owned());
    match stack::readiness(status) {
        Readiness::Ready => Ok(()),
        Readiness::Busy => Err(Error::StackBusy { stack, status: status_text }),
        Readiness::Stuck(remedy) => {
            Err(Error::StackNotUpdatable { stack, status: status_text, remedy })
        }
    }
}

/// Whether an update runs now because of this call or of an earlier one with the same token.
///
/// Everything that is not named stays as it is: tags, the service role, notification ARNs, the
/// stack policy, rollback triggers (`UpdateStack`).
async fn update(
    cloudformation: &Client,
    name: &str,
    token: &str,
    parameters: Vec<Parameter>,
    template: Template,
) -> Result<WriteOutcome, Error> {
    let answer = cloudformation
        .update_stack()
        .stack_name(name)
        .set_use_previous_template(template.body.is_none().then_some(true))
        .set_template_body(template.body)
        .set_parameters(Some(parameters))
        .set_capabilities(Some(template.capabilities).filter(|list| !list.is_empty()))
        .client_request_token(token)
        .send()
        .await;
    match answer.map_err(|e| AwsError::new("cloudformation:UpdateStack", e)) {
        Ok(_) => Ok(WriteOutcome::Updated),
        // The answer to an earlier call was lost, and its events do not show yet.
        Err(error) if error.has_code("TokenAlreadyExistsException") => Ok(WriteOutcome::Updated),
        Err(error) if texts::is_no_update(&error) => Ok(WriteOutcome::Unchanged),
        Err(error) => Err(match texts::stack_state_in_refusal(&error) {
            // It was ready a moment ago: another update won, or an earlier call did, whose
            // events the next look finds.
            Some(state) => Error::StackBusy { stack: name.to_owned(), status: state.to_owned() },
            None => error.into(),
        }),
    }
}
