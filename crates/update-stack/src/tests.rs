//! update-stack: the table of statuses, the merge, and the handler against rules.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ErrorMetadata;
use aws_sdk_cloudformation::operation::describe_stacks::{
    DescribeStacksError, DescribeStacksOutput,
};
use aws_sdk_cloudformation::operation::get_template_summary::GetTemplateSummaryOutput;
use aws_sdk_cloudformation::operation::update_stack::{UpdateStackError, UpdateStackOutput};
use aws_sdk_cloudformation::types::{Capability, Parameter, Stack, StackStatus};
use contract::steps::{Change, UpdateInput, WriteOutcome};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::decide::{Readiness, Sent, client_request_token, merge, readiness};
use crate::handle;

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";

fn change(parameter: &str) -> Change {
    Change { parameter: parameter.into(), before: OLD.into(), after: NEW.parse().unwrap() }
}

fn input() -> UpdateInput {
    UpdateInput {
        stack_name: "web".parse().unwrap(),
        images: vec![change("ImageId")],
        execution: "run_1".into(),
    }
}

fn parameter(key: &str, value: &str) -> Parameter {
    Parameter::builder().parameter_key(key).parameter_value(value).build()
}

fn stack_is(status: StackStatus, image: &'static str) -> Rule {
    mock!(Client::describe_stacks).match_requests(|r| r.stack_name() == Some("web")).then_output(
        move || {
            let stack = Stack::builder()
                .stack_name("web")
                .stack_id("arn:web")
                .stack_status(status.clone())
                .parameters(parameter("ImageId", image))
                .parameters(parameter("Secret", "****"));
            DescribeStacksOutput::builder().stacks(stack.build()).build()
        },
    )
}

fn summary() -> Rule {
    mock!(Client::get_template_summary).then_output(|| {
        GetTemplateSummaryOutput::builder()
            .capabilities(Capability::CapabilityNamedIam)
            .declared_transforms("AWS::Serverless-2016-10-31")
            .build()
    })
}

fn refusal(code: &str, message: &str) -> UpdateStackError {
    UpdateStackError::generic(ErrorMetadata::builder().code(code).message(message).build())
}

#[test]
fn every_status_of_the_api_is_sorted_on_purpose() {
    for name in StackStatus::values() {
        let unknown = Readiness::Stuck("this version of Driftless does not know the status");
        assert_ne!(readiness(&StackStatus::from(*name)), unknown, "{name}");
    }
    assert_eq!(readiness(&StackStatus::UpdateRollbackComplete), Readiness::Ready);
    assert_eq!(readiness(&StackStatus::UpdateInProgress), Readiness::Busy);
    assert!(matches!(readiness(&StackStatus::from("NEW_ONE")), Readiness::Stuck(_)));
}

#[test]
fn only_the_images_are_sent_by_value() {
    let current = [parameter("ImageId", OLD), parameter("Secret", "****")];
    let merged = merge("web", &current, &[change("ImageId")]).unwrap().unwrap();
    assert_eq!(merged["ImageId"], Sent::Value(NEW.into()));
    assert_eq!(merged["Secret"], Sent::Previous);
}

#[test]
fn images_that_are_in_place_make_no_update() {
    let current = [parameter("ImageId", NEW)];
    assert_eq!(merge("web", &current, &[change("ImageId")]).unwrap(), None);
}

#[test]
fn of_two_images_only_the_missing_one_changes() {
    let current = [parameter("A", NEW), parameter("B", OLD)];
    let merged = merge("web", &current, &[change("A"), change("B")]).unwrap().unwrap();
    assert_eq!((&merged["A"], &merged["B"]), (&Sent::Previous, &Sent::Value(NEW.into())));
}

#[test]
fn all_missing_keys_are_named_with_the_known_ones() {
    let error = merge("web", &[parameter("X", "1")], &[change("A"), change("B")]).unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterKeyNotFound);
    assert_eq!(error.to_string(), "stack web has no parameter A, B; its parameters are: X");
}

#[test]
fn a_value_that_nobody_saw_is_a_concurrent_write() {
    let current = [parameter("ImageId", "ami-0000000000000000c")];
    let error = merge("web", &current, &[change("ImageId")]).unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
}

