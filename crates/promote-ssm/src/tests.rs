//! promote-ssm against rules: which calls are made, with what, and what comes of each answer.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::operation::put_parameter::{PutParameterError, PutParameterOutput};
use aws_sdk_ssm::types::error::{ParameterNotFound, TooManyUpdates};
use aws_sdk_ssm::types::{Parameter, ParameterType};
use contract::steps::{PromoteInput, WriteOutcome};
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
    }
}

fn parameter(value: &str, version: i64) -> GetParameterOutput {
    let parameter = Parameter::builder().name(NAME).value(value).version(version).build();
    GetParameterOutput::builder().parameter(parameter).build()
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

fn accepts_the_write() -> Rule {
    mock!(Client::put_parameter)
        .match_requests(|request| {
            request.name() == Some(NAME)
                && request.value() == Some(NEW)
                && request.r#type() == Some(&ParameterType::String)
                && request.data_type() == Some("aws:ec2:image")
                && request.overwrite() == Some(true)
        })
        .then_output(|| PutParameterOutput::builder().version(2).build())
}

#[test]
fn decides_by_what_is_in_place() {
    assert_eq!(action(&input(), NEW).unwrap(), Action::Unchanged);
    assert_eq!(action(&input(), OLD).unwrap(), Action::Put);
    let error = action(&input(), "ami-0000000000000000c").unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
}

#[tokio::test]
async fn writes_once_and_reads_back() {
    let (get, put) = (reads([(OLD, 1), (NEW, 2)]), accepts_the_write());
    let ssm = mock_client!(aws_sdk_ssm, [get, put]);
    let promoted = handle(&ssm, input()).await.unwrap();
    assert_eq!(promoted.outcome, WriteOutcome::Updated);
    assert_eq!((promoted.previous_version, promoted.version), (1, 2));
    assert_eq!((get.num_calls(), put.num_calls()), (2, 1));
}

#[tokio::test]
async fn what_is_in_place_already_is_not_written() {
    let get = mock!(Client::get_parameter).then_output(|| parameter(NEW, 7));
    let ssm = mock_client!(aws_sdk_ssm, [get]);
    let promoted = handle(&ssm, input()).await.unwrap();
    assert_eq!((promoted.outcome, promoted.version), (WriteOutcome::Unchanged, 7));
    assert_eq!(get.num_calls(), 1);
}

#[tokio::test]
async fn a_write_that_does_not_show_is_an_error() {
    let (get, put) = (reads([(OLD, 1), (OLD, 1)]), accepts_the_write());
    let error = handle(&mock_client!(aws_sdk_ssm, [get, put]), input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterNotUpdated);
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
