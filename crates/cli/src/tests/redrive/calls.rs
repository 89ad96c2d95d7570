//! The calls for each message: no message is deleted before its execution has started.

use aws_sdk_sfn::error::ErrorMetadata;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::operation::start_execution::{StartExecutionError, StartExecutionOutput};
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_sdk_sqs::operation::delete_message::DeleteMessageOutput;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_sdk_sqs::types::Message;
use aws_smithy_mocks::{Rule, mock};
use serde_json::{Value, json};

use super::super::{EXECUTION, ended, parts};
use crate::deployment::{self, Deployment};
use crate::redrive::{self, Choice, Outcome, Redriven};

const DRY_RUN: Choice = Choice { dry_run: true, all: false };

/// The result of redriving a queue with this message, and how many messages were deleted and made
/// visible again.
async fn redriven(body: &str, choice: Choice, sfn: &[Rule]) -> (Redriven, usize, usize) {
    let message = Message::builder().message_id("m-1").receipt_handle("r-1").body(body).build();
    let receive = mock!(aws_sdk_sqs::Client::receive_message)
        .sequence()
        .output(move || ReceiveMessageOutput::builder().messages(message.clone()).build())
        .output(|| ReceiveMessageOutput::builder().build())
        .build();
    let delete = mock!(aws_sdk_sqs::Client::delete_message)
        .match_requests(|request| request.receipt_handle() == Some("r-1"))
        .then_output(|| DeleteMessageOutput::builder().build());
    let show = mock!(aws_sdk_sqs::Client::change_message_visibility)
        .match_requests(|request| {
            request.receipt_handle() == Some("r-1") && request.visibility_timeout() == Some(0)
        })
        .then_output(|| ChangeMessageVisibilityOutput::builder().build());
    let deployment = Deployment {
        sfn: client!(aws_sdk_sfn, sfn),
        sqs: client!(aws_sdk_sqs, [&receive, &delete, &show]),
        parts: parts(),
    };
    let mut all = Vec::new();
    redrive::run(&deployment, choice, &mut all).await.unwrap();
    let [one] = all.try_into().unwrap();
    (one, delete.num_calls(), show.num_calls())
}

fn starts() -> Rule {
    mock!(aws_sdk_sfn::Client::start_execution)
        .match_requests(|request| {
            request.name() == Some("redrive-m-1") && request.input().is_some_and(is_image)
        })
        .then_output(|| {
            let answer = StartExecutionOutput::builder().execution_arn(EXECUTION);
            answer.start_date(DateTime::from_secs(0)).build().unwrap()
        })
}

fn is_image(input: &str) -> bool {
    serde_json::from_str::<Value>(input).unwrap() == json!({"imageId": "ami-1"})
}

fn refuses(code: &'static str) -> Rule {
    mock!(aws_sdk_sfn::Client::start_execution).then_error(move || {
        StartExecutionError::generic(ErrorMetadata::builder().code(code).message("no").build())
    })
}

fn failed() -> String {
    ended(&json!({"input": r#"{"imageId": "ami-1"}"#})).to_string()
}

#[tokio::test]
async fn a_started_message_is_deleted() {
    let (one, deleted, shown) = redriven(&failed(), Choice::default(), &[starts()]).await;
    assert_eq!((one.result, one.execution.as_deref()), (Outcome::Started, Some(EXECUTION)));
    assert_eq!((deleted, shown, one.failure), (1, 0, None));
}

#[tokio::test]
async fn a_message_that_was_started_before_is_deleted_too() {
    let rules = [refuses("ExecutionAlreadyExists")];
    let (one, deleted, shown) = redriven(&failed(), Choice::default(), &rules).await;
    let expected = deployment::execution(&parts().state_machine, "redrive-m-1");
    assert_eq!((one.result, one.execution), (Outcome::Started, Some(expected)));
    assert_eq!((deleted, shown, one.failure), (1, 0, None));
}

#[tokio::test]
async fn a_refused_message_stays() {
    let rules = [refuses("AccessDeniedException")];
    let (one, deleted, shown) = redriven(&failed(), Choice::default(), &rules).await;
    assert_eq!((one.result, one.execution), (Outcome::NotStarted, None));
    let failure = one.failure.unwrap();
    assert_eq!(failure, "states:StartExecution: AccessDeniedException: no");
    assert_eq!((deleted, shown), (0, 1));
}

#[tokio::test]
async fn a_wrong_input_is_left_unless_all_are_started() {
    let body = json!({"error": "InvalidInput", "cause": "imageId: expected an image ID"});
    let mut body = ended(&body);
    body["detail"]["input"] = json!(r#"{"imageId": "ami-1"}"#);
    let body = body.to_string();
    let (one, deleted, shown) = redriven(&body, Choice::default(), &[]).await;
    assert_eq!((one.result, deleted, shown), (Outcome::Left, 0, 1));
    assert!(one.failure.unwrap().contains("--all"));
    let all = Choice { dry_run: false, all: true };
    let (one, deleted, _) = redriven(&body, all, &[starts()]).await;
    assert_eq!((one.result, deleted), (Outcome::Started, 1));
}

#[tokio::test]
async fn a_message_is_run_again_by_its_own_state_machine() {
    let mut body = ended(&json!({"input": r#"{"imageId": "ami-1"}"#}));
    body["detail"]["stateMachineArn"] = json!("arn:reconcile");
    let start = mock!(aws_sdk_sfn::Client::start_execution)
        .match_requests(|request| request.state_machine_arn() == Some("arn:reconcile"))
        .then_output(|| {
            let answer = StartExecutionOutput::builder().execution_arn(EXECUTION);
            answer.start_date(DateTime::from_secs(0)).build().unwrap()
        });
    let (one, deleted, _) = redriven(&body.to_string(), Choice::default(), &[start]).await;
    assert_eq!((one.result, deleted), (Outcome::Started, 1));
}

#[tokio::test]
async fn a_dry_run_starts_and_deletes_nothing() {
    let (one, deleted, shown) = redriven(&failed(), DRY_RUN, &[]).await;
    assert_eq!((one.result, one.input), (Outcome::WouldStart, Some(json!({"imageId": "ami-1"}))));
    assert_eq!((deleted, shown, one.failure), (0, 1, None));
}

#[tokio::test]
async fn an_input_that_was_too_long_for_the_event_is_asked_for() {
    let describe = mock!(aws_sdk_sfn::Client::describe_execution)
        .match_requests(|request| request.execution_arn() == Some(EXECUTION))
        .then_output(|| {
            DescribeExecutionOutput::builder()
                .execution_arn(EXECUTION)
                .state_machine_arn("arn")
                .status(ExecutionStatus::Failed)
                .start_date(DateTime::from_secs(0))
                .input(r#"{"imageId": "ami-1"}"#)
                .build()
                .unwrap()
        });
    let body = ended(&json!({"input": null})).to_string();
    let (one, deleted, _) = redriven(&body, Choice::default(), &[describe, starts()]).await;
    assert_eq!((one.result, deleted), (Outcome::Started, 1));
}

#[tokio::test]
async fn a_message_that_is_not_an_event_stays() {
    let (one, deleted, shown) = redriven("hello", Choice::default(), &[]).await;
    assert_eq!((one.result, one.trigger), (Outcome::NotStarted, None));
    assert_eq!(
        one.failure.as_deref(),
        Some("the message is not an event: it is not JSON: expected value at line 1 column 1")
    );
    assert_eq!((deleted, shown), (0, 1));
}
