//! What holds for any drift: a difference that was there before is marked and no other, and no
//! property's value is logged.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::DescribeStackDriftDetectionStatusOutput;
use aws_sdk_cloudformation::operation::describe_stack_resource_drifts::DescribeStackResourceDriftsOutput;
use aws_sdk_cloudformation::types::{
    PropertyDifference, StackDriftDetectionStatus, StackDriftStatus, StackResourceDrift,
    StackResourceDriftStatus,
};
use contract::steps::{Difference, DriftInput, DriftStatus};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::arbitrary::text;
use testkit::logged;
use testkit::mock_client;
use testkit::mocks::mock;

use super::{compared, differences, running};
use crate::decide::{answer, finding};
use crate::handle;

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        // Long ones that begin alike.
        "[ab]{1}".prop_map(|end| format!("{}{end}", "x".repeat(1_000))),
    ]
}

fn resource() -> impl Strategy<Value = StackResourceDrift> {
    let status = prop_oneof![
        4 => Just(StackResourceDriftStatus::Modified),
        1 => Just(StackResourceDriftStatus::Deleted),
        1 => text().prop_map(|text| StackResourceDriftStatus::from(text.as_str())),
    ];
    let property = (text(), value(), value()).prop_map(|(path, expected, actual)| {
        let property = PropertyDifference::builder().property_path(path);
        property.expected_value(expected).actual_value(actual).build()
    });
    (text(), status, vec(property, 0..4)).prop_map(|(id, status, properties)| {
        StackResourceDrift::builder()
            .logical_resource_id(id)
            .stack_resource_drift_status(status)
            .set_property_differences(Some(properties))
            .build()
    })
}

proptest! {
    #[test]
    fn a_difference_is_old_only_if_it_is_the_same(
        resources in vec(resource(), 0..4), change in any::<bool>()
    ) {
        let before = compared(DriftStatus::Drifted, &resources, &[]);
        let mut now = resources;
        let mut changed = false;
        let mut properties = now.iter_mut().filter_map(|r| r.property_differences.as_mut());
        if change && let Some(first) = properties.find_map(|properties| properties.first_mut()) {
            // The very last character of it.
            first.actual_value = first.actual_value.as_ref().map(|value| format!("{value}!"));
            changed = true;
        }
        let now = compared(DriftStatus::Drifted, &now, std::slice::from_ref(&before));
        let key = |d: &Difference| (d.logical_id.clone(), d.path.clone(), d.actual.clone());
        let old: Vec<_> = differences(&before).rows.iter().map(key).collect();
        let rows = &differences(&now).rows;
        for found in rows {
            prop_assert_eq!(found.before, old.contains(&key(found)));
        }
        let is_new = rows.is_empty() || rows.iter().any(|d| !d.before);
        prop_assert_eq!(finding(std::slice::from_ref(&now)).is_some(), is_new);
        prop_assert!(changed || rows.is_empty() || !is_new);
    }

    #[test]
    fn a_report_is_of_bounded_length(resources in vec(resource(), 0..40)) {
        let stack = compared(DriftStatus::Drifted, &resources, &[]);
        for difference in &differences(&stack).rows {
            prop_assert!(difference.actual.chars().count() < 300);
            prop_assert!(difference.expected.chars().count() < 300);
        }
        if let Some(finding) = finding(&[stack]) {
            prop_assert!(finding.message.chars().count() < step::MAX_MESSAGE_CHARS + 40);
        }
    }

    #[test]
    fn any_status_of_a_detection_is_looked_at(status in text(), drift in text(), reason in text()) {
        let output = DescribeStackDriftDetectionStatusOutput::builder()
            .detection_status(StackDriftDetectionStatus::from(status.as_str()))
            .stack_drift_status(StackDriftStatus::from(drift.as_str()))
            .detection_status_reason(reason);
        let _ = answer(&output.build());
    }
}

/// The values of a stack's properties may be anything; its log is read by more people.
#[test]
fn no_property_is_logged() {
    let answer = mock!(Client::describe_stack_drift_detection_status).then_output(|| {
        DescribeStackDriftDetectionStatusOutput::builder()
            .detection_status(StackDriftDetectionStatus::DetectionComplete)
            .stack_drift_status(StackDriftStatus::Drifted)
            .build()
    });
    let drifts = mock!(Client::describe_stack_resource_drifts).then_output(|| {
        let property = PropertyDifference::builder().property_path("/Environment/TOKEN");
        let property = property.expected_value("hush-1").actual_value("hush-2").build();
        let resource = StackResourceDrift::builder()
            .logical_resource_id("Function")
            .stack_resource_drift_status(StackResourceDriftStatus::Modified)
            .property_differences(property);
        DescribeStackResourceDriftsOutput::builder().stack_resource_drifts(resource.build()).build()
    });
    let client = mock_client!(aws_sdk_cloudformation, [answer, drifts]);
    let input = DriftInput { stacks: vec![running("1")], before: vec![] };
    let (report, log) = logged(handle(&client, input));
    assert_eq!(differences(&report.unwrap().stacks[0]).rows[0].actual, "hush-2");
    assert!(log.contains("Function/Environment/TOKEN") && !log.contains("hush"), "{log}");
}
