//! detect-drift: the state of a detection, the differences, the finding. The handler is in `handle`.

mod handle;
mod properties;

use std::collections::BTreeSet;

use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::DescribeStackDriftDetectionStatusOutput;
use aws_sdk_cloudformation::types::{
    PropertyDifference, StackDriftDetectionStatus as Detecting, StackDriftStatus,
    StackResourceDrift, StackResourceDriftStatus,
};
use contract::ErrorName;
use contract::output::StepOutput;
use contract::steps::{
    Detection, Difference, DriftReport, DriftStatus, Finding, Progress, Rows, StackDrift,
};
use step::json_bytes;

use crate::decide::{Answer, answer, finding, fingerprints_of, settled};

fn stack(detection: Detection) -> StackDrift {
    StackDrift { stack_name: "web".parse().unwrap(), detection }
}

fn not_started() -> StackDrift {
    stack(Detection::NotStarted {})
}

fn running(id: &str) -> StackDrift {
    stack(Detection::Running { detection_id: id.into() })
}

/// A stack whose detection has ended, with these resources.
fn compared(
    status: DriftStatus,
    resources: &[StackResourceDrift],
    before: &[StackDrift],
) -> StackDrift {
    stack(settled(status, resources, &fingerprints_of(&not_started(), before)))
}

fn differences(stack: &StackDrift) -> &Rows<Difference> {
    match &stack.detection {
        Detection::Settled { differences, .. } => differences,
        other => panic!("{other:?} has not ended"),
    }
}

fn name(found: Option<Finding>) -> Option<ErrorName> {
    found.map(|found| found.name)
}

/// A group with this property changed.
fn changed(path: &str, expected: &str, actual: &str) -> StackResourceDrift {
    let property = PropertyDifference::builder().property_path(path);
    StackResourceDrift::builder()
        .logical_resource_id("Group")
        .stack_resource_drift_status(StackResourceDriftStatus::Modified)
        .property_differences(property.expected_value(expected).actual_value(actual).build())
        .build()
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
        let output = DescribeStackDriftDetectionStatusOutput::builder();
        let output = output.detection_status(detecting).set_stack_drift_status(status);
        answer(&output.detection_status_reason("why").build())
    };
    let complete = || Detecting::DetectionComplete;
    assert_eq!(answer(Detecting::DetectionInProgress, None), Answer::Running);
    for (status, expected) in [
        (StackDriftStatus::InSync, DriftStatus::InSync),
        (StackDriftStatus::Drifted, DriftStatus::Drifted),
    ] {
        assert_eq!(answer(complete(), Some(status.clone())), Answer::Ended(expected));
        assert_eq!(expected.to_string(), status.as_str());
    }
    for status in
        [None, Some(StackDriftStatus::from("UNKNOWN")), Some(StackDriftStatus::NotChecked)]
    {
        assert!(matches!(answer(complete(), status), Answer::Failed(_)));
    }
    // coverage-roadmap#801.
    let throttled = DescribeStackDriftDetectionStatusOutput::builder()
        .detection_status(Detecting::DetectionFailed)
        .detection_status_reason("Rate exceeded");
    assert_eq!(crate::decide::answer(&throttled.build()), Answer::Throttled);
    let failed = answer(Detecting::DetectionFailed, Some(StackDriftStatus::InSync));
    assert_eq!(failed, Answer::Failed("why (the stack is IN_SYNC)".into()));
}

#[test]
fn a_changed_property_and_a_deleted_resource_are_differences() {
    let of = |status| compared(DriftStatus::Drifted, &[drift_of(status)], &[]);
    let changed = of(StackResourceDriftStatus::Modified);
    let first = &differences(&changed).rows[0];
    assert_eq!((first.path.as_str(), first.actual.as_str()), ("/LaunchTemplate/Version", "2"));
    let deleted = of(StackResourceDriftStatus::Deleted);
    let first = &differences(&deleted).rows[0];
    assert_eq!((first.path.as_str(), first.actual.as_str()), ("", "deleted"));
    assert!(differences(&of(StackResourceDriftStatus::InSync)).rows.is_empty());
}

#[test]
fn what_has_no_model_is_not_counted_as_checked() {
    let all = StackResourceDriftStatus::values().iter();
    let all: Vec<_> = all.map(|name| drift_of(StackResourceDriftStatus::from(*name))).collect();
    let Detection::Settled { resources_checked, .. } =
        settled(DriftStatus::Drifted, &all, &BTreeSet::new())
    else {
        panic!("not settled")
    };
    assert_eq!(resources_checked, 3);
}

