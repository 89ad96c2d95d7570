//! The decisions of plan-update, without I/O: the state of a change set, its changes, and whether a
//! promotion may make them.

use std::collections::BTreeSet;

use aws::refusals;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    ChangeAction, ChangeSetStatus, ChangeSource, Replacement, ResourceAttribute, ResourceChange,
    ResourceChangeDetail, Tag,
};
use contract::ErrorName;
use contract::steps::{Change, Finding, PlannedChange};
use step::{MAX_MESSAGE_CHARS, truncated};

/// The maximum length of an execution's name in a change set's name: all of it.
const MAX_NAME_CHARS: usize = 80;
/// The changes that a promotion may make, by resource type.
const PERMITTED: [(&str, &[&str]); 2] = [
    ("AWS::EC2::LaunchTemplate", &["LaunchTemplateData"]),
    (GROUP, &["LaunchTemplate", "MixedInstancesPolicy"]),
];
/// Added to the sentence about a group that is replaced although the change set does not say so.
const REPLACING: &str = ", replaced because its UpdatePolicy has AutoScalingReplacingUpdate";
const GROUP: &str = "AWS::AutoScaling::AutoScalingGroup";

/// The name of an execution's change set for a stack: the same for a repeated call, and free again
/// once the plan is known. It allows letters, digits and hyphens after a first letter, at most 128
/// (`CreateChangeSet`, `ChangeSetName`); an execution's name has at most 80 (`StartExecution`).
#[must_use]
pub(crate) fn change_set_name(execution: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = execution.chars().map(allowed).take(MAX_NAME_CHARS).collect();
    format!("driftless-{name}")
}

/// The tags that a caller may set: AWS's own begin with `aws:`, such as Service Catalog's, and
/// nobody may send them back (`Tag`, Key).
#[must_use]
pub(crate) fn own_tags(tags: Vec<Tag>) -> Vec<Tag> {
    let is_own = |tag: &Tag| tag.key().is_none_or(|key| !key.starts_with("aws:"));
    tags.into_iter().filter(is_own).collect()
}

/// The state of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Poll again.
    Pending,
    /// Its changes are known, and may be empty.
    Ready,
    /// It failed, for this reason.
    Failed(String),
    /// It has been deleted, or will be.
    Gone,
}

/// Classifies every status of the API (`DescribeChangeSet`, Status); `None` if the change set does
/// not exist.
#[must_use]
pub(crate) fn plan(answer: Option<&DescribeChangeSetOutput>) -> Plan {
    let Some(answer) = answer else { return Plan::Gone };
    let reason = answer.status_reason().unwrap_or("no reason given");
    match answer.status() {
        Some(ChangeSetStatus::CreateComplete) => Plan::Ready,
        Some(ChangeSetStatus::Failed) if refusals::is_no_change(reason) => Plan::Ready,
        Some(ChangeSetStatus::Failed | ChangeSetStatus::DeleteFailed) => {
            Plan::Failed(reason.to_owned())
        }
        Some(
            ChangeSetStatus::DeletePending
            | ChangeSetStatus::DeleteInProgress
            | ChangeSetStatus::DeleteComplete,
        ) => Plan::Gone,
        // CreatePending, CreateInProgress, and statuses that are unknown to this SDK: poll again,
        // within the state machine's bound.
        _ => Plan::Pending,
    }
}

/// A change as it is reported.
#[must_use]
pub(crate) fn planned(change: &ResourceChange) -> PlannedChange {
    PlannedChange {
        logical_id: change.logical_resource_id().unwrap_or("a resource").to_owned(),
        resource_type: change.resource_type().unwrap_or("a type").to_owned(),
        action: change.action().map_or("no action", ChangeAction::as_str).to_owned(),
        replacement: change.replacement().map(|replacement| replacement.as_str().to_owned()),
        properties: properties(change),
    }
}

/// The properties that change, each once: several causes make several details. A change that is not
/// of a property is named by its attribute (`Tags`, `Metadata`, …).
fn properties(change: &ResourceChange) -> Vec<String> {
    let name = |detail: &ResourceChangeDetail| {
        let target = detail.target()?;
        let attribute = target.attribute().map(ResourceAttribute::as_str);
        target.name().or(attribute).map(str::to_owned)
    };
    let names: BTreeSet<_> = change.details().iter().filter_map(name).collect();
    names.into_iter().collect()
}

