//! detect-drift: how a detection stands, what differs, what is wrong; and the handler against
//! rules.

mod properties;

use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup, LaunchTemplate, LaunchTemplateSpecification, MixedInstancesPolicy,
};
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
    PropertyDifference, StackDriftDetectionStatus as Detecting, StackDriftStatus,
    StackResourceDrift, StackResourceDriftStatus,
};
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput;
use aws_sdk_ec2::types::{Image, ImageState, LaunchTemplateVersion, ResponseLaunchTemplateData};
use contract::steps::{Difference, DriftInput, DriftReport, GroupLaunch, Progress, StackDrift};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::decide::{
    Detection, count_checked, detection, differences, finding, mark_before, template_version,
};
use crate::{Clients, Error, handle};

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";

fn stack(detection_id: Option<&str>, status: Option<&str>) -> StackDrift {
    StackDrift {
        stack_name: "web".parse().unwrap(),
        detection_id: detection_id.map(Into::into),
        status: status.map(Into::into),
        resources_checked: 0,
        differences: Vec::new(),
    }
}

fn group(boots: Option<&str>, state: Option<&str>) -> GroupLaunch {
    GroupLaunch {
        group_name: "web-group".into(),
        expected: NEW.parse().unwrap(),
        boots: boots.map(Into::into),
        image_state: state.map(Into::into),
    }
}

fn available(image: &str) -> GroupLaunch {
    group(Some(image), Some("available"))
}

fn drifted(differences: Vec<Difference>) -> StackDrift {
    StackDrift { differences, ..stack(None, Some("DRIFTED")) }
}

fn drift_of(status: StackResourceDriftStatus) -> StackResourceDrift {
    let property = PropertyDifference::builder()
        .property_path("/LaunchTemplate/Version")
        .expected_value("1")
        .actual_value("2")
        .build();
    let properties = (status == StackResourceDriftStatus::Modified).then(|| vec![property]);
    StackResourceDrift::builder()
        .logical_resource_id("Group")
        .resource_type("AWS::AutoScaling::AutoScalingGroup")
        .stack_resource_drift_status(status)
        .set_property_differences(properties)
        .build()
}

fn template(version: Option<&str>) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder()
        .launch_template_id("lt-1")
        .set_version(version.map(Into::into))
        .build()
}

#[test]
fn only_a_detection_that_says_how_the_stack_is_has_ended_well() {
    let answer = |detecting: Detecting, status: Option<StackDriftStatus>| {
        let answer = DescribeStackDriftDetectionStatusOutput::builder();
        let answer = answer.detection_status(detecting).set_stack_drift_status(status);
        detection(&answer.detection_status_reason("why").build())
    };
    let complete = || Detecting::DetectionComplete;
    assert_eq!(answer(Detecting::DetectionInProgress, None), Detection::Running);
    for status in [StackDriftStatus::InSync, StackDriftStatus::Drifted] {
        let ended = Detection::Ended(status.as_str().into());
        assert_eq!(answer(complete(), Some(status)), ended);
    }
    for status in
        [None, Some(StackDriftStatus::from("UNKNOWN")), Some(StackDriftStatus::NotChecked)]
    {
        assert!(matches!(answer(complete(), status), Detection::Failed(_)));
    }
    let failed = answer(Detecting::DetectionFailed, Some(StackDriftStatus::InSync));
    assert_eq!(failed, Detection::Failed("why (the stack is IN_SYNC)".into()));
}

#[test]
fn a_changed_property_and_a_deleted_resource_are_differences() {
    let changed = differences(&drift_of(StackResourceDriftStatus::Modified));
    assert_eq!(
        (changed[0].path.as_str(), changed[0].actual.as_str()),
        ("/LaunchTemplate/Version", "2")
    );
    let deleted = differences(&drift_of(StackResourceDriftStatus::Deleted));
    assert_eq!((deleted[0].path.as_str(), deleted[0].actual.as_str()), ("", "deleted"));
    assert!(differences(&drift_of(StackResourceDriftStatus::InSync)).is_empty());
}

#[test]
fn what_has_no_model_is_not_counted_as_checked() {
    let all = StackResourceDriftStatus::values().iter();
    let all: Vec<_> = all.map(|name| drift_of(StackResourceDriftStatus::from(*name))).collect();
    assert_eq!(count_checked(&all), 3);
}

