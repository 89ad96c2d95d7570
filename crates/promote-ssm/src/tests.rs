//! promote-ssm: the decisions, and the handler against rules: which calls are made, with what,
//! and what comes of each answer.

mod properties;

use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_cloudformation::operation::describe_stack_resources::{
    DescribeStackResourcesError, DescribeStackResourcesOutput,
};
use aws_sdk_cloudformation::types::{ResourceStatus, StackResource};
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::ErrorMetadata;
use aws_sdk_ssm::operation::add_tags_to_resource::AddTagsToResourceOutput;
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::operation::get_parameter_history::GetParameterHistoryOutput;
use aws_sdk_ssm::operation::list_tags_for_resource::ListTagsForResourceOutput;
use aws_sdk_ssm::operation::put_parameter::{PutParameterError, PutParameterOutput};
use aws_sdk_ssm::types::{Parameter, ParameterHistory, ParameterType, Tag};
use contract::steps::{ParameterWrite, Progress, PromoteInput, Promoted};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::decide::{Action, action, check_owner, distinct, token, versions_full};
use crate::handle;

const NAME: &str = "/golden/web";
const OTHER: &str = "/golden/db";
const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const FOREIGN: &str = "ami-0000000000000000c";
const EXECUTION: &str = "run-1";

fn write_of(name: &str) -> ParameterWrite {
    ParameterWrite {
        parameter_name: name.parse().unwrap(),
        before: OLD.into(),
        after: NEW.parse().unwrap(),
        written: false,
        previous_version: None,
        version: None,
    }
}

fn write() -> ParameterWrite {
    write_of(NAME)
}

fn input() -> PromoteInput {
    input_of(vec![write()])
}

fn input_of(writes: Vec<ParameterWrite>) -> PromoteInput {
    PromoteInput { writes, execution: EXECUTION.into(), overdue: false }
}

