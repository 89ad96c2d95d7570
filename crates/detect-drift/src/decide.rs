//! What detect-drift decides, without a call: how a detection stands, what differs, and whether
//! anything is wrong.

use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::DescribeStackDriftDetectionStatusOutput;
use aws_sdk_cloudformation::types::{
    StackDriftDetectionStatus, StackDriftStatus, StackResourceDrift, StackResourceDriftStatus,
};
use contract::ErrorName;
use contract::steps::{Difference, Finding, GroupLaunch, StackDrift};

/// How a drift detection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detection {
    /// Look again.
    Running,
    /// With `IN_SYNC` or `DRIFTED`.
    Ended(String),
    /// For this reason.
    Failed(String),
}

/// Reads `DescribeStackDriftDetectionStatus`. A detection that ends without a word on the stack
/// (`UNKNOWN`, `NOT_CHECKED`) has proved nothing.
#[must_use]
pub fn detection(answer: &DescribeStackDriftDetectionStatusOutput) -> Detection {
    let reason = answer.detection_status_reason().unwrap_or("no reason given");
    match (answer.detection_status(), answer.stack_drift_status()) {
        (Some(StackDriftDetectionStatus::DetectionInProgress), _) => Detection::Running,
        (
            Some(StackDriftDetectionStatus::DetectionComplete),
            Some(status @ (StackDriftStatus::InSync | StackDriftStatus::Drifted)),
        ) => Detection::Ended(status.as_str().to_owned()),
        (_, status) => {
            let status = status.map_or("no status", StackDriftStatus::as_str);
            Detection::Failed(format!("{reason} (the stack is {status})"))
        }
    }
}

/// How many resources CloudFormation compared; it has no model of some types.
#[must_use]
pub fn count_checked(resources: &[StackResourceDrift]) -> usize {
    let is_checked = |resource: &&StackResourceDrift| {
        matches!(
            resource.stack_resource_drift_status(),
            Some(
                StackResourceDriftStatus::InSync
                    | StackResourceDriftStatus::Modified
                    | StackResourceDriftStatus::Deleted
            )
        )
    };
    resources.iter().filter(is_checked).count()
}

/// What of a resource is not as the template says.
#[must_use]
pub fn differences(resource: &StackResourceDrift) -> Vec<Difference> {
    let logical_id = resource.logical_resource_id().unwrap_or("a resource").to_owned();
    if resource.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted) {
        let resource_type = resource.resource_type().unwrap_or("a resource").to_owned();
        let (path, actual) = (String::new(), "deleted".to_owned());
        return vec![Difference { logical_id, path, expected: resource_type, actual }];
    }
    let difference = |property: &aws_sdk_cloudformation::types::PropertyDifference| Difference {
        logical_id: logical_id.clone(),
        path: property.property_path().unwrap_or_default().to_owned(),
        expected: property.expected_value().unwrap_or_default().to_owned(),
        actual: property.actual_value().unwrap_or_default().to_owned(),
    };
    resource.property_differences().iter().map(difference).collect()
}

/// A version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersion {
    /// The launch template's id.
    pub template_id: String,
    /// A number, `$Latest` or `$Default`.
    pub version: String,
}

/// What a group boots from; `None` for a launch configuration, which has no versions and never
/// takes an image from a parameter.
#[must_use]
pub fn template_version(group: &AutoScalingGroup) -> Option<TemplateVersion> {
    let mixed =
        || group.mixed_instances_policy()?.launch_template()?.launch_template_specification();
    let template = group.launch_template().or_else(mixed)?;
    Some(TemplateVersion {
        template_id: template.launch_template_id()?.to_owned(),
        // Auto Scaling's own default (`LaunchTemplateSpecification`, Version).
        version: template.version().unwrap_or("$Default").to_owned(),
    })
}

/// What is wrong, if anything. Drift comes first: it may be the reason of a wrong image.
#[must_use]
pub fn finding(stacks: &[StackDrift], groups: &[GroupLaunch]) -> Option<Finding> {
    let drifted = StackDriftStatus::Drifted.as_str();
    let is_drifted = |stack: &&StackDrift| stack.status.as_deref() == Some(drifted);
    let drifts: Vec<_> = stacks.iter().filter(is_drifted).map(drift_sentence).collect();
    let is_other = |group: &&GroupLaunch| group.boots.as_deref() != Some(group.expected.as_str());
    let mismatches: Vec<_> = groups.iter().filter(is_other).map(mismatch_sentence).collect();
    let name = match (drifts.is_empty(), mismatches.is_empty()) {
        (true, true) => return None,
        (false, _) => ErrorName::DriftDetected,
        (true, false) => ErrorName::LaunchImageMismatch,
    };
    Some(Finding { name, message: [drifts, mismatches].concat().join("; ") })
}

fn drift_sentence(stack: &StackDrift) -> String {
    let difference = |d: &Difference| {
        format!("{}{} is {}, the template says {}", d.logical_id, d.path, d.actual, d.expected)
    };
    let differences: Vec<_> = stack.differences.iter().map(difference).collect();
    format!("stack {} is DRIFTED: {}", stack.stack_name, differences.join(", "))
}

fn mismatch_sentence(group: &GroupLaunch) -> String {
    match &group.boots {
        Some(boots) => {
            format!("group {} would boot {boots}, not {}", group.group_name, group.expected)
        }
        None => format!(
            "no image was found that group {} would boot; it has to be {}",
            group.group_name, group.expected
        ),
    }
}
