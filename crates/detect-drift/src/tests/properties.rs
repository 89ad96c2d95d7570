//! What holds for any drift: a difference that was there before is marked and no other, the worst
//! is what is reported, and no property's value is logged.

use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::DescribeStackDriftDetectionStatusOutput;
use aws_sdk_cloudformation::operation::describe_stack_resource_drifts::DescribeStackResourceDriftsOutput;
use aws_sdk_cloudformation::types::{
    PropertyDifference, StackDriftDetectionStatus, StackDriftStatus, StackResourceDrift,
    StackResourceDriftStatus,
};
use aws_sdk_ec2::Client as Ec2;
use contract::ErrorName;
use contract::steps::{Difference, DriftInput, GroupLaunch, StackDrift};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::arbitrary::text;
use testkit::logged;
use testkit::mock_client;
use testkit::mocks::mock;

use super::{NEW, stack};
use crate::decide::{detection, differences, finding, mark_before};
use crate::{Clients, handle};

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

fn drifted(differences: Vec<Difference>) -> StackDrift {
    StackDrift { differences, ..stack(None, Some("DRIFTED")) }
}

fn groups() -> impl Strategy<Value = Vec<GroupLaunch>> {
    let boots = proptest::option::of(prop_oneof![Just(NEW.to_owned()), text()]);
    let state = proptest::option::of(prop_oneof![Just("available".to_owned()), text()]);
    let group = (text(), boots, state).prop_map(|(group_name, boots, image_state)| GroupLaunch {
        group_name,
        expected: NEW.parse().unwrap(),
        boots,
        image_state,
    });
    vec(group, 0..3)
}

proptest! {
    #[test]
    fn a_difference_is_old_only_if_it_is_the_same(
        resources in vec(resource(), 0..4), change in any::<bool>()
    ) {
        let before: Vec<_> = resources.iter().flat_map(differences).collect();
        let mut now = resources;
        let mut changed = false;
        let mut properties = now.iter_mut().filter_map(|r| r.property_differences.as_mut());
        if change && let Some(first) = properties.find_map(|properties| properties.first_mut()) {
            // The very last character of it.
            first.actual_value = first.actual_value.as_ref().map(|value| format!("{value}!"));
            changed = true;
        }
        let now: Vec<_> = now.iter().flat_map(differences).collect();
        let mut stacks = [drifted(now.clone())];
        mark_before(&mut stacks, &[drifted(before.clone())]);
        let key = |d: &Difference| (d.logical_id.clone(), d.path.clone(), d.actual.clone());
        let is_same = |d: &Difference| before.iter().any(|before| key(before) == key(d));
        for (marked, found) in stacks[0].differences.iter().zip(&now) {
            prop_assert_eq!(marked.before, is_same(found));
        }
        let found = finding(&stacks, &[]).map(|finding| finding.name);
        let is_new = now.is_empty() || stacks[0].differences.iter().any(|d| !d.before);
        prop_assert_eq!(found, is_new.then_some(ErrorName::DriftDetected));
        prop_assert!(changed || now.is_empty() || !is_new);
    }

    #[test]
    fn a_report_is_of_bounded_length(resources in vec(resource(), 0..4), groups in groups()) {
        let differences: Vec<_> = resources.iter().flat_map(differences).collect();
        for difference in &differences {
            prop_assert!(difference.actual.chars().count() < 300);
            prop_assert!(difference.expected.chars().count() < 300);
        }
        if let Some(finding) = finding(&[drifted(differences)], &groups) {
            prop_assert!(finding.message.chars().count() < step::MAX_MESSAGE_CHARS + 40);
        }
    }

    #[test]
    fn nothing_is_proved_by_a_group_that_boots_another_image(groups in groups()) {
        let in_sync = stack(None, Some("IN_SYNC"));
        let boots = |group: &GroupLaunch| {
            (group.boots.as_deref(), group.image_state.as_deref()) == (Some(NEW), Some("available"))
        };
        prop_assert_eq!(finding(&[in_sync], &groups).is_none(), groups.iter().all(boots));
    }

    #[test]
    fn any_status_of_a_detection_is_looked_at(status in text(), drift in text(), reason in text()) {
        let answer = DescribeStackDriftDetectionStatusOutput::builder()
            .detection_status(StackDriftDetectionStatus::from(status.as_str()))
            .stack_drift_status(StackDriftStatus::from(drift.as_str()))
            .detection_status_reason(reason);
        let _ = detection(&answer.build());
    }
}

/// The values of a stack's properties may be anything; its log is read by more people.
#[test]
fn no_property_is_logged() {
    let answer = mock!(CloudFormation::describe_stack_drift_detection_status).then_output(|| {
        DescribeStackDriftDetectionStatusOutput::builder()
            .detection_status(StackDriftDetectionStatus::DetectionComplete)
            .stack_drift_status(StackDriftStatus::Drifted)
            .build()
    });
    let drifts = mock!(CloudFormation::describe_stack_resource_drifts).then_output(|| {
        let property = PropertyDifference::builder().property_path("/Environment/TOKEN");
        let property = property.expected_value("hush-1").actual_value("hush-2").build();
        let resource = StackResourceDrift::builder()
            .logical_resource_id("Function")
            .stack_resource_drift_status(StackResourceDriftStatus::Modified)
            .property_differences(property);
        DescribeStackResourceDriftsOutput::builder().stack_resource_drifts(resource.build()).build()
    });
    let clients = Clients {
        autoscaling: mock_client!(aws_sdk_autoscaling, []) as AutoScaling,
        cloudformation: mock_client!(aws_sdk_cloudformation, [answer, drifts]),
        ec2: mock_client!(aws_sdk_ec2, []) as Ec2,
    };
    let input = DriftInput {
        stacks: vec![stack(Some("1"), None)],
        groups: vec![],
        before: vec![],
        proof: None,
    };
    let (report, log) = logged(handle(&clients, input));
    assert_eq!(report.unwrap().stacks[0].differences[0].actual, "hush-2");
    assert!(log.contains("Function/Environment/TOKEN") && !log.contains("hush"), "{log}");
}