/// The finding: the changes that a promotion must not make, if any.
#[must_use]
pub(crate) fn finding(
    stack: &str,
    changes: &[ResourceChange],
    images: &[Change],
    replaced: &BTreeSet<String>,
) -> Option<Finding> {
    let is_replaced = |change: &ResourceChange| {
        change.logical_resource_id().is_some_and(|id| replaced.contains(id))
    };
    let excess = changes.iter().filter(|one| is_replaced(one) || !is_permitted(one, images));
    let excess = excess.map(|change| {
        let policy = if is_replaced(change) { REPLACING } else { "" };
        format!("{}{policy}", sentence(change, images))
    });
    let excess: Vec<_> = excess.collect();
    (!excess.is_empty()).then(|| Finding {
        name: ErrorName::PlanTouchesMore,
        message: truncated(
            format!(
                "an update of stack {stack} would change more than launch templates and the versions of them that groups use: {}",
                excess.join("; ")
            ),
            MAX_MESSAGE_CHARS,
        ),
    })
}

fn is_permitted(change: &ResourceChange, images: &[Change]) -> bool {
    let permitted = PERMITTED.iter().find(|(kind, _)| change.resource_type() == Some(kind));
    let properties = properties(change);
    let is_permitted =
        |name: &String| permitted.is_some_and(|(_, permitted)| permitted.contains(&name.as_str()));
    is_of_a_nested_stack(change)
        || change.action() == Some(&ChangeAction::Modify)
            && !may_be_replaced(change)
            && !properties.is_empty()
            && properties.iter().all(is_permitted)
            && foreign_causes(change, images).is_empty()
}

/// The logical ID of a group that the update replaces if its `UpdatePolicy` says so.
#[must_use]
pub(crate) fn conditional_group(change: &ResourceChange) -> Option<&str> {
    let is_conditional = change.replacement() == Some(&Replacement::Conditional);
    let is_group = change.resource_type() == Some(GROUP);
    (is_group && is_conditional).then(|| change.logical_resource_id()).flatten()
}

/// Whether the update would replace the resource. A group's launch template may replace it
/// (`conditionalCreateOnlyProperties` of its registry schema), so every plan has `Conditional` there;
/// real output in code-dot-org#13322.
fn may_be_replaced(change: &ResourceChange) -> bool {
    match change.replacement() {
        None | Some(Replacement::False) => false,
        Some(_) => conditional_group(change).is_none(),
    }
}

/// Whether CloudFormation lists a nested stack because it lists all of them, changed or not
/// (coverage-roadmap#142, #2053).
fn is_of_a_nested_stack(change: &ResourceChange) -> bool {
    // A change of the parameters that the stack passes to it names the property.
    let is_automatic = |detail: &ResourceChangeDetail| {
        let property = detail.target().and_then(|target| target.name());
        detail.change_source() == Some(&ChangeSource::Automatic) && property.is_none()
    };
    change.resource_type() == Some("AWS::CloudFormation::Stack")
        && change.action() == Some(&ChangeAction::Modify)
        && !change.details().is_empty()
        && change.details().iter().all(is_automatic)
}

/// Parameters other than the image parameters that change the resource. CloudFormation reads the
/// value of every SSM-typed parameter again with each update, so an update may change one of them
/// too.
fn foreign_causes<'a>(change: &'a ResourceChange, images: &[Change]) -> BTreeSet<&'a str> {
    let by_parameter = change
        .details()
        .iter()
        .filter(|detail| detail.change_source() == Some(&ChangeSource::ParameterReference))
        .filter_map(ResourceChangeDetail::causing_entity);
    by_parameter.filter(|cause| images.iter().all(|image| image.parameter != *cause)).collect()
}

fn sentence(change: &ResourceChange, images: &[Change]) -> String {
    let PlannedChange { logical_id, resource_type, action, replacement, properties } =
        planned(change);
    let replaced = replacement.filter(|replacement| replacement != Replacement::False.as_str());
    let causes: Vec<_> = foreign_causes(change, images).into_iter().collect();
    let mut text = format!("{action} {logical_id} ({resource_type})");
    for (label, parts) in [
        ("", properties.join(", ")),
        ("by parameter ", causes.join(", ")),
        ("replacement ", replaced.unwrap_or_default()),
    ] {
        if !parts.is_empty() {
            text.push_str(&format!(", {label}{parts}"));
        }
    }
    text
}
