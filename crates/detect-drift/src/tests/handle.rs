//! The handler against rules.

use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
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
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput;
use aws_sdk_ec2::types::{Image, ImageState, LaunchTemplateVersion, ResponseLaunchTemplateData};
use contract::steps::{DriftInput, DriftReport, Progress, StackDrift};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::*;
use crate::{Clients, Error, handle};

async fn run(
    rules: [Rule; 3],
    boots: &'static str,
    stack: StackDrift,
    before: Vec<StackDrift>,
) -> Result<DriftReport, Error> {
    let [detect, status, resources] = rules;
    let groups = mock!(AutoScaling::describe_auto_scaling_groups)
        .match_requests(|request| request.auto_scaling_group_names() == ["web-group"])
        .then_output(|| {
            let group = AutoScalingGroup::builder().auto_scaling_group_name("web-group");
            let group = group
                .launch_template(
                    LaunchTemplateSpecification::builder()
                        .launch_template_id("lt-1")
                        .version("3")
                        .build(),
                )
                .build();
            DescribeAutoScalingGroupsOutput::builder().auto_scaling_groups(group).build()
        });
    let versions = mock!(aws_sdk_ec2::Client::describe_launch_template_versions)
        .match_requests(|request| {
            request.launch_template_id() == Some("lt-1")
                && request.versions() == ["3"]
                && request.resolve_alias() == Some(true)
        })
        .then_output(move || {
            let data = ResponseLaunchTemplateData::builder().image_id(boots).build();
            let version = LaunchTemplateVersion::builder().launch_template_data(data).build();
            DescribeLaunchTemplateVersionsOutput::builder()
                .launch_template_versions(version)
                .build()
        });
    let images = mock!(aws_sdk_ec2::Client::describe_images)
        .match_requests(move |request| {
            let [filter] = request.filters() else { return false };
            filter.name() == Some("image-id")
                && filter.values() == [boots]
                && request.include_disabled() == Some(true)
                && request.include_deprecated() == Some(true)
        })
        .then_output(|| {
            let image = Image::builder().image_id(NEW).state(ImageState::Available).build();
            DescribeImagesOutput::builder().images(image).build()
        });
    let clients = Clients {
        autoscaling: mock_client!(aws_sdk_autoscaling, [groups]),
        cloudformation: mock_client!(aws_sdk_cloudformation, [detect, status, resources]),
        ec2: mock_client!(aws_sdk_ec2, [versions, images]),
    };
    let groups = vec![group(None, None)];
    handle(&clients, DriftInput { stacks: vec![stack], groups, before, proof: None }).await
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
async fn the_first_look_starts_and_the_next_one_follows() {
    let in_progress = || stands(Detecting::DetectionInProgress, None);
    let rules = || [detects(), in_progress(), resources(StackResourceDriftStatus::InSync)];
    let first = run(rules(), NEW, stack(None, None), vec![]).await.unwrap();
    assert_eq!((first.status, &first.stacks[0]), (Progress::InProgress, &stack(Some("d-1"), None)));
    let next = run(rules(), NEW, first.stacks[0].clone(), vec![]).await.unwrap();
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
    let report = run(rules, NEW, stack(Some("d-0"), None), vec![]).await.unwrap();
    assert_eq!(
        (report.status, &report.stacks[0]),
        (Progress::InProgress, &stack(Some("d-1"), None))
    );
}

#[tokio::test]
async fn at_the_end_there_is_the_drift_and_what_the_group_boots() {
    let ended = stands(Detecting::DetectionComplete, Some(StackDriftStatus::InSync));
    let rules = [detects(), ended, resources(StackResourceDriftStatus::InSync)];
    let report = run(rules, NEW, stack(Some("d-1"), None), vec![]).await.unwrap();
    assert_eq!((report.status, report.finding), (Progress::Complete, None));
    assert_eq!(report.stacks[0].resources_checked, 2);
    assert_eq!(report.groups, [available(NEW)]);

    let ended = stands(Detecting::DetectionComplete, Some(StackDriftStatus::Drifted));
    let rules = [detects(), ended, resources(StackResourceDriftStatus::Modified)];
    let report = run(rules, OLD, stack(Some("d-1"), None), vec![]).await.unwrap();
    assert_eq!(report.finding.unwrap().name, ErrorName::DriftDetected);
    assert_eq!(report.stacks[0].differences.len(), 2);
    assert_eq!(report.groups, [group(Some(OLD), None)]);
}

#[tokio::test]
async fn old_drift_is_reported_as_such() {
    let ended = stands(Detecting::DetectionComplete, Some(StackDriftStatus::Drifted));
    let rules = [detects(), ended, resources(StackResourceDriftStatus::Modified)];
    let before = drifted(differences(&drift_of(StackResourceDriftStatus::Modified)));
    let report = run(rules, NEW, stack(Some("d-1"), None), vec![before]).await.unwrap();
    assert_eq!(report.finding, None);
    assert_eq!(report.stacks[0].status.as_deref(), Some("DRIFTED"));
    assert!(report.stacks[0].differences.iter().all(|difference| difference.before));
}

#[tokio::test]
async fn without_groups_nothing_but_the_stack_is_looked_at() {
    let ended = stands(Detecting::DetectionComplete, Some(StackDriftStatus::InSync));
    let clients = Clients {
        autoscaling: mock_client!(aws_sdk_autoscaling, []),
        cloudformation: mock_client!(
            aws_sdk_cloudformation,
            [ended, resources(StackResourceDriftStatus::InSync)]
        ),
        ec2: mock_client!(aws_sdk_ec2, []),
    };
    let stacks = vec![stack(Some("d-1"), None)];
    let input = DriftInput { stacks, groups: vec![], before: vec![], proof: None };
    assert_eq!(handle(&clients, input).await.unwrap().status, Progress::Complete);
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
        let error = run(rules, NEW, stack(None, None), vec![]).await.unwrap_err();
        assert_eq!(error.name(), name, "{text}");
    }
    let failed = stands(Detecting::DetectionFailed, None);
    let rules = [detects(), failed, resources(StackResourceDriftStatus::InSync)];
    let error = run(rules, NEW, stack(Some("d-1"), None), vec![]).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::DriftDetectionFailed);
}
