//! Verifies where an image comes from. Being able to tag an instance must not be enough to
//! overwrite a target, so the image must be a backup of an instance in a group that the target
//! feeds.

use std::collections::{BTreeMap, BTreeSet};

use aws::groups;
use contract::Gather;
use contract::steps::{Provenance, ProvenanceVerdict, Verdict};
use contract::target::{Group, Origin, Target};

/// The name of the verdict with the reason why an image was rejected.
pub(crate) const PROVENANCE: &str = "provenance";

/// The current groups and stacks of the candidates' origins and of the target.
#[derive(Debug, Default)]
pub(crate) struct LaunchSources {
    /// By group: the images in its launch templates, with SSM parameters unresolved.
    pub launches: BTreeMap<String, LaunchImages>,
    /// By stack: the name of its root stack; `None` for a root. Stacks that no longer exist are
    /// missing.
    pub roots: BTreeMap<String, Option<String>>,
    /// The groups that boot from the target's SSM parameter by their launch templates, with or
    /// without an instance.
    pub readers: Vec<Group>,
}

/// The images that a group launches, as its launch templates name them, or why they cannot be read.
pub(crate) type LaunchImages = Result<BTreeSet<String>, String>;

/// The groups that [`LaunchSources::launches`] must contain.
#[must_use]
pub(crate) fn group_names(target: &Target) -> BTreeSet<&str> {
    match target {
        Target::Parameter { .. } => groups(target).map(|group| group.group_name.as_str()).gather(),
        Target::Stack { .. } => BTreeSet::new(),
    }
}

/// The stacks that [`LaunchSources::roots`] must contain. CloudFormation names a nested stack after
/// its parent, so a stack with any other name need not be read.
#[must_use]
pub(crate) fn stack_names(target: &Target) -> BTreeSet<&str> {
    match target {
        Target::Parameter { .. } => BTreeSet::new(),
        Target::Stack { name: root, .. } => groups(target)
            .filter_map(|group| group.stack_name.as_ref())
            .map(|name| name.as_str())
            .filter(|name| may_be_nested(name, root.as_str()))
            .gather(),
    }
}

fn groups(target: &Target) -> impl Iterator<Item = &Group> {
    let images = || target.images().into_iter().map(|(_, images)| images);
    let candidates = images().flat_map(|images| &images.candidates);
    let origins = candidates.filter_map(|candidate| candidate.origin.group());
    origins.chain(images().flat_map(|images| &images.groups))
}

fn may_be_nested(stack: &str, root: &str) -> bool {
    stack.strip_prefix(root).is_some_and(|rest| rest.starts_with('-'))
}

/// Whether an image with this origin may be promoted to the target.
#[must_use]
pub(crate) fn provenance(
    target: &Target,
    origin: &Origin,
    sources: &LaunchSources,
    account: &str,
) -> Provenance {
    match origin {
        Origin::Unknown { reason } => unverified(reason.clone()),
        Origin::NoGroup { instance_id } => violated(format!("{instance_id}, which is in no group")),
        Origin::Group { group, .. } => of_group(target, group, sources, account),
    }
}

fn of_group(target: &Target, group: &Group, sources: &LaunchSources, account: &str) -> Provenance {
    match target {
        Target::Parameter { name, .. } => {
            by_parameter(name.as_str(), &group.group_name, sources, account)
        }
        Target::Stack { name, .. } => by_stack(name.as_str(), group, sources),
    }
}

/// The groups that the target feeds: those that read its parameter, and those of these groups,
/// which live instances named, that it feeds or that cannot be verified. An unrelated instance may
/// carry the target's tag, and its group must be neither checked nor refreshed.
#[must_use]
pub(crate) fn groups_fed_by(
    target: &Target,
    groups: &[Group],
    sources: &LaunchSources,
    account: &str,
) -> Vec<Group> {
    let is_fed = |group: &&Group| {
        of_group(target, group, sources, account).verdict != ProvenanceVerdict::Violated
    };
    let named: Vec<_> = groups.iter().filter(is_fed).cloned().collect();
    let is_named = |group: &&Group| named.iter().any(|other| other.group_name == group.group_name);
    let readers: Vec<_> = sources.readers.iter().filter(|one| !is_named(one)).cloned().collect();
    named.into_iter().chain(readers).collect()
}

fn by_parameter(
    parameter: &str,
    group: &str,
    sources: &LaunchSources,
    account: &str,
) -> Provenance {
    match sources.launches.get(group) {
        None => unverified(format!("group {group} is gone")),
        Some(Err(reason)) => unverified(format!("group {group}: {reason}")),
        Some(Ok(images))
            if images
                .iter()
                .any(|image| groups::version_read(image, parameter, account).is_some()) =>
        {
            VERIFIED
        }
        Some(Ok(images)) if images.is_empty() => {
            violated(format!("group {group}, which has no launch template with an image"))
        }
        Some(Ok(images)) => {
            violated(format!("group {group}, whose launch template boots {}", joined(images)))
        }
    }
}

fn by_stack(stack: &str, group: &Group, sources: &LaunchSources) -> Provenance {
    let name = &group.group_name;
    let Some(of) = group.stack_name.as_ref().map(|name| name.as_str()) else {
        return violated(format!("group {name}, which belongs to no stack"));
    };
    if of == stack {
        return VERIFIED;
    }
    match sources.roots.get(of) {
        Some(Some(root)) if root == stack => VERIFIED,
        None if may_be_nested(of, stack) => unverified(format!("stack {of} is gone")),
        _ => violated(format!("group {name} of stack {of}")),
    }
}

/// The verdict on an image that is rejected because of its provenance.
#[must_use]
pub(crate) fn verdict(target: &Target, provenance: &Provenance) -> Verdict {
    let reason = provenance.reason.clone().unwrap_or_default();
    Verdict {
        check: PROVENANCE.to_owned(),
        expected: match target {
            Target::Parameter { name, .. } => format!("a group that boots from {name}"),
            Target::Stack { name, .. } => format!("a group of stack {name}"),
        },
        actual: match provenance.verdict {
            ProvenanceVerdict::Unverified => format!("unverified ({reason})"),
            _ => reason,
        },
        passed: false,
    }
}

fn joined(images: &BTreeSet<String>) -> String {
    images.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

const VERIFIED: Provenance = Provenance { verdict: ProvenanceVerdict::Verified, reason: None };

fn unverified(reason: String) -> Provenance {
    Provenance { verdict: ProvenanceVerdict::Unverified, reason: Some(reason) }
}

fn violated(reason: String) -> Provenance {
    Provenance { verdict: ProvenanceVerdict::Violated, reason: Some(reason) }
}
