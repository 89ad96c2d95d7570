//! detect-drift owns the first half of the proof: the stacks match their templates. CloudFormation
//! compares everything except a launch template's data (`LaunchTemplateData` is write-only in the
//! resource's schema), so this alone proves nothing: verify-groups owns the other half.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use aws::{AwsError, Called, refusals};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::StackResourceDrift;
use contract::steps::{Detection, DriftInput, DriftReport, Progress, StackDrift};

use crate::decide::Answer;
pub use crate::error::Error;

/// Polls once: starts a detection for each stack that has none yet and polls the running ones.
///
/// # Errors
/// See [`Error`]. Drift is a finding in the answer.
pub async fn handle(client: &Client, input: DriftInput) -> Result<DriftReport, Error> {
    let DriftInput { mut stacks, before } = input;
    for stack in &mut stacks {
        stack.detection = poll(client, stack, &before).await?;
    }
    let is_settled = |stack: &StackDrift| matches!(stack.detection, Detection::Settled { .. });
    if !stacks.iter().all(is_settled) {
        return Ok(DriftReport { status: Progress::InProgress, stacks, finding: None });
    }
    let finding = decide::finding(&stacks);
    tracing::info!(finding = finding.as_ref().map(|finding| finding.name.as_str()));
    Ok(DriftReport { status: Progress::Complete, stacks, finding })
}

async fn poll(
    client: &Client,
    stack: &StackDrift,
    before: &[StackDrift],
) -> Result<Detection, Error> {
    let name = stack.stack_name.as_str();
    let detection_id = match &stack.detection {
        Detection::NotStarted {} => return start(client, name).await,
        Detection::Running { detection_id } => detection_id,
        settled @ Detection::Settled { .. } => return Ok(settled.clone()),
    };
    let request = client.describe_stack_drift_detection_status();
    let answer = request.stack_drift_detection_id(detection_id).send().await;
    let answer = match answer.called("cloudformation:DescribeStackDriftDetectionStatus") {
        Ok(answer) => answer,
        // Others have started so many detections of the stack meanwhile that CloudFormation no
        // longer keeps this one.
        Err(error) if refusals::is_drift_detection_forgotten(&error) => {
            return start(client, name).await;
        }
        Err(error) => return Err(error.into()),
    };
    match decide::answer(&answer) {
        Answer::Running => Ok(stack.detection.clone()),
        // The state machine polls again in a while, within its bound.
        Answer::Throttled => Ok(Detection::NotStarted {}),
        Answer::Failed(reason) => {
            Err(Error::DriftDetectionFailed { stack: name.to_owned(), reason })
        }
        Answer::Ended(status) => {
            let resources = resource_drifts(client, name).await?;
            let before = decide::fingerprints_of(stack, before);
            let settled = decide::settled(status, &resources, &before);
            log(name, &settled);
            Ok(settled)
        }
    }
}

/// Logs no values: they are properties of any resource of the stack.
fn log(stack: &str, detection: &Detection) {
    let Detection::Settled { status, resources_checked, differences, .. } = detection else {
        return;
    };
    let places = differences.rows.iter().map(|one| format!("{}{}", one.logical_id, one.path));
    let (places, more) = (places.collect::<Vec<_>>(), differences.more);
    tracing::info!(stack, %status, resources_checked, ?places, more, "compared the stack");
}

async fn start(client: &Client, stack: &str) -> Result<Detection, Error> {
    let answer = client.detect_stack_drift().stack_name(stack).send().await;
    match answer.called("cloudformation:DetectStackDrift") {
        Ok(answer) => match answer.stack_drift_detection_id {
            Some(detection_id) => Ok(Detection::Running { detection_id }),
            None => Err(Error::DriftDetectionFailed {
                stack: stack.to_owned(),
                reason: "CloudFormation gave no detection id".to_owned(),
            }),
        },
        Err(error)
            if refusals::is_drift_detection_running(&error)
                || refusals::is_stack_changing(&error) =>
        {
            Err(Error::DriftDetectionBusy { stack: stack.to_owned(), reason: error.to_string() })
        }
        Err(error) if refusals::is_stack_missing(&error) => {
            Err(Error::StackNotFound(stack.to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

async fn resource_drifts(
    client: &Client,
    stack: &str,
) -> Result<Vec<StackResourceDrift>, AwsError> {
    let mut found = Vec::new();
    let mut next_token = None;
    // The SDK has no paginator for this call.
    loop {
        let request = client.describe_stack_resource_drifts().stack_name(stack);
        let answer = request.set_next_token(next_token).send().await;
        let answer = answer.called("cloudformation:DescribeStackResourceDrifts")?;
        found.extend(answer.stack_resource_drifts.unwrap_or_default());
        next_token = answer.next_token;
        if next_token.is_none() {
            return Ok(found);
        }
    }
}
