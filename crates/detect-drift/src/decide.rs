//! The decisions of detect-drift, without I/O: the state of a detection, the differences, and the
//! finding.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::DescribeStackDriftDetectionStatusOutput;
use aws_sdk_cloudformation::types::{
    StackDriftDetectionStatus, StackDriftStatus, StackResourceDrift, StackResourceDriftStatus,
};
use aws_sdk_ec2::types::ImageState;
use contract::ErrorName;
use contract::ids::ImageId;
use contract::steps::{Difference, Finding, GroupLaunch, Proof, StackDrift};
use fnv::FnvHasher;
use step::{MAX_MESSAGE_CHARS, truncated};

/// The maximum length of a property's value in the report: it may be a policy or a script.
const MAX_VALUE_CHARS: usize = 200;

/// The state of a drift detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detection {
    /// It is running: poll again.
    Running,
    /// It ended with `IN_SYNC` or `DRIFTED`.
    Ended(String),
    /// It failed for this reason.
    Failed(String),
}

/// Reads `DescribeStackDriftDetectionStatus`. A detection that ends as `UNKNOWN` or `NOT_CHECKED`
/// proves nothing.
#[must_use]
pub(crate) fn detection(answer: &DescribeStackDriftDetectionStatusOutput) -> Detection {
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

/// How many resources CloudFormation compared; it does not support some types.
#[must_use]
pub(crate) fn count_checked(resources: &[StackResourceDrift]) -> usize {
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

/// The properties of a resource that differ from the template.
#[must_use]
pub(crate) fn differences(resource: &StackResourceDrift) -> Vec<Difference> {
    let logical_id = resource.logical_resource_id().unwrap_or("a resource").to_owned();
    if resource.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted) {
        let resource_type = resource.resource_type().unwrap_or("a resource").to_owned();
        let (path, actual) = (String::new(), "deleted".to_owned());
        return vec![Difference {
            logical_id,
            path,
            expected: resource_type,
            actual,
            before: false,
        }];
    }
    let difference = |property: &aws_sdk_cloudformation::types::PropertyDifference| Difference {
        logical_id: logical_id.clone(),
        path: property.property_path().unwrap_or_default().to_owned(),
        expected: truncated_with_hash(property.expected_value().unwrap_or_default()),
        actual: truncated_with_hash(property.actual_value().unwrap_or_default()),
        before: false,
    };
    resource.property_differences().iter().map(difference).collect()
}

/// A value as it is reported. The hash distinguishes a truncated value from others with the same
/// beginning; it is the same in every process.
fn truncated_with_hash(value: &str) -> String {
    let truncated = truncated(value, MAX_VALUE_CHARS);
    if truncated == value {
        return truncated;
    }
    let mut hasher = FnvHasher::default();
    hasher.write(value.as_bytes());
    format!("{truncated} #{:016x}", hasher.finish())
}

/// Marks the differences that existed before the promotion: the same property of the same resource
/// with the same value. The value in the template may have changed since.
pub(crate) fn mark_before(stacks: &mut [StackDrift], before: &[StackDrift]) {
    for stack in stacks {
        let earlier: Vec<_> = before
            .iter()
            .filter(|earlier| earlier.stack_name == stack.stack_name)
            .flat_map(|earlier| &earlier.differences)
            .collect();
        for found in &mut stack.differences {
            found.before = earlier.iter().any(|earlier| {
                (&earlier.logical_id, &earlier.path, &earlier.actual)
                    == (&found.logical_id, &found.path, &found.actual)
            });
        }
    }
}

/// One row for each image that the group may boot; a mixed instances group may boot several.
/// Without an image, one row without one.
#[must_use]
pub(crate) fn rows(group: GroupLaunch, images: BTreeSet<String>) -> Vec<GroupLaunch> {
    if images.is_empty() {
        return vec![GroupLaunch { boots: None, ..group }];
    }
    let row = |image| GroupLaunch { boots: Some(image), ..group.clone() };
    images.into_iter().map(row).collect()
}

/// Of the stack's groups that no live instance has told of, by what they boot: those that boot from
/// the target, with the image that each has to boot. The others have nothing to do with it.
///
/// A group that has one of the new images boots from the target. One that still has an image from
/// before may as well boot from another parameter of the stack, so it counts only where no other
/// group is known.
#[must_use]
pub(crate) fn unseen(
    proof: &Proof,
    booted: &BTreeMap<String, BTreeSet<String>>,
    known: &[GroupLaunch],
) -> Vec<GroupLaunch> {
    let is_unseen = |name: &&String| known.iter().all(|group| group.group_name != **name);
    let unseen = || booted.iter().filter(|(name, _)| is_unseen(name));
    let has = |boots: &BTreeSet<String>, images: &[ImageId]| {
        images.iter().find(|image| boots.contains(image.as_str())).cloned()
    };
    let row = |(name, expected): (&String, ImageId)| GroupLaunch::expecting(name.clone(), expected);
    let new: Vec<_> =
        unseen().filter_map(|(name, boots)| Some((name, has(boots, &proof.after)?))).collect();
    if !known.is_empty() || !new.is_empty() {
        return new.into_iter().map(row).collect();
    }
    let Some(expected) = proof.after.first() else { return Vec::new() };
    let old = unseen().filter(|(_, boots)| has(boots, &proof.before).is_some());
    old.map(|(name, _)| row((name, expected.clone()))).collect()
}

/// The finding, if any. Drift comes first, because it may cause a wrong image; then the wrong
/// image, because it may cause an unavailable one.
#[must_use]
pub(crate) fn finding(stacks: &[StackDrift], groups: &[GroupLaunch]) -> Option<Finding> {
    let drifts =
        stacks.iter().filter_map(drift_sentence).map(|text| (ErrorName::DriftDetected, text));
    let others = groups.iter().filter_map(mismatch_sentence);
    let others = others.map(|text| (ErrorName::LaunchImageMismatch, text));
    let gone = groups
        .iter()
        .filter_map(state_sentence)
        .map(|text| (ErrorName::LaunchImageUnavailable, text));
    let (names, sentences): (Vec<_>, Vec<_>) = drifts.chain(others).chain(gone).unzip();
    let message = truncated(sentences.join("; "), MAX_MESSAGE_CHARS);
    Some(Finding { name: *names.first()?, message })
}

/// The drift that did not exist before. The rows decide: a stack may be `IN_SYNC` although its rows
/// are not (coverage-roadmap#2283). A stack that is `DRIFTED` without a row counts as drifted since
/// the promotion.
fn drift_sentence(stack: &StackDrift) -> Option<String> {
    let is_drifted = stack.status.as_deref() == Some(StackDriftStatus::Drifted.as_str());
    let new: Vec<_> = stack.differences.iter().filter(|d| !d.before).collect();
    if new.is_empty() && !(is_drifted && stack.differences.is_empty()) {
        return None;
    }
    let difference = |d: &&Difference| {
        format!("{}{} is {}, the template says {}", d.logical_id, d.path, d.actual, d.expected)
    };
    let differences: Vec<_> = new.iter().map(difference).collect();
    let (name, status) = (&stack.stack_name, stack.status.as_deref().unwrap_or("not checked"));
    let status =
        if is_drifted { "DRIFTED".to_owned() } else { format!("{status} with differences") };
    Some(format!("stack {name} is {status}: {}", differences.join(", ")))
}

fn mismatch_sentence(group: &GroupLaunch) -> Option<String> {
    let GroupLaunch { group_name, expected, boots, .. } = group;
    match boots {
        Some(boots) if boots == expected.as_str() => None,
        Some(boots) => Some(format!("group {group_name} would boot {boots}, not {expected}")),
        None => Some(format!(
            "no image was found that group {group_name} would boot; it has to be {expected}"
        )),
    }
}

/// A disabled image cannot be launched, and a deregistered one has no state at all.
fn state_sentence(group: &GroupLaunch) -> Option<String> {
    let boots = group.boots.as_ref()?;
    let state = group.image_state.as_deref().unwrap_or("gone");
    (state != ImageState::Available.as_str())
        .then(|| format!("image {boots}, which group {} would boot, is {state}", group.group_name))
}
