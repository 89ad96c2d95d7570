//! update-stack makes the write of pattern 2: one stack update that keeps the template and changes
//! only the image parameters.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use aws::stacks::{self, Template};
use aws::{AwsError, Called, refusals};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Parameter, StackEvent};
use contract::steps::{StackUpdate, UpdateInput, WriteOutcome};

pub use crate::error::Error;

/// Reads, compares, and starts an update if necessary. The state machine waits for its end.
///
/// An update that this decision has already started counts as started, whatever its result:
/// wait-stack-complete reports how it ended.
///
/// # Errors
/// See [`Error`].
pub async fn handle(cloudformation: &Client, input: UpdateInput) -> Result<StackUpdate, Error> {
    let name = input.stack_name.as_str();
    let stack = stacks::describe(cloudformation, name).await?;
    let stack_id = stack.stack_id().unwrap_or(name).to_owned();
    let client_request_token = decide::client_request_token(&input.execution, &input.images);

    let events = newest_events(cloudformation, &stack_id).await?;
    let outcome = if decide::was_begun(&events, &client_request_token) {
        WriteOutcome::Updated
    } else {
        stacks::check_readiness(&stack)?;
        match stacks::merge(name, stack.parameters(), &input.images)? {
            None => WriteOutcome::Unchanged,
            Some(parameters) => {
                let template = stacks::template(cloudformation, name).await?;
                update(cloudformation, name, &client_request_token, parameters, template).await?
            }
        }
    };
    tracing::info!(
        stack = name,
        client_request_token,
        ?outcome,
        "compared the stack, and updated it if necessary"
    );
    Ok(StackUpdate { outcome, stack_id, client_request_token })
}

/// One page, newest first: it contains every operation that matters now.
async fn newest_events(
    cloudformation: &Client,
    stack_id: &str,
) -> Result<Vec<StackEvent>, AwsError> {
    let answer = cloudformation.describe_stack_events().stack_name(stack_id).send().await;
    let answer = answer.called("cloudformation:DescribeStackEvents")?;
    Ok(answer.stack_events.unwrap_or_default())
}

/// Whether this call, or an earlier one with the same token, has started an update.
///
/// Everything that the request does not name stays unchanged: tags, the service role, notification
/// ARNs, the stack policy, rollback triggers (`UpdateStack`).
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
    match answer.called("cloudformation:UpdateStack") {
        Ok(_) => Ok(WriteOutcome::Updated),
        // The response to an earlier call was lost, and its events are not visible yet.
        Err(error) if error.has_code("TokenAlreadyExistsException") => Ok(WriteOutcome::Updated),
        Err(error) if refusals::is_nothing_to_update(&error) => Ok(WriteOutcome::Unchanged),
        Err(error) => Err(stacks::Error::refused(name, error).into()),
    }
}
