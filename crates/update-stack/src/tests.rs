//! update-stack: the token, and the handler against rules.

mod properties;

use aws::stacks;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ErrorMetadata;
use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use aws_sdk_cloudformation::operation::describe_stacks::{
    DescribeStacksError, DescribeStacksOutput,
};
use aws_sdk_cloudformation::operation::get_template::GetTemplateOutput;
use aws_sdk_cloudformation::operation::get_template_summary::GetTemplateSummaryOutput;
use aws_sdk_cloudformation::operation::update_stack::{UpdateStackError, UpdateStackOutput};
use aws_sdk_cloudformation::types::{
    Capability, Parameter, Stack, StackEvent, StackStatus, TemplateStage,
};
use contract::steps::{Change, UpdateInput, WriteOutcome};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use crate::decide::client_request_token;
use crate::handle;

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";

fn change(parameter: &str) -> Change {
    Change {
        parameter: parameter.into(),
        before: OLD.into(),
        after: NEW.parse().unwrap(),
        via: None,
    }
}

fn input() -> UpdateInput {
    UpdateInput {
        stack_name: "web".parse().unwrap(),
        images: vec![change("ImageId")],
        execution: "run_1".into(),
    }
}

fn token() -> String {
    client_request_token("run_1", &[change("ImageId")])
}

fn parameter(key: &str, value: &str) -> Parameter {
    Parameter::builder().parameter_key(key).parameter_value(value).build()
}

fn describes(stack: impl Fn() -> Stack + Send + Sync + 'static) -> Rule {
    mock!(Client::describe_stacks)
        .match_requests(|r| r.stack_name() == Some("web"))
        .then_output(move || DescribeStacksOutput::builder().stacks(stack()).build())
}

fn stack_is(status: StackStatus, image: &'static str) -> Rule {
    describes(move || {
        let stack = Stack::builder().stack_name("web").stack_id("arn:web");
        let stack = stack.stack_status(status.clone()).parameters(parameter("ImageId", image));
        stack.parameters(parameter("Secret", "****")).build()
    })
}

/// The newest page has another operation's event and, where there is one, this token's.
fn events(token: Option<String>) -> Rule {
    mock!(Client::describe_stack_events)
        .match_requests(|r| r.stack_name() == Some("arn:web") && r.next_token().is_none())
        .then_output(move || {
            let event = |token: Option<String>| {
                StackEvent::builder().stack_id("arn:web").set_client_request_token(token).build()
            };
            DescribeStackEventsOutput::builder()
                .stack_events(event(Some("another".into())))
                .stack_events(event(token.clone()))
                .next_token("history")
                .build()
        })
}

fn no_events_of_ours() -> Rule {
    events(None)
}

fn summary(transform: Option<&'static str>) -> Rule {
    mock!(Client::get_template_summary)
        .match_requests(|r| r.stack_name() == Some("web"))
        .then_output(move || {
            let transforms = transform.map(|name| vec![name.to_owned()]);
            GetTemplateSummaryOutput::builder()
                .capabilities(Capability::CapabilityNamedIam)
                .set_declared_transforms(transforms)
                .build()
        })
}

fn template_is(body: String) -> Rule {
    mock!(Client::get_template)
        .match_requests(|request| {
            request.stack_name() == Some("web")
                && request.template_stage() == Some(&TemplateStage::Original)
        })
        .then_output(move || GetTemplateOutput::builder().template_body(&body).build())
}

fn accepts_the_update() -> Rule {
    mock!(Client::update_stack)
        .then_output(|| UpdateStackOutput::builder().stack_id("arn:web").build())
}

fn refusal(code: &str, message: &str) -> UpdateStackError {
    UpdateStackError::generic(ErrorMetadata::builder().code(code).message(message).build())
}

#[test]
fn the_token_is_the_same_in_every_process_and_of_the_allowed_form() {
    assert_eq!(token(), "driftless-run-1-e5bb1e6004a42556");
    let many: Vec<_> = (0..20).map(|index| change(&format!("ImageId{index}"))).collect();
    let token = client_request_token(&"x:_".repeat(100), &many);
    assert!(token.len() <= 128, "{token}");
    assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{token}");
}

