//! The decisions of verify-groups, without I/O: which groups belong to the target, and whether what
//! they boot is right.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::ImageState;
use contract::ErrorName;
use contract::ids::ImageId;
use contract::steps::{ExpectedLaunch, Finding, GroupLaunch, GroupRefresh, Proof, Scope, Verified};
use step::{MAX_MESSAGE_CHARS, rows_within, truncated};

/// What the rows of groups may have in bytes.
const MAX_GROUPS_BYTES: usize = 7 * 1024;

/// The images that each group may boot.
type Booted = BTreeMap<String, BTreeSet<String>>;

/// One row for each image that a group of the target may boot; a mixed instances group may boot
/// several. A group without an image has one row without one. A group that no longer exists has
/// none: an update may have replaced it (`AutoScalingReplacingUpdate`).
#[must_use]
pub(crate) fn rows(proof: &Proof, booted: &Booted) -> Vec<GroupLaunch> {
    let defined = match &proof.scope {
        Scope::Stack(_) => defined_by_stack(proof, booted),
        Scope::Parameter(_) => proof.after.first().map_or_else(Vec::new, |expected| {
            unnamed(proof, booted).map(|(name, _)| expect(name, expected)).collect()
        }),
    };
    let groups = proof.groups.iter().cloned().chain(defined);
    let rows = groups.filter_map(|group| Some(rows_of(&group, booted.get(&group.group_name)?)));
    rows.flatten().collect()
}

fn rows_of(group: &ExpectedLaunch, images: &BTreeSet<String>) -> Vec<GroupLaunch> {
    let row = |boots: Option<&String>| GroupLaunch {
        group_name: group.group_name.clone(),
        expected: group.expected.clone(),
        boots: boots.cloned(),
        image_state: None,
    };
    if images.is_empty() {
        return vec![row(None)];
    }
    images.iter().map(|id| row(Some(id))).collect()
}

/// Of the stack's groups that no live instance has named, by what they boot: those that boot from
/// the target. The others have nothing to do with it.
///
/// A group that has one of the new images boots from the target. One that still has an image from
/// before may as well boot from another parameter of the stack, so it counts only where no other
/// group is known.
fn defined_by_stack(proof: &Proof, booted: &Booted) -> Vec<ExpectedLaunch> {
    let has = |boots: &BTreeSet<String>, images: &[ImageId]| {
        images.iter().find(|image| boots.contains(image.as_str())).cloned()
    };
    let new: Vec<_> = unnamed(proof, booted)
        .filter_map(|(name, boots)| Some(expect(name, &has(boots, &proof.after)?)))
        .collect();
    let is_known = proof.groups.iter().any(|group| booted.contains_key(&group.group_name));
    if is_known || !new.is_empty() {
        return new;
    }
    let Some(expected) = proof.after.first() else { return Vec::new() };
    let old = unnamed(proof, booted).filter(|(_, boots)| has(boots, &proof.before).is_some());
    old.map(|(name, _)| expect(name, expected)).collect()
}

/// The groups that no live instance has named.
fn unnamed<'a>(
    proof: &'a Proof,
    booted: &'a Booted,
) -> impl Iterator<Item = (&'a String, &'a BTreeSet<String>)> {
    let is_named = |name: &str| proof.groups.iter().any(|group| group.group_name == name);
    booted.iter().filter(move |(name, _)| !is_named(name))
}

fn expect(group: &str, image: &ImageId) -> ExpectedLaunch {
    ExpectedLaunch { group_name: group.to_owned(), expected: image.clone() }
}

/// The answer about these rows, whose image states are known.
#[must_use]
pub(crate) fn verified(mut rows: Vec<GroupLaunch>) -> Verified {
    let finding = finding(&rows);
    let mut refresh: Vec<GroupRefresh> = Vec::new();
    for row in &rows {
        if refresh.iter().all(|other| other.group_name != row.group_name) {
            refresh.push(GroupRefresh::expecting(row.group_name.clone(), row.expected.clone()));
        }
    }
    rows.sort_by_key(is_right);
    Verified { groups: rows_within(rows, MAX_GROUPS_BYTES), refresh, finding }
}

fn is_right(row: &GroupLaunch) -> bool {
    mismatch_sentence(row).is_none() && state_sentence(row).is_none()
}

/// The finding, if any. A wrong image comes first, because it may cause an unavailable one.
fn finding(rows: &[GroupLaunch]) -> Option<Finding> {
    let wrong = rows.iter().filter_map(mismatch_sentence);
    let wrong = wrong.map(|text| (ErrorName::LaunchImageMismatch, text));
    let gone = rows.iter().filter_map(state_sentence);
    let gone = gone.map(|text| (ErrorName::LaunchImageUnavailable, text));
    let (names, sentences): (Vec<_>, Vec<_>) = wrong.chain(gone).unzip();
    let message = truncated(sentences.join("; "), MAX_MESSAGE_CHARS);
    Some(Finding { name: *names.first()?, message })
}

fn mismatch_sentence(row: &GroupLaunch) -> Option<String> {
    let GroupLaunch { group_name, expected, boots, .. } = row;
    match boots {
        Some(boots) if boots == expected.as_str() => None,
        Some(boots) => Some(format!("group {group_name} would boot {boots}, not {expected}")),
        None => Some(format!(
            "no image was found that group {group_name} would boot; it must be {expected}"
        )),
    }
}

/// A disabled image cannot be launched, and a deregistered one has no state at all.
fn state_sentence(row: &GroupLaunch) -> Option<String> {
    let boots = row.boots.as_ref()?;
    let state = row.image_state.as_deref().unwrap_or("gone");
    (state != ImageState::Available.as_str())
        .then(|| format!("image {boots}, which group {} would boot, is {state}", row.group_name))
}