/// coverage-roadmap#2283: the stack's summary says `IN_SYNC` while rows are MODIFIED.
#[test]
fn rows_decide_about_drift_and_not_the_stacks_summary() {
    let (old, new) = (changed("/MaxSize", "1", "2"), changed("/MinSize", "1", "2"));
    let before = [compared(DriftStatus::Drifted, std::slice::from_ref(&old), &[])];
    for (status, resources, is_drift) in [
        (DriftStatus::InSync, vec![], false),
        (DriftStatus::InSync, vec![old.clone()], false),
        (DriftStatus::InSync, vec![new.clone()], true),
        (DriftStatus::Drifted, vec![old.clone()], false),
        (DriftStatus::Drifted, vec![new.clone()], true),
        (DriftStatus::Drifted, vec![old, new], true),
        (DriftStatus::Drifted, vec![], true),
    ] {
        let found = finding(&[compared(status, &resources, &before)]);
        assert_eq!(
            name(found),
            is_drift.then_some(ErrorName::DriftDetected),
            "{status} {resources:?}"
        );
    }
    assert_eq!(finding(&[not_started(), running("1")]), None);
}

#[test]
fn drift_that_was_there_before_is_kept_and_makes_no_finding() {
    let size = || changed("/MaxSize", "1", "2");
    let drifted = |resource| compared(DriftStatus::Drifted, &[resource], &[]);
    let elsewhere = StackDrift { stack_name: "other".parse().unwrap(), ..drifted(size()) };
    for (case, before, is_old) in [
        ("no detection before", vec![], false),
        ("one that has not ended", vec![running("1")], false),
        ("in sync before", vec![compared(DriftStatus::InSync, &[], &[])], false),
        ("the same", vec![drifted(size())], true),
        ("the template says otherwise now", vec![drifted(changed("/MaxSize", "3", "2"))], true),
        ("another value", vec![drifted(changed("/MaxSize", "1", "3"))], false),
        ("another property", vec![drifted(changed("/MinSize", "1", "2"))], false),
        ("another stack", vec![elsewhere], false),
    ] {
        let now = compared(DriftStatus::Drifted, &[size()], &before);
        assert_eq!(differences(&now).rows[0].before, is_old, "{case}");
        assert_eq!(finding(&[now]).is_none(), is_old, "{case}");
    }
}

#[test]
fn of_old_and_new_drift_the_message_has_the_new() {
    let old = changed("/MaxSize", "1", "2");
    let before = [compared(DriftStatus::Drifted, std::slice::from_ref(&old), &[])];
    let now = compared(DriftStatus::Drifted, &[old, changed("/MinSize", "1", "0")], &before);
    assert_eq!(differences(&now).rows.len(), 2);
    let message = finding(&[now]).unwrap().message;
    assert_eq!(message, "stack web is DRIFTED: Group/MinSize is 0, the template says 1");
}

/// An auto-tagger changed a stack of 500 resources.
#[test]
fn a_report_has_the_first_differences_and_new_ones_are_among_them() {
    let old: Vec<_> = (0..500).map(|n| changed(&format!("/Tags/{n}"), "a", "b")).collect();
    let before = [compared(DriftStatus::Drifted, &old, &[])];
    assert_eq!(differences(&before[0]).more, 500 - Rows::<Difference>::MAX);
    let mut now = old;
    assert_eq!(finding(&[compared(DriftStatus::Drifted, &now, &before)]), None);
    now.push(changed("/MaxSize", "1", "2"));
    let now = compared(DriftStatus::Drifted, &now, &before);
    assert_eq!(differences(&now).rows[0].path, "/MaxSize");
    assert_eq!(name(finding(&[now])), Some(ErrorName::DriftDetected));
}

#[test]
fn the_drift_of_a_stack_of_hundreds_of_changed_resources_fits() {
    // What takes most: every character is four bytes long.
    let (long, other) = ("\u{1f600}".repeat(300), "\u{1f601}".repeat(300));
    let resources: Vec<_> =
        (0..1_200).map(|n| changed(&format!("/Tags/{n}"), &long, &other)).collect();
    let stacks = vec![compared(DriftStatus::Drifted, &resources, &[])];
    let Detection::Settled { differences, fingerprints, .. } = &stacks[0].detection else {
        panic!("it has ended")
    };
    assert!(!differences.rows.is_empty() && differences.rows.len() + differences.more == 1_200);
    assert_eq!(fingerprints.len(), 800);
    let finding = finding(&stacks);
    let report = DriftReport { status: Progress::Complete, stacks, finding };
    let bytes = json_bytes(&report);
    assert!(bytes <= DriftReport::MAX_BYTES, "{bytes} bytes");
}