fn promoted(status: Progress, written: bool, previous: i64, version: i64) -> Promoted {
    let (previous_version, version) = (Some(previous), Some(version));
    Promoted {
        status,
        writes: vec![ParameterWrite { written, previous_version, version, ..write() }],
    }
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

/// The parameter bears the mark of this write.
fn marked(by: ParameterWrite) -> Rule {
    mock!(Client::list_tags_for_resource)
        .match_requests(|r| r.resource_type().is_some_and(|kind| kind.as_str() == "Parameter"))
        .then_output(move || {
            let tag = Tag::builder().key("DriftlessWrite").value(token(EXECUTION, &by)).build();
            ListTagsForResourceOutput::builder().tag_list(tag.unwrap()).build()
        })
}

/// No parameter bears a mark.
fn unmarked() -> Rule {
    mock!(Client::list_tags_for_resource)
        .then_output(|| ListTagsForResourceOutput::builder().build())
}

/// Takes the mark of a write.
fn takes_the_mark(name: &'static str) -> Rule {
    mock!(Client::add_tags_to_resource)
        .match_requests(move |request| {
            let [tag] = request.tags() else { return false };
            request.resource_id() == Some(name)
                && tag.key() == "DriftlessWrite"
                && tag.value() == token(EXECUTION, &write_of(name))
        })
        .then_output(|| AddTagsToResourceOutput::builder().build())
}

fn refuses(code: &'static str) -> Rule {
    mock!(Client::put_parameter).then_error(move || {
        PutParameterError::generic(ErrorMetadata::builder().code(code).message("no").build())
    })
}

/// No stack has this parameter.
fn unowned(name: &'static str) -> Rule {
    mock!(CloudFormation::describe_stack_resources)
        .match_requests(move |r| r.physical_resource_id() == Some(name) && r.stack_name().is_none())
        .then_error(move || {
            let meta = aws_sdk_cloudformation::error::ErrorMetadata::builder();
            let text = format!("Stack for {name} does not exist");
            DescribeStackResourcesError::generic(meta.code("ValidationError").message(text).build())
        })
}

fn resource(physical_id: &str, kind: &str, status: ResourceStatus) -> StackResource {
    StackResource::builder()
        .stack_name("base")
        .logical_resource_id("Image")
        .physical_resource_id(physical_id)
        .resource_type(kind)
        .resource_status(status)
        .build()
}

/// CloudFormation must not be asked.
fn silent() -> CloudFormation {
    mock_client!(aws_sdk_cloudformation, [])
}

#[test]
fn decides_by_what_is_in_place_and_whether_it_wrote() {
    for (written, overdue, current, expected) in [
        (false, false, NEW, Action::InPlace),
        (false, false, OLD, Action::Put),
        (true, false, NEW, Action::InPlace),
        (true, false, OLD, Action::Await),
        (true, true, NEW, Action::InPlace),
        (true, true, OLD, Action::Put),
    ] {
        let write = ParameterWrite { written, ..write() };
        let found = action(&write, current, overdue).unwrap();
        assert_eq!(found, expected, "{written} {overdue} {current}");
        let error = action(&write, FOREIGN, overdue).unwrap_err();
        assert_eq!(error.name(), ErrorName::ConcurrentWrite);
    }
}

#[test]
fn one_parameter_is_written_once_and_takes_one_image() {
    let twice = vec![write(), write_of(OTHER), write()];
    assert_eq!(distinct(twice).unwrap(), [write(), write_of(OTHER)]);
    let conflicting = ParameterWrite { after: FOREIGN.parse().unwrap(), ..write() };
    let error = distinct(vec![write(), conflicting]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("writes[1].after: parameter {NAME} cannot take both {NEW} and {FOREIGN}")
    );
}

#[test]
fn only_a_live_parameter_of_that_name_makes_a_stack_its_owner() {
    use ResourceStatus as Status;
    let many = |physical_id: &str| {
        vec![resource(physical_id, "AWS::EC2::Instance", Status::CreateComplete); 100]
    };
    for (resources, owned) in [
        (vec![], false),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::UpdateComplete)], true),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::DeleteFailed)], true),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::DeleteComplete)], false),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::DeleteSkipped)], false),
        (vec![resource(NAME, "AWS::Logs::LogGroup", Status::CreateComplete)], false),
        (vec![resource(OTHER, "AWS::SSM::Parameter", Status::CreateComplete)], false),
        // CloudFormation lists a hundred of the stack's resources, and it is not among them.
        (many("i-1"), true),
        (many(NAME), false),
    ] {
        assert_eq!(check_owner(NAME, &resources).is_err(), owned, "{resources:?}");
    }
}

#[test]
fn the_first_look_need_not_say_that_nothing_was_written() {
    let json = serde_json::json!({
        "writes": [{"parameterName": NAME, "before": OLD, "after": NEW}],
        "execution": EXECUTION
    });
    assert_eq!(serde_json::from_value::<PromoteInput>(json).unwrap(), input());
}

#[tokio::test]
async fn writes_once_and_reads_back() {
    let (get, put, owner) = (reads(NAME, [(OLD, 1), (NEW, 2)]), accepts_the_write(), unowned(NAME));
    let ssm = mock_client!(aws_sdk_ssm, [get, put, unmarked(), takes_the_mark(NAME)]);
    let cloudformation = mock_client!(aws_sdk_cloudformation, [owner]);
    let answer = handle(&ssm, &cloudformation, input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, true, 1, 2));
    assert_eq!((get.num_calls(), put.num_calls(), owner.num_calls()), (2, 1, 1));
}

#[tokio::test]
async fn the_data_type_stays_as_it_is() {
    let get = mock!(Client::get_parameter)
        .sequence()
        .output(|| typed_parameter(OLD, 1, "text"))
        .output(|| typed_parameter(NEW, 2, "text"))
        .build();
    let ssm = mock_client!(
        aws_sdk_ssm,
        [get, accepts(NAME, "text", 2), unmarked(), takes_the_mark(NAME)]
    );
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    let answer = handle(&ssm, &cloudformation, input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, true, 1, 2));
}

