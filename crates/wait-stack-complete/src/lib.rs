//! wait-stack-complete checks whether a stack update has ended, and how. It polls once; the state
//! machine waits.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use aws::{AwsError, Called, stacks};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Stack, StackEvent};
use contract::steps::{Progress, StackProgress, WaitInput};

use crate::decide::{End, Verdict};
pub use crate::error::Error;

/// Polls the stack once.
///
/// # Errors
/// [`Error::StackUpdateFailed`] when the update ended without success.
pub async fn handle(cloudformation: &Client, input: WaitInput) -> Result<StackProgress, Error> {
    let stack = stack(cloudformation, &input.stack_id).await?;
    let status = stack.stack_status().cloned();
    let status = status.ok_or_else(|| Error::StackNotFound(input.stack_id.clone()))?;
    let stack_status = status.as_str().to_owned();
    tracing::info!(stack = input.stack_id, stack_status, "polled the stack");
    let progress = |status| Ok(StackProgress { status, stack_status: stack_status.clone() });
    let verdict = decide::verdict(&status, stack.parameters(), &input.images);
    match verdict {
        Verdict::InProgress => return progress(Progress::InProgress),
        Verdict::Complete => return progress(Progress::Complete),
        Verdict::Settled | Verdict::Gone => {}
    }
    let events = events(cloudformation, &input).await?;
    let ended_in = match decide::end(&status, &events) {
        _ if verdict == Verdict::Gone => stack_status,
        End::Unknown => return progress(Progress::InProgress),
        End::Complete => return progress(Progress::Complete),
        End::Failed(status) => status,
    };
    let reason = decide::reason(&events);
    Err(Error::StackUpdateFailed {
        stack: stack.stack_name().unwrap_or(&input.stack_id).to_owned(),
        status: ended_in,
        reason: reason
            .as_deref()
            .or(stack.stack_status_reason())
            .unwrap_or("no reason given")
            .to_owned(),
    })
}

async fn stack(cloudformation: &Client, stack_id: &str) -> Result<Stack, Error> {
    let stack = stacks::find(cloudformation, stack_id).await?;
    stack.ok_or_else(|| Error::StackNotFound(stack_id.to_owned()))
}

/// The events of this update, newest first. Pages are read until they end.
async fn events(cloudformation: &Client, input: &WaitInput) -> Result<Vec<StackEvent>, AwsError> {
    let request = cloudformation.describe_stack_events().stack_name(&input.stack_id);
    let is_ours =
        |event: &StackEvent| event.client_request_token() == Some(&input.client_request_token);
    let mut pages = request.into_paginator().send();
    let mut ours = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.called("cloudformation:DescribeStackEvents")?;
        let page = page.stack_events.unwrap_or_default();
        let goes_on = page.last().is_some_and(is_ours);
        ours.extend(page.into_iter().filter(is_ours));
        if !goes_on {
            break;
        }
    }
    Ok(ours)
}