#[test]
fn the_token_is_the_same_for_the_same_update_and_of_the_allowed_form() {
    let token = client_request_token("a_b:c", &[change("ImageId")]);
    assert_eq!(token, "driftless-a-b-c-0000000000000000b");
    let many: Vec<_> = (0..20).map(|_| change("ImageId")).collect();
    assert_eq!(client_request_token(&"x".repeat(200), &many).len(), 128);
}

#[tokio::test]
async fn starts_one_update_of_the_previous_template() {
    let update = mock!(Client::update_stack)
        .match_requests(|request| {
            let secret = request.parameters().iter().find(|p| p.parameter_key() == Some("Secret"));
            request.stack_name() == Some("web")
                && request.use_previous_template() == Some(true)
                && request.client_request_token() == Some("driftless-run-1-0000000000000000b")
                && secret.is_some_and(|p| {
                    p.use_previous_value() == Some(true) && p.parameter_value().is_none()
                })
                && request.capabilities()
                    == [Capability::CapabilityNamedIam, Capability::CapabilityAutoExpand]
                && request.tags.is_none()
                && request.role_arn().is_none()
                && request.notification_arns.is_none()
        })
        .then_output(|| UpdateStackOutput::builder().stack_id("arn:web").build());
    let describe = stack_is(StackStatus::UpdateComplete, OLD);
    let client = mock_client!(aws_sdk_cloudformation, [describe, summary(), update]);
    let started = handle(&client, input()).await.unwrap();
    assert_eq!((started.outcome, started.stack_id.as_str()), (WriteOutcome::Updated, "arn:web"));
    assert_eq!(update.num_calls(), 1);
}

#[tokio::test]
async fn nothing_to_change_sends_nothing_but_the_look() {
    let describe = stack_is(StackStatus::UpdateComplete, NEW);
    let client = mock_client!(aws_sdk_cloudformation, [describe]);
    assert_eq!(handle(&client, input()).await.unwrap().outcome, WriteOutcome::Unchanged);
    assert_eq!(describe.num_calls(), 1);
}

#[tokio::test]
async fn a_status_that_forbids_it_is_named_before_anything_is_sent() {
    for (status, name) in [
        (StackStatus::UpdateInProgress, ErrorName::StackBusy),
        (StackStatus::UpdateRollbackFailed, ErrorName::StackNotUpdatable),
    ] {
        let client = mock_client!(aws_sdk_cloudformation, [stack_is(status, OLD)]);
        assert_eq!(handle(&client, input()).await.unwrap_err().name(), name);
    }
}

#[tokio::test]
async fn what_update_stack_answers_is_told_apart() {
    let arn = "arn:aws:cloudformation:eu-west-1:111122223333:stack/web/1";
    let busy = format!("Stack:{arn} is in UPDATE_IN_PROGRESS state and can not be updated.");
    for (code, message, expected) in [
        ("ValidationError", busy.as_str(), Err(ErrorName::StackBusy)),
        ("ValidationError", "No updates are to be performed.", Ok(WriteOutcome::Unchanged)),
        ("TokenAlreadyExistsException", "", Ok(WriteOutcome::Updated)),
        ("AccessDenied", "not authorized", Err(ErrorName::AccessDenied)),
        ("ValidationError", "something else", Err(ErrorName::UnexpectedAnswer)),
    ] {
        let (code, text) = (code.to_owned(), message.to_owned());
        let update = mock!(Client::update_stack).then_error(move || refusal(&code, &text));
        let describe = stack_is(StackStatus::UpdateComplete, OLD);
        let client = mock_client!(aws_sdk_cloudformation, [describe, summary(), update]);
        let outcome = handle(&client, input()).await.map(|u| u.outcome).map_err(|e| e.name());
        assert_eq!(outcome, expected, "{message}");
    }
}

#[tokio::test]
async fn an_unknown_stack_is_named() {
    let describe = mock!(Client::describe_stacks).then_error(|| {
        let meta = ErrorMetadata::builder().code("ValidationError");
        DescribeStacksError::generic(meta.message("Stack with id web does not exist").build())
    });
    let client = mock_client!(aws_sdk_cloudformation, [describe]);
    assert_eq!(handle(&client, input()).await.unwrap_err().name(), ErrorName::StackNotFound);
}
