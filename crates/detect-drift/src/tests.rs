//! detect-drift: how a detection stands, what differs, what is wrong. The handler is in `handle`.

mod handle;
mod properties;

use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::DescribeStackDriftDetectionStatusOutput;
use aws_sdk_cloudformation::types::{
    PropertyDifference, StackDriftDetectionStatus as Detecting, StackDriftStatus,
    StackResourceDrift, StackResourceDriftStatus,
};
use aws_sdk_ec2::types::ImageState;
use contract::ErrorName;
use contract::steps::{Difference, GroupLaunch, Proof, StackDrift};

use crate::decide::{
    Detection, count_checked, detection, differences, finding, mark_before, rows, unseen,
};

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

/// coverage-roadmap#2283: the stack's summary says `IN_SYNC` while rows are MODIFIED.
#[test]
fn rows_decide_about_drift_and_not_the_stacks_summary() {
    let with = |status: &str, before: &[bool]| {
        let difference = |&before: &bool| Difference {
            logical_id: "Group".into(),
            path: "/MinSize".into(),
            expected: "1".into(),
            actual: "2".into(),
            before,
        };
        let differences = before.iter().map(difference).collect();
        finding(&[StackDrift { differences, ..stack(Some("d"), Some(status)) }], &[])
    };
    let name = |finding: Option<contract::steps::Finding>| finding.map(|found| found.name);
    assert_eq!(name(with("IN_SYNC", &[])), None);
    assert_eq!(name(with("IN_SYNC", &[true])), None);
    for (status, before) in [
        ("IN_SYNC", &[false][..]),
        ("DRIFTED", &[false]),
        ("DRIFTED", &[true, false]),
        ("DRIFTED", &[]),
    ] {
        assert_eq!(
            name(with(status, before)),
            Some(ErrorName::DriftDetected),
            "{status} {before:?}"
        );
    }
}

#[test]
fn a_group_without_a_live_instance_is_known_by_what_it_boots() {
    const OTHER: &str = "ami-0000000000000000c";
    let images = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect::<Vec<_>>();
    let proof = Proof { stack: None, before: images(&[OLD]), after: images(&[NEW]) };
    let found = |groups: &[(&str, &[&str])], are_others_known: bool| {
        let booted = groups
            .iter()
            .map(|(name, ids)| ((*name).to_owned(), ids.iter().map(ToString::to_string).collect()));
        let known =
            are_others_known.then(|| GroupLaunch::expecting("known".into(), NEW.parse().unwrap()));
        let rows = unseen(&proof, &booted.collect(), known.as_slice());
        assert!(rows.iter().all(|row| row.expected.as_str() == NEW));
        rows.into_iter().map(|row| row.group_name).collect::<Vec<_>>()
    };
    assert_eq!(found(&[("a", &[NEW])], false), ["a"]);
    // An override has an image of its own: the group is the target's all the same.
    assert_eq!(found(&[("a", &[NEW, OTHER])], false), ["a"]);
    // The launch template has not followed; or the group boots from another parameter.
    assert_eq!(found(&[("a", &[OLD])], false), ["a"]);
    assert_eq!(found(&[("a", &[OLD])], true), [""; 0]);
    assert_eq!(found(&[("a", &[OLD]), ("b", &[NEW])], false), ["b"]);
    // Another group of the stack, or a launch template that ignores its parameter.
    assert_eq!(found(&[("a", &[OTHER]), ("b", &[])], false), [""; 0]);
}

#[test]
fn a_group_has_a_row_for_each_image_that_it_may_boot() {
    let group = GroupLaunch::expecting("web-1".into(), NEW.parse().unwrap());
    let boots = |images: &[&str]| {
        let images = images.iter().map(ToString::to_string).collect();
        let rows = rows(group.clone(), images);
        rows.into_iter().map(|row| row.boots).collect::<Vec<_>>()
    };
    assert_eq!(boots(&[]), [None]);
    assert_eq!(boots(&[NEW]), [Some(NEW.to_owned())]);
    // druids/terraform-aws-asg-instance-refresh#15: an override with a launch template of its own.
    assert_eq!(boots(&[NEW, OLD]), [Some(OLD.to_owned()), Some(NEW.to_owned())]);
    let rows = rows(group.clone(), [NEW.to_owned(), OLD.to_owned()].into());
    assert_eq!(finding(&[], &rows).unwrap().name, ErrorName::LaunchImageMismatch);
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