#[test]
fn another_decision_has_another_token() {
    let image = |index: usize| format!("ami-{index:017x}").parse().unwrap();
    let ten = |last: usize| -> Vec<Change> {
        let indices = (0..9).chain([last]);
        indices.map(|i| Change { after: image(i), ..change(&format!("ImageId{i}")) }).collect()
    };
    let way_back = Change { before: NEW.into(), after: OLD.parse().unwrap(), ..change("ImageId") };
    let tokens = [
        token(),
        client_request_token("run:1", &[change("ImageId")]),
        client_request_token("run_2", &[change("ImageId")]),
        client_request_token("run_1", &[change("ImageIdOfB")]),
        client_request_token(
            "run_1",
            &[Change { via: Some("/golden/web".parse().unwrap()), ..change("ImageId") }],
        ),
        client_request_token("run_1", &[Change { after: image(1), ..change("ImageId") }]),
        // The same image again, over a value that somebody else has put in between.
        client_request_token("run_1", &[Change { before: "ami-1".into(), ..change("ImageId") }]),
        client_request_token("run_1", &[way_back]),
        client_request_token("run_1", &[change("ImageId"), change("ImageIdOfB")]),
        client_request_token("run_1", &ten(10)),
        client_request_token("run_1", &ten(11)),
    ];
    let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
    assert_eq!(distinct.len(), tokens.len(), "{tokens:?}");
}

#[tokio::test]
async fn starts_one_update_of_the_previous_template() {
    let update = mock!(Client::update_stack)
        .match_requests(|request| {
            let secret = request.parameters().iter().find(|p| p.parameter_key() == Some("Secret"));
            let image = request.parameters().iter().find(|p| p.parameter_key() == Some("ImageId"));
            request.stack_name() == Some("web")
                && request.use_previous_template() == Some(true)
                && request.template_body().is_none()
                && request.client_request_token() == Some(&token())
                && image.is_some_and(|p| p.parameter_value() == Some(NEW))
                && secret.is_some_and(|p| {
                    p.use_previous_value() == Some(true) && p.parameter_value().is_none()
                })
                && request.capabilities()
                    == [Capability::CapabilityNamedIam, Capability::CapabilityAutoExpand]
                && request.tags.is_none()
                && request.role_arn().is_none()
                && request.notification_arns.is_none()
                && request.rollback_configuration().is_none()
                && request.stack_policy_body().is_none()
        })
        .then_output(|| UpdateStackOutput::builder().stack_id("arn:web").build());
    let describe = stack_is(StackStatus::UpdateComplete, OLD);
    let (events, summary) = (no_events_of_ours(), summary(Some("AWS::Serverless-2016-10-31")));
    let client = mock_client!(aws_sdk_cloudformation, [describe, events, summary, update]);
    let started = handle(&client, input()).await.unwrap();
    assert_eq!((started.outcome, started.stack_id.as_str()), (WriteOutcome::Updated, "arn:web"));
    assert_eq!(started.client_request_token, token());
    assert_eq!(update.num_calls(), 1);
}

#[tokio::test]
async fn an_image_behind_an_ssm_parameter_is_read_anew_by_an_update_that_changes_no_value() {
    let describe = describes(|| {
        let image = Parameter::builder().parameter_key("ImageId").parameter_value("/golden/web");
        let stack = Stack::builder().stack_name("web").stack_id("arn:web");
        let stack = stack.stack_status(StackStatus::UpdateComplete);
        stack.parameters(image.resolved_value(OLD).build()).build()
    });
    let update = mock!(Client::update_stack)
        .match_requests(|request| {
            let previous = Parameter::builder().parameter_key("ImageId").use_previous_value(true);
            request.parameters() == [previous.build()]
        })
        .then_output(|| UpdateStackOutput::builder().build());
    let (events, summary) = (no_events_of_ours(), summary(None));
    let client = mock_client!(aws_sdk_cloudformation, [describe, events, summary, update]);
    let through = Change { via: Some("/golden/web".parse().unwrap()), ..change("ImageId") };
    let started = handle(&client, UpdateInput { images: vec![through], ..input() }).await.unwrap();
    assert_eq!(started.outcome, WriteOutcome::Updated);
}

#[tokio::test]
async fn a_template_with_language_extensions_is_sent_as_it_was_written() {
    let body = "x".repeat(51_200);
    let expected = body.clone();
    let update = mock!(Client::update_stack)
        .match_requests(move |request| {
            request.template_body() == Some(&expected)
                && request.use_previous_template().is_none()
                && request.capabilities().contains(&Capability::CapabilityAutoExpand)
        })
        .then_output(|| UpdateStackOutput::builder().build());
    let describe = stack_is(StackStatus::UpdateComplete, OLD);
    let (events, summary) = (no_events_of_ours(), summary(Some("AWS::LanguageExtensions")));
    let template = template_is(body);
    let client =
        mock_client!(aws_sdk_cloudformation, [describe, events, summary, template, update]);
    assert_eq!(handle(&client, input()).await.unwrap().outcome, WriteOutcome::Updated);
}

