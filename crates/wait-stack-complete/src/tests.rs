//! wait-stack-complete: the table of verdicts, the reason of a failure, and the handler.

mod properties;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Parameter, ResourceStatus, Stack, StackEvent, StackStatus};
use contract::steps::{Change, Progress, WaitInput};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use crate::decide::{End, Verdict, end, reason, verdict};
use crate::handle;

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const TOKEN: &str = "driftless-run-1";

fn changes() -> Vec<Change> {
    vec![Change {
        parameter: "ImageId".into(),
        before: OLD.into(),
        after: NEW.parse().unwrap(),
        via: None,
    }]
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

/// An event that CloudFormation writes of the stack itself.
fn of_stack(token: &str, status: ResourceStatus, reason: &str) -> StackEvent {
    let mut event = event(token, "web", status, reason);
    event.physical_resource_id = Some("arn:web".into());
    event.resource_type = Some("AWS::CloudFormation::Stack".into());
    event
}

fn rollback(token: &str, reason: &str) -> StackEvent {
    of_stack(token, ResourceStatus::UpdateRollbackInProgress, reason)
}

/// The result for each status of the API: with the images in place, and without.
#[test]
fn every_status_of_the_api_is_sorted_on_purpose() {
    use Verdict::{Complete, Gone, InProgress, Settled};
    for name in StackStatus::values() {
        let expected = match *name {
            "UPDATE_COMPLETE" => (Complete, Settled),
            "CREATE_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE"
            | "IMPORT_ROLLBACK_FAILED"
            | "UPDATE_FAILED"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "UPDATE_ROLLBACK_FAILED" => (Settled, Settled),
            "CREATE_IN_PROGRESS"
            | "IMPORT_IN_PROGRESS"
            | "IMPORT_ROLLBACK_IN_PROGRESS"
            | "UPDATE_IN_PROGRESS"
            | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            | "UPDATE_ROLLBACK_IN_PROGRESS"
            | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => (InProgress, InProgress),
            "CREATE_FAILED"
            | "DELETE_COMPLETE"
            | "DELETE_FAILED"
            | "DELETE_IN_PROGRESS"
            | "REVIEW_IN_PROGRESS"
            | "ROLLBACK_COMPLETE"
            | "ROLLBACK_FAILED"
            | "ROLLBACK_IN_PROGRESS" => (Gone, Gone),
            unknown => panic!("{unknown} is a new status; decide what it comes to"),
        };
        let with = |value| verdict(&StackStatus::from(*name), &[image(value)], &changes());
        assert_eq!((with(NEW), with(OLD)), expected, "{name}");
    }
    let new = StackStatus::from("NEW_ONE");
    assert_eq!(verdict(&new, &[image(NEW)], &changes()), Verdict::InProgress);
}

#[test]
fn an_image_behind_an_ssm_parameter_is_in_place_when_the_stack_resolves_to_it() {
    let through = [Change { via: Some("/golden/web".parse().unwrap()), ..changes().remove(0) }];
    let resolved = |value: &str| {
        let parameter = Parameter::builder().parameter_key("ImageId");
        parameter.parameter_value("/golden/web").resolved_value(value).build()
    };
    let complete = StackStatus::UpdateComplete;
    assert_eq!(verdict(&complete, &[resolved(NEW)], &through), Verdict::Complete);
    assert_eq!(verdict(&complete, &[resolved(OLD)], &through), Verdict::Settled);
}

#[test]
fn its_own_events_tell_how_it_ended_whatever_followed() {
    use ResourceStatus as Resource;
    use StackStatus as Status;
    let ours = |status: Resource| of_stack(TOKEN, status, "");
    let failed = |status: &str| End::Failed(status.into());
    let rolled_back = "UPDATE_ROLLBACK_COMPLETE";
    for (stack, newest, expected) in [
        (Status::UpdateRollbackComplete, None, End::Unknown),
        (Status::UpdateComplete, None, End::Unknown),
        (Status::UpdateComplete, Some(ours(Resource::UpdateInProgress)), End::Unknown),
        (Status::UpdateComplete, Some(ours(Resource::UpdateComplete)), End::Complete),
        (Status::UpdateRollbackComplete, Some(ours(Resource::UpdateComplete)), End::Complete),
        (Status::UpdateComplete, Some(ours(Resource::UpdateRollbackComplete)), failed(rolled_back)),
        (Status::UpdateFailed, Some(ours(Resource::UpdateFailed)), failed("UPDATE_FAILED")),
        (
            Status::UpdateRollbackFailed,
            Some(ours(Resource::UpdateRollbackFailed)),
            failed("UPDATE_ROLLBACK_FAILED"),
        ),
        // Cancelled by somebody, whose token the rollback has.
        (
            Status::UpdateRollbackComplete,
            Some(ours(Resource::UpdateInProgress)),
            failed(rolled_back),
        ),
        (Status::UpdateRollbackComplete, Some(CAUSE()), failed(rolled_back)),
    ] {
        let events: Vec<_> = newest.into_iter().collect();
        assert_eq!(end(&stack, &events), expected, "{stack} {events:?}");
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
async fn the_state_before_the_update_is_looked_at_again() {
    for (status, value) in [
        (StackStatus::UpdateRollbackComplete, OLD),
        (StackStatus::UpdateComplete, OLD),
        (StackStatus::CreateComplete, OLD),
    ] {
        // A failure from before this update is not this update's.
        let (describe, events) = (stack_is(status, value), event_pages(&[&[EARLIER]]));
        let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
        assert_eq!(handle(&client, input()).await.unwrap().status, Progress::InProgress);
    }
}

const COMPLETED: fn() -> StackEvent = || of_stack(TOKEN, ResourceStatus::UpdateComplete, "");
const ROLLED_BACK: fn() -> StackEvent =
    || of_stack(TOKEN, ResourceStatus::UpdateRollbackComplete, "");
const ANOTHERS: fn() -> StackEvent = || of_stack("another", ResourceStatus::UpdateComplete, "");

#[tokio::test]
async fn an_update_that_another_has_followed_is_not_waited_for() {
    let describe = stack_is(StackStatus::UpdateComplete, "ami-0000000000000000c");
    let events = event_pages(&[&[ANOTHERS, COMPLETED]]);
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    assert_eq!(handle(&client, input()).await.unwrap().status, Progress::Complete);

    let describe = stack_is(StackStatus::UpdateComplete, OLD);
    let events = event_pages(&[&[ANOTHERS, ROLLED_BACK, CAUSE]]);
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    assert_eq!(
        handle(&client, input()).await.unwrap_err().to_string(),
        "stack web ended in UPDATE_ROLLBACK_COMPLETE: Template (AWS::EC2::LaunchTemplate): no such image"
    );
}

#[tokio::test]
async fn a_deleted_stack_is_not_waited_for() {
    let events = event_pages(&[&[EARLIER]]);
    let describe = stack_is(StackStatus::DeleteInProgress, OLD);
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    let error = handle(&client, input()).await.unwrap_err();
    assert_eq!(error.to_string(), "stack web ended in DELETE_IN_PROGRESS: no reason given");
}
