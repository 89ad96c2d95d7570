//! The handler against rules: which calls are made, with what, and what comes of each answer.

use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_cloudformation::operation::describe_stack_resources::{
    DescribeStackResourcesError, DescribeStackResourcesOutput,
};
use aws_sdk_cloudformation::types::ResourceStatus;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::ErrorMetadata;
use aws_sdk_ssm::operation::delete_parameter::DeleteParameterOutput;
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::operation::get_parameter_history::GetParameterHistoryOutput;
use aws_sdk_ssm::operation::put_parameter::{PutParameterError, PutParameterOutput};
use aws_sdk_ssm::types::{Parameter, ParameterHistory, ParameterType};
use contract::steps::{ParameterWrite, Progress, PromoteInput, Promoted, Versions, WritePhase};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::{FOREIGN, NAME, NEW, OLD, OTHER, resource, write, write_of};
use crate::claim::Claims;
use crate::decide::{token, versions_full};
use crate::{Clients, Error, handle};

const EXECUTION: &str = "run-1";
const CLAIMS: &str = "/claims/";

fn input() -> PromoteInput {
    input_of(vec![write()])
}

pub(super) fn input_of(writes: Vec<ParameterWrite>) -> PromoteInput {
    PromoteInput { writes, execution: EXECUTION.into(), polls: 0 }
}

fn promoted(status: Progress, written: bool, previous: i64, version: i64) -> Promoted {
    let versions = Versions { written, previous_version: previous, version };
    let is_over = status == Progress::Complete;
    let phase = if is_over { WritePhase::Settled } else { WritePhase::Running }(versions);
    Promoted { status, writes: vec![ParameterWrite { phase, ..write() }] }
}

/// What an earlier poll answered that wrote.
fn after_the_write(polls: u32) -> PromoteInput {
    PromoteInput { polls, ..input_of(promoted(Progress::InProgress, true, 1, 1).writes) }
}

pub(super) async fn run(
    ssm: Client,
    owner: &[Rule],
    input: PromoteInput,
) -> Result<Promoted, Error> {
    let cloudformation = match owner {
        [] => mock_client!(aws_sdk_cloudformation, []),
        [one] => mock_client!(aws_sdk_cloudformation, [one]),
        [one, other, ..] => mock_client!(aws_sdk_cloudformation, [one, other]),
    };
    let claims = Claims::new(&ssm, CLAIMS.to_owned());
    handle(&Clients { ssm, claims, cloudformation }, input).await
}

fn parameter(value: &str, version: i64) -> GetParameterOutput {
    typed_parameter(value, version, "aws:ec2:image")
}

fn typed_parameter(value: &str, version: i64, data_type: &str) -> GetParameterOutput {
    let parameter = Parameter::builder().name(NAME).value(value).version(version);
    GetParameterOutput::builder().parameter(parameter.data_type(data_type).build()).build()
}

/// The parameter always reads so.
fn is(name: &'static str, value: &'static str, version: i64) -> Rule {
    mock!(Client::get_parameter)
        .match_requests(move |request| request.name() == Some(name))
        .then_output(move || parameter(value, version))
}

/// The parameter reads these values, one after the other.
fn reads(name: &'static str, values: [(&'static str, i64); 2]) -> Rule {
    let [(first, v1), (second, v2)] = values;
    mock!(Client::get_parameter)
        .match_requests(move |request| request.name() == Some(name))
        .sequence()
        .output(move || parameter(first, v1))
        .output(move || parameter(second, v2))
        .build()
}

fn accepts(name: &'static str, data_type: &'static str, version: i64) -> Rule {
    mock!(Client::put_parameter)
        .match_requests(move |request| {
            request.name() == Some(name)
                && request.value() == Some(NEW)
                && request.r#type() == Some(&ParameterType::String)
                && request.data_type() == Some(data_type)
                && request.overwrite() == Some(true)
        })
        .then_output(move || PutParameterOutput::builder().version(version).build())
}

fn accepts_the_write() -> Rule {
    accepts(NAME, "aws:ec2:image", 2)
}

fn put_fails(code: &'static str) -> PutParameterError {
    PutParameterError::generic(ErrorMetadata::builder().code(code).message("no").build())
}