#[tokio::test]
async fn a_template_that_is_too_long_to_be_sent_is_named() {
    let describe = stack_is(StackStatus::UpdateComplete, OLD);
    let (events, summary) = (no_events_of_ours(), summary(Some("AWS::LanguageExtensions")));
    // Bytes count, not characters.
    let template = template_is("é".repeat(25_601));
    let client = mock_client!(aws_sdk_cloudformation, [describe, events, summary, template]);
    let error = handle(&client, input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::TemplateTooLong);
    assert!(error.to_string().contains("51202 bytes, and at most 51200"), "{error}");
}

#[tokio::test]
async fn nothing_to_change_sends_nothing_but_the_looks() {
    let (describe, events) = (stack_is(StackStatus::UpdateComplete, NEW), no_events_of_ours());
    let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
    assert_eq!(handle(&client, input()).await.unwrap().outcome, WriteOutcome::Unchanged);
    assert_eq!((describe.num_calls(), events.num_calls()), (1, 1));
}

/// The answer to the first call was lost; the stack may be in any state by now.
#[tokio::test]
async fn its_own_update_is_found_again_whatever_has_become_of_it() {
    for (status, image) in [
        (StackStatus::UpdateInProgress, NEW),
        (StackStatus::UpdateCompleteCleanupInProgress, NEW),
        (StackStatus::UpdateComplete, NEW),
        (StackStatus::UpdateRollbackInProgress, OLD),
        (StackStatus::UpdateRollbackComplete, OLD),
        (StackStatus::UpdateRollbackFailed, OLD),
        // Another's update has followed.
        (StackStatus::UpdateComplete, "ami-0000000000000000c"),
    ] {
        let (describe, events) = (stack_is(status.clone(), image), events(Some(token())));
        let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
        let found = handle(&client, input()).await.unwrap();
        assert_eq!(found.outcome, WriteOutcome::Updated, "{status}");
        assert_eq!(found.client_request_token, token());
    }
}

#[tokio::test]
async fn every_status_of_the_api_leads_somewhere_on_purpose() {
    for status in StackStatus::values().iter().map(|name| StackStatus::from(*name)) {
        let (describe, events) = (stack_is(status.clone(), OLD), no_events_of_ours());
        let (summary, update) = (summary(None), accepts_the_update());
        let client = mock_client!(aws_sdk_cloudformation, [describe, events, summary, update]);
        let outcome = handle(&client, input()).await.map(|u| u.outcome).map_err(|e| e.name());
        let stack = Stack::builder().stack_status(status.clone()).build();
        let (expected, updates) = match stacks::check_readiness(&stack) {
            Ok(()) => (Ok(WriteOutcome::Updated), 1),
            Err(error) => (Err(error.name()), 0),
        };
        assert_eq!((outcome, update.num_calls()), (expected, updates), "{status}");
    }
}

#[tokio::test]
async fn a_decision_that_does_not_fit_the_stack_is_named_before_anything_is_sent() {
    for (changed, name) in [
        (change("Image"), ErrorName::ParameterKeyNotFound),
        (Change { before: "ami-1".into(), ..change("ImageId") }, ErrorName::ConcurrentWrite),
    ] {
        let (describe, events) = (stack_is(StackStatus::UpdateComplete, OLD), no_events_of_ours());
        let client = mock_client!(aws_sdk_cloudformation, [describe, events]);
        let input = UpdateInput { images: vec![changed], ..input() };
        assert_eq!(handle(&client, input).await.unwrap_err().name(), name);
    }
}

#[tokio::test]
async fn a_nested_stack_is_refused_with_the_name_of_its_root() {
    let arn = |name: &str| format!("arn:aws:cloudformation:eu-west-1:111122223333:stack/{name}/1");
    let describe = describes(move || {
        let stack = Stack::builder().stack_name("web").stack_id("arn:web");
        let stack = stack.stack_status(StackStatus::UpdateComplete);
        stack.parent_id(arn("middle")).root_id(arn("top")).build()
    });
    let client = mock_client!(aws_sdk_cloudformation, [describe]);
    let error = handle(&client, input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::StackNested);
    assert!(error.to_string().starts_with("stack web is nested in top;"), "{error}");
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
        let (events, summary) = (no_events_of_ours(), summary(None));
        let client = mock_client!(aws_sdk_cloudformation, [describe, events, summary, update]);
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
