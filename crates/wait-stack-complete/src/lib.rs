//! wait-stack-complete owns the question "has this stack update ended, and how?". It looks once;
//! the state machine waits.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::Stack;
use contract::steps::{Progress, StackProgress, WaitInput};
use step::AwsError;

use crate::decide::Verdict;
pub use crate::error::Error;

/// Looks once at the stack.
///
/// # Errors
/// [`Error::StackUpdateFailed`] when the update ended without success.
pub async fn handle(cloudformation: &Client, input: WaitInput) -> Result<StackProgress, Error> {
    let stack = stack(cloudformation, &input.stack_id).await?;
    let status = stack.stack_status().cloned().ok_or_else(|| no_status(&input.stack_id))?;
    let stack_status = status.as_str().to_owned();
    tracing::info!(stack = input.stack_id, stack_status);
    match decide::verdict(&status, stack.parameters(), &input.images) {
        Verdict::InProgress => Ok(StackProgress { status: Progress::InProgress, stack_status }),
        Verdict::Complete => Ok(StackProgress { status: Progress::Complete, stack_status }),
        Verdict::Failed => {
            let reason = match failure(cloudformation, &input).await? {
                Some(reason) => reason,
                None => stack.stack_status_reason().unwrap_or("no reason given").to_owned(),
            };
            let name = stack.stack_name().unwrap_or(&input.stack_id).to_owned();
            Err(Error::StackUpdateFailed { stack: name, status: stack_status, reason })
        }
    }
}

async fn stack(cloudformation: &Client, stack_id: &str) -> Result<Stack, Error> {
    let answer = cloudformation.describe_stacks().stack_name(stack_id).send().await;
    let stacks = match answer.map_err(|e| AwsError::new("cloudformation:DescribeStacks", e)) {
        Ok(answer) => answer.stacks.unwrap_or_default(),
        Err(error) if step::texts::is_stack_missing(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    stacks.into_iter().next().ok_or_else(|| Error::StackNotFound(stack_id.to_owned()))
}

fn no_status(stack_id: &str) -> Error {
    Error::StackNotFound(stack_id.to_owned())
}

/// The reason among the events of this update. They come newest first; pages are read until the
/// events of this update end.
async fn failure(cloudformation: &Client, input: &WaitInput) -> Result<Option<String>, AwsError> {
    let request = cloudformation.describe_stack_events().stack_name(&input.stack_id);
    let mut pages = request.into_paginator().send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::new("cloudformation:DescribeStackEvents", e))?;
        let page = page.stack_events.unwrap_or_default();
        let token = Some(input.client_request_token.as_str());
        let is_last = page.last().is_some_and(|event| event.client_request_token() != token);
        events.extend(page);
        if is_last {
            break;
        }
    }
    Ok(decide::first_failure(&events, &input.client_request_token))
}