#[tokio::test]
async fn what_is_in_place_already_is_neither_written_nor_asked_about() {
    let get = is(NAME, NEW, 7);
    let ssm = mock_client!(aws_sdk_ssm, [get, unmarked()]);
    let answer = handle(&ssm, &silent(), input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, false, 7, 7));
    assert_eq!(get.num_calls(), 1);
}

#[tokio::test]
async fn a_write_that_does_not_show_yet_is_in_progress() {
    let (get, put) = (reads(NAME, [(OLD, 1), (OLD, 1)]), accepts_the_write());
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    let answer = handle(
        &mock_client!(aws_sdk_ssm, [get, put, unmarked(), takes_the_mark(NAME)]),
        &cloudformation,
        input(),
    )
    .await;
    assert_eq!(answer.unwrap(), promoted(Progress::InProgress, true, 1, 1));
}

#[tokio::test]
async fn a_later_look_never_writes_again() {
    for (value, version, status) in [(OLD, 1, Progress::InProgress), (NEW, 2, Progress::Complete)] {
        let get = is(NAME, value, version);
        let ssm = mock_client!(aws_sdk_ssm, [get]);
        let last = promoted(Progress::InProgress, true, 1, 1).writes;
        let answer = handle(&ssm, &silent(), input_of(last)).await.unwrap();
        assert_eq!(answer, promoted(status, true, 1, version));
        assert_eq!(get.num_calls(), 1);
    }
}

#[tokio::test]
async fn a_write_that_an_earlier_call_began_is_waited_for_and_owned_up_to() {
    for (value, version, status) in [(OLD, 1, Progress::InProgress), (NEW, 2, Progress::Complete)] {
        let ssm = mock_client!(aws_sdk_ssm, [is(NAME, value, version), marked(write())]);
        let answer = handle(&ssm, &silent(), input()).await.unwrap();
        assert_eq!(answer, promoted(status, true, version, version));
    }
}

#[tokio::test]
async fn a_write_that_another_decision_began_is_not_this_one() {
    let another = ParameterWrite { after: FOREIGN.parse().unwrap(), ..write() };
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, NEW, 7), marked(another)]);
    let answer = handle(&ssm, &silent(), input()).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, false, 7, 7));
}

#[tokio::test]
async fn a_write_that_was_begun_and_never_made_is_made_when_it_is_overdue() {
    let (get, put) = (reads(NAME, [(OLD, 1), (NEW, 2)]), accepts_the_write());
    let ssm = mock_client!(aws_sdk_ssm, [get, put, takes_the_mark(NAME)]);
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    let last = promoted(Progress::InProgress, true, 1, 1).writes;
    let late = PromoteInput { overdue: true, ..input_of(last) };
    let answer = handle(&ssm, &cloudformation, late).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, true, 1, 2));
    assert_eq!(put.num_calls(), 1);
}

#[tokio::test]
async fn of_several_parameters_each_goes_its_own_way() {
    let gets = (reads(NAME, [(OLD, 1), (NEW, 2)]), is(OTHER, NEW, 7));
    let ssm = mock_client!(
        aws_sdk_ssm,
        [gets.0, gets.1, accepts_the_write(), unmarked(), takes_the_mark(NAME)]
    );
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    let writes = vec![write(), write_of(OTHER)];
    let answer = handle(&ssm, &cloudformation, input_of(writes)).await.unwrap();
    assert_eq!(answer.status, Progress::Complete);
    let told = answer.writes.iter().map(|w| (w.written, w.previous_version, w.version));
    assert_eq!(told.collect::<Vec<_>>(), [(true, Some(1), Some(2)), (false, Some(7), Some(7))]);
}