pub(super) fn refuses(code: &'static str) -> Rule {
    mock!(Client::put_parameter)
        .match_requests(|request| request.name() == Some(NAME))
        .then_error(move || put_fails(code))
}

fn is_claim(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with("/claims/driftless--golden-"))
}

/// Nobody has a claim: this one is granted.
pub(super) fn grants() -> Rule {
    mock!(Client::put_parameter)
        .match_requests(|r| {
            is_claim(r.name()) && r.overwrite() == Some(false) && r.data_type().is_none()
        })
        .then_output(|| PutParameterOutput::builder().version(1).build())
}

/// Somebody has the claim already.
fn grants_nothing() -> Rule {
    mock!(Client::put_parameter)
        .match_requests(|r| is_claim(r.name()) && r.overwrite() == Some(false))
        .then_error(|| put_fails("ParameterAlreadyExists"))
}

/// It can be taken over from its owner.
fn is_taken_over() -> Rule {
    mock!(Client::put_parameter)
        .match_requests(|r| is_claim(r.name()) && r.overwrite() == Some(true))
        .then_output(|| PutParameterOutput::builder().version(2).build())
}

/// The claim is the one of this execution's write.
fn held_by(execution: &'static str) -> Rule {
    mock!(Client::get_parameter)
        .match_requests(|request| is_claim(request.name()))
        .then_output(move || parameter(&token(execution, &write()), 1))
}

fn unheld() -> Rule {
    mock!(Client::get_parameter)
        .match_requests(|request| is_claim(request.name()))
        .then_error(|| get_fails("ParameterNotFound"))
}

pub(super) fn deletes() -> Rule {
    mock!(Client::delete_parameter)
        .match_requests(|request| is_claim(request.name()))
        .then_output(|| DeleteParameterOutput::builder().build())
}

fn get_fails(code: &'static str) -> GetParameterError {
    GetParameterError::generic(ErrorMetadata::builder().code(code).build())
}

fn missing(name: &'static str, code: &'static str) -> Rule {
    mock!(Client::get_parameter)
        .match_requests(move |request| request.name() == Some(name))
        .then_error(move || get_fails(code))
}

/// No stack has this parameter.
pub(super) fn unowned(name: &'static str) -> Rule {
    mock!(CloudFormation::describe_stack_resources)
        .match_requests(move |r| r.physical_resource_id() == Some(name) && r.stack_name().is_none())
        .then_error(move || {
            let meta = aws_sdk_cloudformation::error::ErrorMetadata::builder();
            let text = format!("Stack for {name} does not exist");
            DescribeStackResourcesError::generic(meta.code("ValidationError").message(text).build())
        })
}

fn owned(name: &'static str) -> Rule {
    mock!(CloudFormation::describe_stack_resources)
        .match_requests(move |request| request.physical_resource_id() == Some(name))
        .then_output(move || {
            let parameter = resource(name, "AWS::SSM::Parameter", ResourceStatus::CreateComplete);
            DescribeStackResourcesOutput::builder().stack_resources(parameter).build()
        })
}

#[tokio::test]
async fn claims_and_writes_once_and_polls_later() {
    let (get, put, owner) = (is(NAME, OLD, 1), accepts_the_write(), unowned(NAME));
    let claim = grants();
    let ssm = mock_client!(aws_sdk_ssm, [get, put, claim]);
    let answer = run(ssm, std::slice::from_ref(&owner), input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, true, 1, 1));
    // The value is read again between the claim and the write.
    assert_eq!((get.num_calls(), claim.num_calls(), put.num_calls()), (2, 1, 1));
    assert_eq!(owner.num_calls(), 1);
}

#[tokio::test]
async fn the_data_type_stays_as_it_is() {
    let get = mock!(Client::get_parameter)
        .match_requests(|request| request.name() == Some(NAME))
        .then_output(|| typed_parameter(OLD, 1, "text"));
    let ssm = mock_client!(aws_sdk_ssm, [get, accepts(NAME, "text", 2), grants()]);
    let answer = run(ssm, &[unowned(NAME)], input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, true, 1, 1));
}

