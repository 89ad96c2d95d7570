//! wait-stack-complete: the table of verdicts, the reason of a failure, and the handler.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Parameter, ResourceStatus, Stack, StackEvent, StackStatus};
use contract::steps::{Change, Progress, WaitInput};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::decide::{Verdict, first_failure, verdict};
use crate::handle;

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const TOKEN: &str = "driftless-run-1";

fn changes() -> Vec<Change> {
    vec![Change { parameter: "ImageId".into(), before: OLD.into(), after: NEW.parse().unwrap() }]
}

fn image(value: &str) -> Parameter {
    Parameter::builder().parameter_key("ImageId").parameter_value(value).build()
}

fn event(token: &str, resource: &str, status: ResourceStatus, reason: &str) -> StackEvent {
    StackEvent::builder()
        .client_request_token(token)
        .logical_resource_id(resource)
        .resource_type("AWS::EC2::LaunchTemplate")
        .resource_status(status)
        .resource_status_reason(reason)
        .build()
}

#[test]
fn the_status_and_the_images_tell_how_it_stands() {
    for (status, value, expected) in [
        (StackStatus::UpdateInProgress, NEW, Verdict::InProgress),
        (StackStatus::UpdateCompleteCleanupInProgress, NEW, Verdict::InProgress),
        (StackStatus::UpdateRollbackInProgress, OLD, Verdict::InProgress),
        (StackStatus::UpdateComplete, NEW, Verdict::Complete),
        // The state before the update, still shown.
        (StackStatus::UpdateComplete, OLD, Verdict::InProgress),
        (StackStatus::CreateComplete, OLD, Verdict::InProgress),
        (StackStatus::UpdateRollbackComplete, OLD, Verdict::Failed),
        (StackStatus::UpdateRollbackFailed, OLD, Verdict::Failed),
        (StackStatus::UpdateFailed, OLD, Verdict::Failed),
        (StackStatus::DeleteInProgress, OLD, Verdict::Failed),
    ] {
        assert_eq!(verdict(&status, &[image(value)], &changes()), expected, "{status} {value}");
    }
}

#[test]
fn the_reason_is_the_first_failure_of_this_update_that_is_no_consequence() {
    // Newest first.
    let events = [
        event(TOKEN, "Group", ResourceStatus::UpdateFailed, "Resource update cancelled"),
        event(TOKEN, "Template", ResourceStatus::UpdateFailed, "the image does not exist"),
        event(TOKEN, "Template", ResourceStatus::UpdateInProgress, ""),
        event("another", "Old", ResourceStatus::UpdateFailed, "long ago"),
    ];
    assert_eq!(
        first_failure(&events, TOKEN).as_deref(),
        Some("Template (AWS::EC2::LaunchTemplate): the image does not exist")
    );
    assert_eq!(first_failure(&events[..1], TOKEN), None);
}

fn stack_is(status: StackStatus, value: &'static str) -> Rule {
    mock!(Client::describe_stacks)
        .match_requests(|r| r.stack_name() == Some("arn:web"))
        .then_output(move || {
            let stack = Stack::builder().stack_name("web").stack_status(status.clone());
            DescribeStacksOutput::builder().stacks(stack.parameters(image(value)).build()).build()
        })
}

fn input() -> WaitInput {
    WaitInput { stack_id: "arn:web".into(), client_request_token: TOKEN.into(), images: changes() }
}

#[tokio::test]
async fn one_look_is_one_call() {
    let describe = stack_is(StackStatus::UpdateInProgress, NEW);
    let progress = handle(&mock_client!(aws_sdk_cloudformation, [describe]), input()).await;
    assert_eq!(progress.unwrap().status, Progress::InProgress);
    assert_eq!(describe.num_calls(), 1);
}

#[tokio::test]
async fn a_rollback_is_reported_with_its_reason() {
    let events = mock!(Client::describe_stack_events).then_output(|| {
        DescribeStackEventsOutput::builder()
            .stack_events(event(TOKEN, "Template", ResourceStatus::UpdateFailed, "no such image"))
            .build()
    });
    let describe = stack_is(StackStatus::UpdateRollbackComplete, OLD);
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    let error = handle(&client, input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::StackUpdateFailed);
    assert_eq!(
        error.to_string(),
        "stack web ended in UPDATE_ROLLBACK_COMPLETE: Template (AWS::EC2::LaunchTemplate): no such image"
    );
}