#[tokio::test]
async fn nothing_is_written_while_one_of_them_cannot_be() {
    let both = || input_of(vec![write(), write_of(OTHER)]);
    // Another has changed the second one.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1), is(OTHER, FOREIGN, 3), unmarked()]);
    let error = handle(&ssm, &silent(), both()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
    // The second one is a stack's.
    let ssm = mock_client!(aws_sdk_ssm, [is(NAME, OLD, 1), is(OTHER, OLD, 3), unmarked()]);
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME), owned(OTHER)]);
    let error = handle(&ssm, &cloudformation, both()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterOwnedByStack);
    assert_eq!(
        error.to_string(),
        "parameter /golden/db is Image of stack base, and writing it would be drift; make one outside any stack"
    );
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
async fn a_value_of_another_writer_that_reads_back_is_noticed() {
    let (get, put) = (reads(NAME, [(OLD, 1), (FOREIGN, 3)]), accepts_the_write());
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    let answer = handle(
        &mock_client!(aws_sdk_ssm, [get, put, unmarked(), takes_the_mark(NAME)]),
        &cloudformation,
        input(),
    )
    .await;
    assert_eq!(answer.unwrap_err().name(), ErrorName::ConcurrentWrite);
}

/// Its write is version 3, so somebody made version 2 after the look.
async fn another_wrote(between: Rule) -> Result<Promoted, crate::Error> {
    let (get, put) = (reads(NAME, [(OLD, 1), (NEW, 3)]), accepts(NAME, "aws:ec2:image", 3));
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    handle(
        &mock_client!(aws_sdk_ssm, [get, put, between, unmarked(), takes_the_mark(NAME)]),
        &cloudformation,
        input(),
    )
    .await
}

#[tokio::test]
async fn a_value_that_was_overwritten_unseen_is_noticed() {
    let error = another_wrote(is("/golden/web:2", FOREIGN, 2)).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
    assert!(error.to_string().starts_with(&format!("another writer put {FOREIGN}")), "{error}");
    // Also when it cannot be read any more.
    let error =
        another_wrote(missing("/golden/web:2", "ParameterVersionNotFound")).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
}

#[tokio::test]
async fn a_write_that_was_sent_twice_for_want_of_an_answer_is_one_write() {
    let answer = another_wrote(is("/golden/web:2", NEW, 2)).await.unwrap();
    assert_eq!(answer, promoted(Progress::Complete, true, 1, 3));
}

#[tokio::test]
async fn two_writers_at_once_are_noticed() {
    let ssm = mock_client!(
        aws_sdk_ssm,
        [is(NAME, OLD, 1), refuses("TooManyUpdates"), unmarked(), takes_the_mark(NAME)]
    );
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    let error = handle(&ssm, &cloudformation, input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ConcurrentWrite);
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
    let ssm = mock_client!(
        aws_sdk_ssm,
        [is(NAME, OLD, 102), refusal, history, unmarked(), takes_the_mark(NAME)]
    );
    let cloudformation = mock_client!(aws_sdk_cloudformation, [unowned(NAME)]);
    let error = handle(&ssm, &cloudformation, input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterVersionsFull);
    assert!(error.to_string().contains("version 3, cannot go because it is labelled stable, 2024"));
    assert_eq!(history.num_calls(), 2);
    assert_eq!(versions_full(NAME, &[]).name(), ErrorName::ParameterVersionsFull);
}

fn missing(name: &'static str, code: &'static str) -> Rule {
    mock!(Client::get_parameter)
        .match_requests(move |request| request.name() == Some(name))
        .then_error(move || GetParameterError::generic(ErrorMetadata::builder().code(code).build()))
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let ssm = mock_client!(aws_sdk_ssm, [missing(NAME, "ParameterNotFound")]);
    let error = handle(&ssm, &silent(), input()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterNotFound);
    assert!(error.to_string().contains(NAME), "{error}");
}
