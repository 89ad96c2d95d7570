//! The handler against rules.

use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_cloudformation::error::ErrorMetadata;
use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::{
    DescribeStackDriftDetectionStatusError, DescribeStackDriftDetectionStatusOutput,
};
use aws_sdk_cloudformation::operation::describe_stack_resource_drifts::DescribeStackResourceDriftsOutput;
use aws_sdk_cloudformation::operation::detect_stack_drift::{
    DetectStackDriftError, DetectStackDriftOutput,
};
use aws_sdk_cloudformation::types::{
    StackDriftDetectionStatus as Detecting, StackDriftStatus, StackResourceDriftStatus,
};
use contract::steps::{DriftInput, DriftReport, DriftStatus, Progress, StackDrift};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::*;
use crate::{Error, handle};

async fn run(
    rules: [Rule; 3],
    stack: StackDrift,
    before: Vec<StackDrift>,
) -> Result<DriftReport, Error> {
    let [detect, status, resources] = rules;
    let client = mock_client!(aws_sdk_cloudformation, [detect, status, resources]);
    handle(&client, DriftInput { stacks: vec![stack], before }).await
}

fn detects() -> Rule {
    mock!(CloudFormation::detect_stack_drift)
        .match_requests(|request| request.stack_name() == Some("web"))
        .then_output(|| DetectStackDriftOutput::builder().stack_drift_detection_id("d-1").build())
}

fn refuses(text: &'static str) -> Rule {
    mock!(CloudFormation::detect_stack_drift).then_error(move || {
        let meta = ErrorMetadata::builder().code("ValidationError").message(text).build();
        DetectStackDriftError::generic(meta)
    })
}

fn stands(detecting: Detecting, status: Option<StackDriftStatus>) -> Rule {
    mock!(CloudFormation::describe_stack_drift_detection_status)
        .match_requests(|request| request.stack_drift_detection_id() == Some("d-1"))
        .then_output(move || {
            let answer = DescribeStackDriftDetectionStatusOutput::builder();
            let answer = answer.detection_status(detecting.clone());
            answer.set_stack_drift_status(status.clone()).build()
        })
}

/// Two pages.
fn resources(status: StackResourceDriftStatus) -> Rule {
    let page = move |next: Option<&str>| {
        DescribeStackResourceDriftsOutput::builder()
            .stack_resource_drifts(drift_of(status.clone()))
            .set_next_token(next.map(Into::into))
            .build()
    };
    let last = page.clone();
    mock!(CloudFormation::describe_stack_resource_drifts)
        .sequence()
        .output(move || page(Some("more")))
        .output(move || last(None))
        .build()
}

#[tokio::test]
async fn the_first_poll_starts_a_detection_and_the_next_one_follows_it() {
    let in_progress = || stands(Detecting::DetectionInProgress, None);
    let rules = || [detects(), in_progress(), resources(StackResourceDriftStatus::InSync)];
    let first = run(rules(), not_started(), vec![]).await.unwrap();
    assert_eq!((first.status, &first.stacks[0]), (Progress::InProgress, &running("d-1")));
    let next = run(rules(), first.stacks[0].clone(), vec![]).await.unwrap();
    assert_eq!(next, first);
}

#[tokio::test]
async fn a_detection_that_cloudformation_has_forgotten_is_started_again() {
    let forgotten = mock!(CloudFormation::describe_stack_drift_detection_status).then_error(|| {
        let text = "Drift detection with id [d-0] does not exist";
        let meta = ErrorMetadata::builder().code("ValidationError").message(text).build();
        DescribeStackDriftDetectionStatusError::generic(meta)
    });
    let rules = [detects(), forgotten, resources(StackResourceDriftStatus::InSync)];
    let report = run(rules, running("d-0"), vec![]).await.unwrap();
    assert_eq!((report.status, &report.stacks[0]), (Progress::InProgress, &running("d-1")));
}

#[tokio::test]
async fn at_the_end_there_is_the_drift() {
    let ended = stands(Detecting::DetectionComplete, Some(StackDriftStatus::InSync));
    let rules = [detects(), ended, resources(StackResourceDriftStatus::InSync)];
    let report = run(rules, running("d-1"), vec![]).await.unwrap();
    assert_eq!((report.status, report.finding), (Progress::Complete, None));
    let resource = drift_of(StackResourceDriftStatus::InSync);
    let two = [resource.clone(), resource];
    assert_eq!(report.stacks, [compared(DriftStatus::InSync, &two, &[])]);

    let ended = stands(Detecting::DetectionComplete, Some(StackDriftStatus::Drifted));
    let rules = [detects(), ended, resources(StackResourceDriftStatus::Modified)];
    let report = run(rules, running("d-1"), vec![]).await.unwrap();
    assert_eq!(name(report.finding), Some(ErrorName::DriftDetected));
    assert_eq!(differences(&report.stacks[0]).rows.len(), 2);
}

#[tokio::test]
async fn old_drift_is_reported_as_such() {
    let ended = stands(Detecting::DetectionComplete, Some(StackDriftStatus::Drifted));
    let rules = [detects(), ended, resources(StackResourceDriftStatus::Modified)];
    let modified = [drift_of(StackResourceDriftStatus::Modified)];
    let before = compared(DriftStatus::Drifted, &modified, &[]);
    let report = run(rules, running("d-1"), vec![before]).await.unwrap();
    assert_eq!(report.finding, None);
    assert!(differences(&report.stacks[0]).rows.iter().all(|difference| difference.before));
}

#[tokio::test]
async fn a_stack_that_is_settled_is_not_read_again() {
    let client = mock_client!(aws_sdk_cloudformation, []);
    let stacks = vec![compared(DriftStatus::InSync, &[], &[])];
    let report = handle(&client, DriftInput { stacks: stacks.clone(), before: vec![] });
    let report = report.await.unwrap();
    assert_eq!((report.status, report.stacks), (Progress::Complete, stacks));
}

#[tokio::test]
async fn what_cannot_be_detected_is_named() {
    for (text, name) in [
        ("Drift detection is already in progress for stack [arn]", ErrorName::DriftDetectionBusy),
        (
            "Drift detection cannot be performed on stack [arn] while in stack status UPDATE_IN_PROGRESS.",
            ErrorName::DriftDetectionBusy,
        ),
        (
            "Drift detection cannot be performed on stack [arn] while in stack status ROLLBACK_COMPLETE.",
            ErrorName::UnexpectedAnswer,
        ),
        ("Stack [web] does not exist", ErrorName::StackNotFound),
    ] {
        let idle = stands(Detecting::DetectionInProgress, None);
        let rules = [refuses(text), idle, resources(StackResourceDriftStatus::InSync)];
        let error = run(rules, not_started(), vec![]).await.unwrap_err();
        assert_eq!(error.name(), name, "{text}");
    }
    let failed = stands(Detecting::DetectionFailed, None);
    let rules = [detects(), failed, resources(StackResourceDriftStatus::InSync)];
    let error = run(rules, running("d-1"), vec![]).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::DriftDetectionFailed);
}