#[test]
fn the_launch_template_is_found_wherever_the_group_names_it() {
    let found =
        template_version(&AutoScalingGroup::builder().launch_template(template(Some("7"))).build());
    assert_eq!(found.unwrap().version, "7");
    let mixed = LaunchTemplate::builder().launch_template_specification(template(None)).build();
    let mixed = MixedInstancesPolicy::builder().launch_template(mixed).build();
    let found =
        template_version(&AutoScalingGroup::builder().mixed_instances_policy(mixed).build());
    assert_eq!(found.unwrap().version, "$Default");
    let old = AutoScalingGroup::builder().launch_configuration_name("lc").build();
    assert_eq!(template_version(&old), None);
}

#[test]
fn in_sync_and_booting_an_image_that_boots_is_the_proof_and_either_alone_is_not() {
    let (in_sync, drifted) = (stack(None, Some("IN_SYNC")), drifted(Vec::new()));
    assert_eq!(finding(std::slice::from_ref(&in_sync), &[available(NEW)]), None);
    for (stack, group, name) in [
        (&drifted, available(NEW), ErrorName::DriftDetected),
        (&drifted, available(OLD), ErrorName::DriftDetected),
        (&drifted, group(Some(NEW), None), ErrorName::DriftDetected),
        (&in_sync, available(OLD), ErrorName::LaunchImageMismatch),
        (&in_sync, group(Some(OLD), None), ErrorName::LaunchImageMismatch),
        (&in_sync, group(None, None), ErrorName::LaunchImageMismatch),
    ] {
        assert_eq!(finding(std::slice::from_ref(stack), &[group]).unwrap().name, name);
    }
}

#[test]
fn only_an_available_image_boots() {
    for state in ImageState::values() {
        let found = finding(&[], &[group(Some(NEW), Some(state))]).map(|found| found.name);
        let expected = (*state != "available").then_some(ErrorName::LaunchImageUnavailable);
        assert_eq!(found, expected, "{state}");
    }
    let gone = finding(&[], &[group(Some(NEW), None)]).unwrap();
    assert_eq!(gone.name, ErrorName::LaunchImageUnavailable);
    assert_eq!(gone.message, format!("image {NEW}, which group web-group would boot, is gone"));
}

#[test]
fn all_that_is_wrong_is_in_the_message() {
    let changed = drifted(differences(&drift_of(StackResourceDriftStatus::Modified)));
    let found = finding(&[changed], &[group(Some(OLD), Some("disabled"))]).unwrap();
    assert_eq!(found.name, ErrorName::DriftDetected);
    assert_eq!(
        found.message,
        format!(
            "stack web is DRIFTED: Group/LaunchTemplate/Version is 2, the template says 1; \
             group web-group would boot {OLD}, not {NEW}; \
             image {OLD}, which group web-group would boot, is disabled"
        )
    );
}

fn difference(path: &str, expected: &str, actual: &str) -> Difference {
    let (logical_id, path) = ("Group".into(), path.into());
    Difference { logical_id, path, expected: expected.into(), actual: actual.into(), before: false }
}

#[test]
fn drift_that_was_there_before_is_kept_and_makes_no_finding() {
    let size = || difference("/MaxSize", "1", "2");
    let elsewhere = StackDrift { stack_name: "other".parse().unwrap(), ..drifted(vec![size()]) };
    for (name, before, after, is_old) in [
        ("no look before", vec![], size(), false),
        ("in sync before", vec![stack(None, Some("IN_SYNC"))], size(), false),
        ("the same", vec![drifted(vec![size()])], size(), true),
        (
            "the template says otherwise now",
            vec![drifted(vec![difference("/MaxSize", "3", "2")])],
            size(),
            true,
        ),
        ("another value", vec![drifted(vec![difference("/MaxSize", "1", "3")])], size(), false),
        ("another property", vec![drifted(vec![difference("/MinSize", "1", "2")])], size(), false),
        ("another stack", vec![elsewhere], size(), false),
    ] {
        let mut stacks = [drifted(vec![after])];
        mark_before(&mut stacks, &before);
        assert_eq!(stacks[0].differences[0].before, is_old, "{name}");
        assert_eq!(finding(&stacks, &[]).is_none(), is_old, "{name}");
    }
}

#[test]
fn of_old_and_new_drift_the_message_has_the_new() {
    let mut stacks =
        [drifted(vec![difference("/MaxSize", "1", "2"), difference("/MinSize", "1", "0")])];
    mark_before(&mut stacks, &[drifted(vec![difference("/MaxSize", "1", "2")])]);
    let message = finding(&stacks, &[]).unwrap().message;
    assert_eq!(message, "stack web is DRIFTED: Group/MinSize is 0, the template says 1");
    assert_eq!(stacks[0].differences.len(), 2);
}

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
            let group = group.launch_template(template(Some("3"))).build();
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
    handle(&clients, DriftInput { stacks: vec![stack], groups, before }).await
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
    let input = DriftInput { stacks, groups: vec![], before: vec![] };
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
