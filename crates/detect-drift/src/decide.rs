//! The decisions of detect-drift, without I/O: the state of a detection, the differences, and the
//! finding.

use std::collections::BTreeSet;
use std::hash::Hasher;

use aws::refusals;
use aws_sdk_cloudformation::operation::describe_stack_drift_detection_status::DescribeStackDriftDetectionStatusOutput;
use aws_sdk_cloudformation::types::{
    StackDriftDetectionStatus, StackDriftStatus, StackResourceDrift, StackResourceDriftStatus,
};
use contract::ErrorName;
use contract::steps::{Detection, Difference, DriftStatus, Finding, StackDrift};
use fnv::FnvHasher;
use step::{MAX_MESSAGE_CHARS, rows_within, truncated};

/// The maximum length of a property's value in the report: it may be a policy or a script.
const MAX_VALUE_CHARS: usize = 200;
/// What the differences of a stack may have in bytes.
const MAX_DIFFERENCES_BYTES: usize = 5 * 1024;
/// The maximum number of fingerprints of a stack, 9 KB. Differences beyond it count as new.
const MAX_FINGERPRINTS: usize = 800;

/// CloudFormation's answer about a drift detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is running: poll again.
    Running,
    /// It ended.
    Ended(DriftStatus),
    /// It failed because AWS throttled what CloudFormation reads for it: start another one.
    Throttled,
    /// It failed for this reason.
    Failed(String),
}

/// Reads `DescribeStackDriftDetectionStatus`. A detection that ends as `UNKNOWN` or `NOT_CHECKED`
/// proves nothing.
#[must_use]
pub(crate) fn answer(answer: &DescribeStackDriftDetectionStatusOutput) -> Answer {
    let reason = answer.detection_status_reason().unwrap_or("no reason given");
    match (answer.detection_status(), answer.stack_drift_status()) {
        (Some(StackDriftDetectionStatus::DetectionInProgress), _) => Answer::Running,
        (Some(StackDriftDetectionStatus::DetectionComplete), Some(StackDriftStatus::InSync)) => {
            Answer::Ended(DriftStatus::InSync)
        }
        (Some(StackDriftDetectionStatus::DetectionComplete), Some(StackDriftStatus::Drifted)) => {
            Answer::Ended(DriftStatus::Drifted)
        }
        _ if refusals::is_throttling_reason(reason) => Answer::Throttled,
        (_, status) => {
            let status = status.map_or("no status", StackDriftStatus::as_str);
            Answer::Failed(format!("{reason} (the stack is {status})"))
        }
    }
}

/// The result of a detection that has ended.
#[must_use]
pub(crate) fn settled(
    status: DriftStatus,
    resources: &[StackResourceDrift],
    before: &BTreeSet<&str>,
) -> Detection {
    let differences = resources.iter().flat_map(differences);
    let mut found: Vec<_> = differences.map(|one| (fingerprint(&one), one)).collect();
    for (fingerprint, difference) in &mut found {
        difference.before = before.contains(fingerprint.as_str());
    }
    // The report has the first ones, and the finding is about new ones.
    found.sort_by_key(|(_, difference)| difference.before);
    let (mut fingerprints, differences): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    fingerprints.truncate(MAX_FINGERPRINTS);
    let (resources_checked, differences) =
        (count_checked(resources), rows_within(differences, MAX_DIFFERENCES_BYTES));
    Detection::Settled { status, resources_checked, differences, fingerprints }
}

/// The fingerprints of this stack's drift before the promotion.
#[must_use]
pub(crate) fn fingerprints_of<'a>(
    stack: &StackDrift,
    before: &'a [StackDrift],
) -> BTreeSet<&'a str> {
    let same = before.iter().filter(|earlier| earlier.stack_name == stack.stack_name);
    let fingerprints = same.flat_map(|earlier| match &earlier.detection {
        Detection::Settled { fingerprints, .. } => fingerprints.as_slice(),
        Detection::NotStarted {} | Detection::Running { .. } => &[],
    });
    fingerprints.map(String::as_str).collect()
}

/// The same for the same property of the same resource with the same value. The value in the
/// template may have changed since. Hundreds of 32 bits each take another one for theirs once in
/// millions of times.
fn fingerprint(Difference { logical_id, path, actual, .. }: &Difference) -> String {
    format!("{:08x}", hash(&[logical_id, path, actual]) & u64::from(u32::MAX))
}

/// How many resources CloudFormation compared; it does not support some types.
fn count_checked(resources: &[StackResourceDrift]) -> usize {
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
fn differences(resource: &StackResourceDrift) -> Vec<Difference> {
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
/// beginning.
fn truncated_with_hash(value: &str) -> String {
    let truncated = truncated(value, MAX_VALUE_CHARS);
    if truncated == value { truncated } else { format!("{truncated} #{:016x}", hash(&[value])) }
}

/// The same in every process.
fn hash(texts: &[&str]) -> u64 {
    let mut hasher = FnvHasher::default();
    for text in texts {
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// Drift that did not exist before, if any.
#[must_use]
pub(crate) fn finding(stacks: &[StackDrift]) -> Option<Finding> {
    let sentences: Vec<_> = stacks.iter().filter_map(sentence).collect();
    let message = truncated(sentences.join("; "), MAX_MESSAGE_CHARS);
    (!sentences.is_empty()).then_some(Finding { name: ErrorName::DriftDetected, message })
}

/// The rows decide: a stack may be `IN_SYNC` although its rows are not (coverage-roadmap#2283). A
/// stack that is `DRIFTED` without a row counts as drifted since the promotion.
fn sentence(StackDrift { stack_name, detection }: &StackDrift) -> Option<String> {
    let Detection::Settled { status, differences, .. } = detection else { return None };
    let new: Vec<_> = differences.rows.iter().filter(|difference| !difference.before).collect();
    let is_drifted = *status == DriftStatus::Drifted;
    if new.is_empty() && !(is_drifted && differences.rows.is_empty()) {
        return None;
    }
    let difference = |d: &&Difference| {
        format!("{}{} is {}, the template says {}", d.logical_id, d.path, d.actual, d.expected)
    };
    let new: Vec<_> = new.iter().map(difference).collect();
    let with = if is_drifted { "" } else { " with differences" };
    Some(format!("stack {stack_name} is {status}{with}: {}", new.join(", ")))
}
