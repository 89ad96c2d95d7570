//! wait-stack-complete: the table of verdicts, the reason of a failure, and the handler.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Parameter, ResourceStatus, Stack, StackEvent, StackStatus};
use contract::steps::{Change, Progress, WaitInput};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::decide::{Verdict, reason, verdict};
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
        .stack_id("arn:web")
        .logical_resource_id(resource)
        .physical_resource_id("lt-1")
        .resource_type("AWS::EC2::LaunchTemplate")
        .resource_status(status)
        .resource_status_reason(reason)
        .build()
}

/// The event that CloudFormation writes of the stack itself.
fn rollback(token: &str, reason: &str) -> StackEvent {
    StackEvent::builder()
        .client_request_token(token)
        .stack_id("arn:web")
        .logical_resource_id("web")
        .physical_resource_id("arn:web")
        .resource_type("AWS::CloudFormation::Stack")
        .resource_status(ResourceStatus::UpdateRollbackInProgress)
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
        (StackStatus::DeleteInProgress, OLD, Verdict::Deleted),
    ] {
        assert_eq!(verdict(&status, &[image(value)], &changes()), expected, "{status} {value}");
    }
}

#[test]
fn the_reason_is_the_first_failure_that_is_no_consequence() {
    // Newest first.
    let events = [
        rollback(TOKEN, "The following resource(s) failed to update: [Template, Group]."),
        event(TOKEN, "Group", ResourceStatus::UpdateFailed, "Resource update cancelled"),
        event(TOKEN, "Template", ResourceStatus::UpdateFailed, "the image does not exist"),
        event(TOKEN, "Template", ResourceStatus::UpdateInProgress, ""),
    ];
    assert_eq!(
        reason(&events).as_deref(),
        Some("Template (AWS::EC2::LaunchTemplate): the image does not exist")
    );
    assert_eq!(reason(&events[1..2]), None);
}

#[test]
fn without_a_failed_resource_the_stack_itself_has_the_reason() {
    let mut nested = rollback(TOKEN, "of a nested stack");
    nested.physical_resource_id = Some("arn:nested".into());
    let events = [nested, rollback(TOKEN, "Parameter validation failed: no such AMI")];
    assert_eq!(reason(&events).as_deref(), Some("Parameter validation failed: no such AMI"));
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

/// One page of events for each list, newest first.
fn event_pages(pages: &'static [&'static [fn() -> StackEvent]]) -> Rule {
    let page = |index: usize| {
        let next = (index + 1 < pages.len()).then(|| format!("page {}", index + 1));
        let events = pages[index].iter().map(|event| event()).collect();
        DescribeStackEventsOutput::builder().set_stack_events(Some(events)).set_next_token(next)
    };
    mock!(Client::describe_stack_events)
        .match_requests(|r| r.stack_name() == Some("arn:web"))
        .then_compute_output(move |request| {
            let index =
                request.next_token().map_or(0, |token| token["page ".len()..].parse().unwrap());
            page(index).build()
        })
}

const CAUSE: fn() -> StackEvent =
    || event(TOKEN, "Template", ResourceStatus::UpdateFailed, "no such image");
const CONSEQUENCE: fn() -> StackEvent =
    || event(TOKEN, "Group", ResourceStatus::UpdateFailed, "Resource update cancelled");
const EARLIER: fn() -> StackEvent =
    || event("another", "Old", ResourceStatus::UpdateFailed, "long ago");

#[tokio::test]
async fn a_rollback_is_reported_with_its_reason() {
    // The cause is on the second page, and the third is history.
    let events = event_pages(&[&[CONSEQUENCE], &[CAUSE, EARLIER], &[EARLIER]]);
    let describe = stack_is(StackStatus::UpdateRollbackComplete, OLD);
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    let error = handle(&client, input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::StackUpdateFailed);
    assert_eq!(
        error.to_string(),
        "stack web ended in UPDATE_ROLLBACK_COMPLETE: Template (AWS::EC2::LaunchTemplate): no such image"
    );
    assert_eq!(events.num_calls(), 2);
}

#[tokio::test]
async fn a_failure_from_before_this_update_is_not_this_updates() {
    let events = event_pages(&[&[EARLIER]]);
    let describe = stack_is(StackStatus::UpdateRollbackComplete, OLD);
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    assert_eq!(handle(&client, input()).await.unwrap().status, Progress::InProgress);
}

#[tokio::test]
async fn a_deleted_stack_is_not_waited_for() {
    let events = event_pages(&[&[EARLIER]]);
    let describe = stack_is(StackStatus::DeleteInProgress, OLD);
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    let error = handle(&client, input()).await.unwrap_err();
    assert_eq!(error.to_string(), "stack web ended in DELETE_IN_PROGRESS: no reason given");
}
