//! update-stack owns the write of pattern 2: one stack update, of the previous template, with
//! nothing but the image parameters changed.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, Parameter, Stack};
use contract::steps::{StackUpdate, UpdateInput, WriteOutcome};
use step::{AwsError, texts};

use crate::decide::{Readiness, Sent};
pub use crate::error::Error;

/// Reads, compares, and starts an update if need be. The state machine waits for its end.
///
/// # Errors
/// See [`Error`].
pub async fn handle(cloudformation: &Client, input: UpdateInput) -> Result<StackUpdate, Error> {
    let name = input.stack_name.as_str();
    let stack = describe(cloudformation, name).await?;
    let stack_id = stack.stack_id().unwrap_or(name).to_owned();
    let client_request_token = decide::client_request_token(&input.execution, &input.images);
    let answer = |outcome| StackUpdate { outcome, stack_id, client_request_token };

    if let Some(status) = stack.stack_status() {
        let status_text = status.as_str().to_owned();
        let stack = name.to_owned();
        match decide::readiness(status) {
            Readiness::Ready => {}
            Readiness::Busy => return Err(Error::StackBusy { stack, status: status_text }),
            Readiness::Stuck(remedy) => {
                return Err(Error::StackNotUpdatable { stack, status: status_text, remedy });
            }
        }
    }
    let Some(parameters) = decide::merge(name, stack.parameters(), &input.images)? else {
        return Ok(answer(WriteOutcome::Unchanged));
    };
    let capabilities = capabilities(cloudformation, name).await?;
    let answer = answer(WriteOutcome::Updated);
    let token = &answer.client_request_token;
    let started = update(cloudformation, name, token, parameters, capabilities).await?;
    let outcome = if started { WriteOutcome::Updated } else { WriteOutcome::Unchanged };
    tracing::info!(stack = name, token, ?outcome);
    Ok(StackUpdate { outcome, ..answer })
}

async fn describe(cloudformation: &Client, name: &str) -> Result<Stack, Error> {
    let answer = cloudformation.describe_stacks().stack_name(name).send().await;
    let stacks = match answer.map_err(|e| AwsError::new("cloudformation:DescribeStacks", e)) {
        Ok(answer) => answer.stacks.unwrap_or_default(),
        Err(error) if texts::is_stack_missing(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    stacks.into_iter().next().ok_or_else(|| Error::StackNotFound(name.to_owned()))
}

/// The capabilities that the stack's template asks for now.
async fn capabilities(cloudformation: &Client, name: &str) -> Result<Vec<Capability>, AwsError> {
    let answer = cloudformation.get_template_summary().stack_name(name).send().await;
    let summary = answer.map_err(|e| AwsError::new("cloudformation:GetTemplateSummary", e))?;
    let mut capabilities = summary.capabilities.unwrap_or_default();
    // A template with a transform (SAM, an include) is expanded anew on every update.
    if summary.declared_transforms.is_some_and(|transforms| !transforms.is_empty()) {
        capabilities.push(Capability::CapabilityAutoExpand);
    }
    Ok(capabilities)
}

/// Whether an update runs now because of this call or of an earlier one with the same token.
///
/// Everything that is not named stays as it is: tags, the service role, notification ARNs, the
/// stack policy, rollback triggers (`UpdateStack`).
async fn update(
    cloudformation: &Client,
    name: &str,
    token: &str,
    parameters: BTreeMap<String, Sent>,
    capabilities: Vec<Capability>,
) -> Result<bool, Error> {
    let parameters = parameters.into_iter().map(|(key, sent)| to_parameter(key, &sent)).collect();
    let answer = cloudformation
        .update_stack()
        .stack_name(name)
        .use_previous_template(true)
        .set_parameters(Some(parameters))
        .set_capabilities(Some(capabilities).filter(|list| !list.is_empty()))
        .client_request_token(token)
        .send()
        .await;
    match answer.map_err(|e| AwsError::new("cloudformation:UpdateStack", e)) {
        Ok(_) => Ok(true),
        // The answer to an earlier call was lost: its update is ours.
        Err(error) if error.has_code("TokenAlreadyExistsException") => Ok(true),
        Err(error) if texts::is_no_update(&error) => Ok(false),
        Err(error) => Err(match texts::stack_state_in_refusal(&error) {
            // It was ready a moment ago: another update won.
            Some(state) => Error::StackBusy { stack: name.to_owned(), status: state.to_owned() },
            None => error.into(),
        }),
    }
}

fn to_parameter(key: String, sent: &Sent) -> Parameter {
    let parameter = Parameter::builder().parameter_key(key);
    match sent {
        Sent::Value(value) => parameter.parameter_value(value).build(),
        Sent::Previous => parameter.use_previous_value(true).build(),
    }
}