#[tokio::test]
async fn what_is_in_place_already_is_neither_written_nor_asked_about() {
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, NEW, 7), unheld()]);
    let answer = run(ssm, &[], input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, false, 7, 7));
}

#[tokio::test]
async fn a_write_that_shows_is_done_and_its_claim_is_deleted() {
    let delete = deletes();
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, NEW, 2), held_by(EXECUTION), delete]);
    let answer = run(ssm, &[], after_the_write(1)).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, true, 1, 2));
    assert_eq!(delete.num_calls(), 1);
    // It has gone already, with an answer that was lost.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, NEW, 2), unheld()]);
    let answer = run(ssm, &[], after_the_write(1)).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, true, 1, 2));
    // Another execution has taken it over, and the write is that one's.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, NEW, 2), held_by("run-2")]);
    let answer = run(ssm, &[], after_the_write(1)).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, false, 1, 2));
}

#[tokio::test]
async fn a_write_that_does_not_show_yet_is_waited_for() {
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1)]);
    let answer = run(ssm, &[], after_the_write(1)).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, true, 1, 1));
}

#[tokio::test]
async fn a_repeated_call_owns_up_to_the_write_of_the_first_and_writes_nothing() {
    // It does not show yet.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1), grants_nothing(), held_by(EXECUTION)]);
    let answer = run(ssm, &[unowned(NAME)], input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, true, 1, 1));
    // It does.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, NEW, 2), held_by(EXECUTION)]);
    let answer = run(ssm, &[], input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, true, 1, 2));
}

#[tokio::test]
async fn another_executions_write_is_waited_for_and_is_not_ours() {
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1), grants_nothing(), held_by("run-2")]);
    let answer = run(ssm, &[unowned(NAME)], input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, false, 1, 1));
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, NEW, 2), held_by("run-2")]);
    let answer = run(ssm, &[], input_of(answer.writes)).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, false, 1, 2));
}

#[tokio::test]
async fn a_claim_that_came_free_because_of_a_write_is_deleted() {
    let (get, delete) = (reads(NAME, [(OLD, 1), (NEW, 2)]), deletes());
    let ssm = mock_client!(aws_sdk_ssm, [get, grants(), delete]);
    let answer = run(ssm, &[unowned(NAME)], input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, false, 1, 1));
    assert_eq!(delete.num_calls(), 1);
}

#[tokio::test]
async fn a_write_that_was_begun_and_never_made_is_made_when_it_is_overdue() {
    let put = accepts_the_write();
    let rules = (is(NAME, OLD, 1), grants_nothing(), held_by(EXECUTION));
    let ssm = mock_client!(aws_sdk_ssm, [rules.0, rules.1, rules.2, put]);
    let answer = run(ssm, &[unowned(NAME)], after_the_write(4)).await.unwrap();
    assert_eq!((answer, put.num_calls()), (promoted(Progress::InProgress, true, 1, 1), 1));
    // Another execution's, which has not come back.
    let (put, claim) = (accepts_the_write(), is_taken_over());
    let rules = (is(NAME, OLD, 1), grants_nothing(), held_by("run-2"));
    let ssm = mock_client!(aws_sdk_ssm, [rules.0, rules.1, rules.2, put, claim]);
    let late = PromoteInput { polls: 5, ..input() };
    let answer = run(ssm, &[unowned(NAME)], late).await.unwrap();
    assert_eq!((answer, put.num_calls()), (promoted(Progress::InProgress, true, 1, 1), 1));
    assert_eq!(claim.num_calls(), 1);
}

#[tokio::test]
async fn of_several_parameters_each_goes_its_own_way() {
    let rules = (is(NAME, OLD, 1), is(OTHER, NEW, 7), unheld());
    let ssm = mock_client!(aws_sdk_ssm, [rules.0, rules.1, rules.2, accepts_the_write(), grants()]);
    let writes = vec![write(), write_of(OTHER)];
    let answer = run(ssm, &[unowned(NAME)], input_of(writes)).await.unwrap();
    assert_eq!(answer.status, Progress::InProgress);
    let versions = |written, version| Versions { written, previous_version: version, version };
    let found: Vec<_> = answer.writes.iter().map(|write| write.phase).collect();
    let [mine, other] = [versions(true, 1), versions(false, 7)];
    assert_eq!(found, [WritePhase::Running(mine), WritePhase::Settled(other)]);
}

