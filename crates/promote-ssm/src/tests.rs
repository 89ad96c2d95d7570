//! promote-ssm against rules: which calls are made, with what, and what comes of each answer.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::operation::put_parameter::{PutParameterError, PutParameterOutput};
use aws_sdk_ssm::types::error::{ParameterNotFound, TooManyUpdates};
use aws_sdk_ssm::types::{Parameter, ParameterType};
use contract::steps::{Progress, PromoteInput, Promoted, WriteOutcome};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::decide::{Action, action};
use crate::handle;

const NAME: &str = "/golden/web";
const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";

fn input() -> PromoteInput {
    PromoteInput {
        parameter_name: NAME.parse().unwrap(),
        before: OLD.into(),
        after: NEW.parse().unwrap(),
        written: false,
    }
}

fn later_look() -> PromoteInput {
    PromoteInput { written: true, ..input() }
}

fn promoted(status: Progress, outcome: WriteOutcome, version: i64) -> Promoted {
    Promoted { status, outcome, version }
}

fn parameter(value: &str, version: i64) -> GetParameterOutput {
    typed_parameter(value, version, "aws:ec2:image")
}

fn typed_parameter(value: &str, version: i64, data_type: &str) -> GetParameterOutput {
    let parameter = Parameter::builder().name(NAME).value(value).version(version);
    GetParameterOutput::builder().parameter(parameter.data_type(data_type).build()).build()
}

/// The parameter reads these values, one after the other.
fn reads(values: [(&'static str, i64); 2]) -> Rule {
    let [(first, v1), (second, v2)] = values;
    mock!(Client::get_parameter)
        .match_requests(|request| request.name() == Some(NAME))
        .sequence()
        .output(move || parameter(first, v1))
        .output(move || parameter(second, v2))
        .build()
}

fn accepts_the_write_as(data_type: &'static str) -> Rule {
    mock!(Client::put_parameter)
        .match_requests(move |request| {
            request.name() == Some(NAME)
                && request.value() == Some(NEW)
                && request.r#type() == Some(&ParameterType::String)
                && request.data_type() == Some(data_type)
                && request.overwrite() == Some(true)
        })
        .then_output(|| PutParameterOutput::builder().version(2).build())
}

fn accepts_the_write() -> Rule {
    accepts_the_write_as("aws:ec2:image")
}

#[test]
fn decides_by_what_is_in_place_and_whether_it_wrote() {
    for (written, current, expected) in [
        (false, NEW, Action::InPlace),
        (false, OLD, Action::Put),
        (true, NEW, Action::InPlace),
        (true, OLD, Action::Await),
    ] {
        assert_eq!(action(&input(), written, current).unwrap(), expected, "{written} {current}");
    }
    for written in [false, true] {
        let error = action(&input(), written, "ami-0000000000000000c").unwrap_err();
        assert_eq!(error.name(), ErrorName::ConcurrentWrite);
    }
}

#[test]
fn the_first_look_need_not_say_that_nothing_was_written() {
    let json = serde_json::json!({"parameterName": NAME, "before": OLD, "after": NEW});
    assert_eq!(serde_json::from_value::<PromoteInput>(json).unwrap(), input());
}

#[tokio::test]
async fn writes_once_and_reads_back() {
    let (get, put) = (reads([(OLD, 1), (NEW, 2)]), accepts_the_write());
    let answer = handle(&mock_client!(aws_sdk_ssm, [get, put]), input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, WriteOutcome::Updated, 2));
    assert_eq!((get.num_calls(), put.num_calls()), (2, 1));
}

#[tokio::test]
async fn the_data_type_stays_as_it_is() {
    let get = mock!(Client::get_parameter)
        .sequence()
        .output(|| typed_parameter(OLD, 1, "text"))
        .output(|| typed_parameter(NEW, 2, "text"))
        .build();
    let put = accepts_the_write_as("text");
    let answer = handle(&mock_client!(aws_sdk_ssm, [get, put]), input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, WriteOutcome::Updated, 2));
}

#[tokio::test]
async fn what_is_in_place_already_is_not_written() {
    let get = mock!(Client::get_parameter).then_output(|| parameter(NEW, 7));
    let answer = handle(&mock_client!(aws_sdk_ssm, [get]), input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, WriteOutcome::Unchanged, 7));
    assert_eq!(get.num_calls(), 1);
}

#[tokio::test]
async fn a_write_that_does_not_show_yet_is_in_progress() {
    let (get, put) = (reads([(OLD, 1), (OLD, 1)]), accepts_the_write());
    let answer = handle(&mock_client!(aws_sdk_ssm, [get, put]), input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, WriteOutcome::Updated, 1));
}

#[tokio::test]
async fn a_later_look_never_writes_again() {
    for (value, version, status) in [(OLD, 1, Progress::InProgress), (NEW, 2, Progress::Complete)] {
        let get = mock!(Client::get_parameter).then_output(move || parameter(value, version));
        let answer = handle(&mock_client!(aws_sdk_ssm, [get]), later_look()).await.unwrap();
        assert_eq!(answer, promoted(status, WriteOutcome::Updated, version));
        assert_eq!(get.num_calls(), 1);
    }
}

#[tokio::test]
async fn a_value_of_another_writer_that_reads_back_is_noticed() {
    let (get, put) = (reads([(OLD, 1), ("ami-0000000000000000c", 3)]), accepts_the_write());
    let error = handle(&mock_client!(aws_sdk_ssm, [get, put]), input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let get = mock!(Client::get_parameter).then_error(|| {
        GetParameterError::ParameterNotFound(
            ParameterNotFound::builder().meta(code("ParameterNotFound")).build(),
        )
    });
    let error = handle(&mock_client!(aws_sdk_ssm, [get]), input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterNotFound);
    assert!(error.to_string().contains(NAME), "{error}");
}

#[tokio::test]
async fn two_writers_at_once_are_noticed() {
    let get = mock!(Client::get_parameter).then_output(|| parameter(OLD, 1));
    let put = mock!(Client::put_parameter).then_error(|| {
        PutParameterError::TooManyUpdates(
            TooManyUpdates::builder().meta(code("TooManyUpdates")).build(),
        )
    });
    let error = handle(&mock_client!(aws_sdk_ssm, [get, put]), input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
}

fn code(code: &str) -> aws_sdk_ssm::error::ErrorMetadata {
    aws_sdk_ssm::error::ErrorMetadata::builder().code(code).build()
}