#[tokio::test]
async fn nothing_is_written_while_one_of_them_cannot_be() {
    let both = || input_of(vec![write(), write_of(OTHER)]);
    // Another has changed the second one.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1), is(OTHER, FOREIGN, 3)]);
    let error = run(ssm, &[], both()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
    // The second one is a stack's.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1), is(OTHER, OLD, 3)]);
    let error = run(ssm, &[unowned(NAME), owned(OTHER)], both()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterOwnedByStack);
    assert_eq!(
        error.to_string(),
        "parameter /golden/db belongs to stack base (Image), so writing it would cause drift; create one outside any stack"
    );
}

/// Its write is version 3, so somebody made version 2 after the poll.
async fn another_wrote(between: Rule) -> Result<Promoted, Error> {
    let (get, put) = (is(NAME, OLD, 1), accepts(NAME, "aws:ec2:image", 3));
    let ssm = mock_client!(aws_sdk_ssm, [get, put, between, grants(), deletes()]);
    run(ssm, &[unowned(NAME)], input()).await
}

#[tokio::test]
async fn a_value_that_was_overwritten_unseen_is_noticed() {
    let error = another_wrote(is("/golden/web:2", FOREIGN, 2)).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
    assert!(error.to_string().starts_with(&format!("another writer wrote {FOREIGN}")), "{error}");
    // Also when it cannot be read any more.
    let error =
        another_wrote(missing("/golden/web:2", "ParameterVersionNotFound")).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
    // The same image by another hand is no loss.
    let answer = another_wrote(is("/golden/web:2", NEW, 2)).await.unwrap();
    assert_eq!(answer, promoted(Progress::InProgress, true, 1, 1));
}

#[tokio::test]
async fn a_refused_write_deletes_its_claim_and_one_that_may_have_been_made_keeps_it() {
    for (code, name, deleted) in [
        ("TooManyUpdates", ErrorName::ConcurrentWrite, 1),
        ("AccessDeniedException", ErrorName::AccessDenied, 1),
        ("ThrottlingException", ErrorName::ServiceUnavailable, 0),
    ] {
        let delete = deletes();
        let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1), refuses(code), grants(), delete]);
        let error = run(ssm, &[unowned(NAME)], input()).await.unwrap_err();
        assert_eq!((error.name(), delete.num_calls()), (name, deleted), "{code}");
    }
}

fn version(version: i64, labels: &[&str]) -> ParameterHistory {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    ParameterHistory::builder().version(version).set_labels(Some(labels)).build()
}

#[tokio::test]
async fn a_full_history_is_told_with_the_oldest_version_and_its_labels() {
    let history = mock!(Client::get_parameter_history)
        .match_requests(|request| request.name() == Some(NAME))
        .then_compute_output(|request| {
            // In no order that anybody promises.
            let (entry, next) = match request.next_token() {
                None => (version(102, &[]), Some("second".to_owned())),
                _ => (version(3, &["stable", "2024"]), None),
            };
            let page = GetParameterHistoryOutput::builder().parameters(version(57, &["other"]));
            page.parameters(entry).set_next_token(next).build()
        });
    let refusal = refuses("ParameterMaxVersionLimitExceeded");
    let ssm =
        mock_client!(aws_sdk_ssm, [is(NAME, OLD, 102), refusal, history, grants(), deletes()]);
    let error = run(ssm, &[unowned(NAME)], input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterVersionsFull);
    assert!(error.to_string().contains("3, cannot be deleted because of its label stable, 2024"));
    assert_eq!(history.num_calls(), 2);
    assert_eq!(versions_full(NAME, &[]).name(), ErrorName::ParameterVersionsFull);
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let ssm = mock_client!(aws_sdk_ssm, [missing(NAME, "ParameterNotFound")]);
    let error = run(ssm, &[], input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterNotFound);
    assert!(error.to_string().contains(NAME), "{error}");
}
