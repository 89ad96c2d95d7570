//! The checks that an image must pass, each a row of one table. A check that does not apply, or
//! that lacks the necessary data, gives no verdict.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::{
    BootModeValues, DeviceType, Image, ImageState, InstanceTypeInfo, Snapshot, SnapshotState,
};
use contract::Gather;
use contract::ids::ImageId;
use contract::steps::Verdict;
use contract::target::{Candidate, Group};

use crate::Policy;
use crate::backups::{Backups, Job, Lifecycle};

/// The state of EC2 and AWS Backup now, besides what the target contains.
#[derive(Debug)]
pub(crate) struct Ec2State {
    /// When it was read.
    pub now: DateTime,
    /// The candidates and the images in place, without those that no longer exist.
    pub images: BTreeMap<ImageId, Image>,
    /// The snapshots of those images, likewise.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// The instance types of the groups.
    pub instance_types: BTreeMap<String, InstanceTypeInfo>,
    /// What AWS Backup knows of the images.
    pub backups: Backups,
}

/// The input of a check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckInput<'a> {
    /// The candidate, as the target has it.
    pub candidate: &'a Candidate,
    /// The candidate, as EC2 has it.
    pub image: &'a Image,
    /// The image in place, if it still exists.
    pub in_use: Option<&'a Image>,
    /// The groups that will boot the image.
    pub groups: &'a [Group],
    /// Everything else that was read.
    pub known: &'a Ec2State,
    /// The operator's policy.
    pub policy: &'a Policy,
}

/// The result of a check: the expected and the actual value, and whether the image passes.
struct Found {
    expected: String,
    actual: String,
    passed: bool,
}

/// One check.
pub(crate) struct Check {
    /// The name in the report, and in the list of disabled checks.
    pub name: &'static str,
    run: fn(CheckInput<'_>) -> Option<Found>,
}

/// All checks, in the order of the report.
pub(crate) const CHECKS: &[Check] = &[
    // An image boots only when available; `disabled`, `failed` and the rest do not.
    Check { name: STATE, run: |s| equal(text(&ImageState::Available), text(s.image.state()?)) },
    // The owner of a shared image can change it or stop sharing it.
    Check { name: "owner", run: |s| equal(&s.policy.account, s.image.owner_id()?) },
    Check { name: "deprecated", run: deprecated },
    // A backup contains everything that the server contained.
    Check { name: "public", run: |s| equal("false", s.image.public()?.to_string()) },
    // Launch templates of Auto Scaling groups accept instance-store images too, but AWS Backup
    // creates none: such an image is not a backup.
    Check {
        name: "rootDevice",
        run: |s| equal(text(&DeviceType::Ebs), text(s.image.root_device_type()?)),
    },
    Check { name: "snapshots", run: snapshots },
    Check { name: "tags", run: tags },
    Check { name: BACKUP, run: backup },
    Check { name: LIFETIME, run: lifetime },
    // The launch template's instance type stays; an image that differs from the one in use in these
    // properties does not boot on it.
    Check { name: "architecture", run: |s| as_in_use(s, |i| i.architecture().map(text)) },
    Check { name: "virtualization", run: |s| as_in_use(s, |i| i.virtualization_type().map(text)) },
    Check { name: "bootMode", run: |s| as_in_use(s, |i| i.boot_mode().map(text)) },
    Check { name: "instanceType", run: instance_type },
    Check { name: "encryption", run: encryption },
];

/// The check that no other check can replace.
const STATE: &str = "state";
/// The checks that AWS Backup is asked for.
pub(crate) const BACKUP: &str = "backup";
pub(crate) const LIFETIME: &str = "lifetime";

/// The verdicts of all enabled checks on an image.
#[must_use]
pub(crate) fn verdicts(input: CheckInput<'_>) -> Vec<Verdict> {
    let verdict = |check: &Check| {
        let Found { expected, actual, passed } = (check.run)(input)?;
        Some(Verdict { check: check.name.to_owned(), expected, actual, passed })
    };
    CHECKS.iter().filter(|check| input.policy.runs(check.name)).filter_map(verdict).collect()
}

/// The verdict on an image that EC2 does not list. It cannot be disabled: there is nothing to
/// promote.
#[must_use]
pub(crate) fn gone() -> Verdict {
    Verdict {
        check: STATE.to_owned(),
        expected: text(&ImageState::Available),
        actual: "missing (deregistered, or owned by another account)".to_owned(),
        passed: false,
    }
}

/// The snapshots of an image's volumes.
pub(crate) fn snapshot_ids(image: &Image) -> impl Iterator<Item = &str> {
    image.block_device_mappings().iter().filter_map(|device| device.ebs()?.snapshot_id())
}

/// A deprecated image still boots, but its owner has marked it as not to be used.
fn deprecated(s: CheckInput<'_>) -> Option<Found> {
    let Some(time) = s.image.deprecation_time() else { return equal("false", "false") };
    let passed = DateTime::from_str(time, DateTimeFormat::DateTime).ok()? > s.known.now;
    let actual = if passed { "false".to_owned() } else { format!("true (since {time})") };
    Some(Found { expected: "false".to_owned(), actual, passed })
}

/// An image may be registered without a snapshot of its root volume, and an "available" image may
/// have lost its snapshots since.
fn snapshots(s: CheckInput<'_>) -> Option<Found> {
    if s.image.root_device_type() != Some(&DeviceType::Ebs) {
        return None;
    }
    let mut devices = s.image.block_device_mappings().iter();
    let root = devices.find(|device| device.device_name() == s.image.root_device_name());
    let expected = text(&SnapshotState::Completed);
    if root.and_then(|root| root.ebs()?.snapshot_id()).is_none() {
        let actual = "none for the root volume".to_owned();
        return Some(Found { expected, actual, passed: false });
    }
    if s.image.owner_id() != Some(&s.policy.account) {
        // Sharing an image does not share its snapshots.
        return None;
    }
    let wrong = |id: &str| match s.known.snapshots.get(id).map(Snapshot::state) {
        None => Some(format!("missing ({id})")),
        Some(None | Some(SnapshotState::Completed)) => None,
        Some(Some(state)) => Some(format!("{} ({id})", text(state))),
    };
    let wrong: Vec<_> = snapshot_ids(s.image).filter_map(wrong).collect();
    let passed = wrong.is_empty();
    let actual = if passed { expected.clone() } else { wrong.join(", ") };
    Some(Found { expected, actual, passed })
}

/// An image that has lost its tags still belongs where its instance belongs, but its report says so:
/// the next backup may lose them after the instance is gone.
fn tags(s: CheckInput<'_>) -> Option<Found> {
    let instance = s.candidate.tags_of.as_deref()?;
    let actual = format!("not on the image; those of its instance {instance} count");
    Some(Found { expected: "on the image".to_owned(), actual, passed: true })
}

/// A backup that is "completed with issues" (a failed VSS snapshot, say) has the state COMPLETED
/// too. Most issues say nothing against the image, such as one about tags or network interfaces.
fn backup(s: CheckInput<'_>) -> Option<Found> {
    let backups = &s.known.backups;
    let event = Job::saying(s.candidate.status_message.as_deref(), None);
    let (job, unknown) = match backups.jobs.get(&s.candidate.image_id) {
        Some(job) => (job, None),
        None if event.issues().is_some() => (&event, None),
        // It was never a backup of an instance.
        None if s.image.source_instance_id().is_none() => return None,
        None => (&event, Some(backups.denied.as_deref().unwrap_or(NO_JOB))),
    };
    let (actual, passed) = match (job.issues(), unknown) {
        (None, None) => ("completed".to_owned(), true),
        (None, Some(reason)) => (format!("not known: {reason}"), true),
        (Some(issues), _) if s.policy.is_harmful(job) => {
            (format!("completed with issues: {issues}"), false)
        }
        (Some(issues), _) => (format!("completed, with a message: {issues}"), true),
    };
    Some(Found { expected: "completed".to_owned(), actual, passed })
}

/// AWS Backup keeps jobs for 30 days (`ListBackupJobs`).
const NO_JOB: &str = "AWS Backup has no job of it from the last 30 days";

/// An image must outlast its use: a group cannot heal into an image that AWS Backup has deleted.
fn lifetime(s: CheckInput<'_>) -> Option<Found> {
    let lifecycle = s.known.backups.lifecycles.get(&s.candidate.image_id)?;
    let passed = lasts(lifecycle, s.known, s.policy);
    let expected = format!("at least {} hours", s.policy.minimum_lifetime_hours);
    Some(Found { expected, actual: lifecycle.describe(), passed })
}

/// Whether an image with this lifecycle lasts as long as it must.
#[must_use]
pub(crate) fn lasts(lifecycle: &Lifecycle, known: &Ec2State, policy: &Policy) -> bool {
    let seconds = i64::from(policy.minimum_lifetime_hours) * 3_600;
    lifecycle.lasts_until(DateTime::from_secs(known.now.secs() + seconds))
}

/// Whether the groups' instance types can boot the image. A property that the image or the type
/// does not report cannot disagree.
fn instance_type(s: CheckInput<'_>) -> Option<Found> {
    let names: BTreeSet<_> = s.groups.iter().filter_map(|g| g.instance_type.as_deref()).gather();
    let types: Vec<_> = names
        .into_iter()
        .filter_map(|name| Some((name, s.known.instance_types.get(name)?)))
        .collect();
    let names: Vec<_> = types.iter().map(|(name, _)| *name).collect();
    match types.iter().find_map(|(name, info)| unsupported(s.image, name, info)) {
        Some(found) => Some(found),
        None if names.is_empty() => None,
        None => equal(names.join(", "), names.join(", ")),
    }
}

/// The first property of the image that the instance type does not have.
fn unsupported(image: &Image, name: &str, info: &InstanceTypeInfo) -> Option<Found> {
    let boot_modes = match image.boot_mode() {
        // With `uefi-preferred`, the image boots with UEFI if the type supports it, else with BIOS.
        Some(BootModeValues::UefiPreferred) => {
            vec![text(&BootModeValues::Uefi), text(&BootModeValues::LegacyBios)]
        }
        mode => mode.map(text).into_iter().collect(),
    };
    let architectures = info.processor_info().map(|info| info.supported_architectures());
    let properties = [
        (texts(image.architecture().as_slice()), texts(architectures.unwrap_or_default())),
        (
            texts(image.virtualization_type().as_slice()),
            texts(info.supported_virtualization_types()),
        ),
        (boot_modes, texts(info.supported_boot_modes())),
    ];
    let is_other = |(has, supported): &(Vec<String>, Vec<String>)| {
        !has.is_empty() && !supported.is_empty() && !has.iter().any(|has| supported.contains(has))
    };
    let (has, supported) = properties.into_iter().find(is_other)?;
    let expected = format!("{} ({name})", supported.join(" or "));
    Some(Found { expected, actual: has.join(" or "), passed: false })
}

/// Auto Scaling launches with its service-linked role, which needs a grant to use a customer
/// managed key; without one the instance dies with `Client.InternalError`. EC2 does not report
/// grants, but a key that is in use has its grant, and a different key may not.
fn encryption(s: CheckInput<'_>) -> Option<Found> {
    let in_use = keys(s.in_use?, s.known);
    let keys = keys(s.image, s.known);
    if in_use.is_empty() || keys.is_empty() {
        return None;
    }
    let others: Vec<_> = keys.difference(&in_use).copied().collect();
    let passed = others.is_empty();
    let actual = if passed {
        keys.into_iter().collect::<Vec<_>>().join(", ")
    } else {
        format!("{} (Auto Scaling's service-linked role needs a grant on it)", others.join(", "))
    };
    let expected = in_use.into_iter().collect::<Vec<_>>().join(", ");
    Some(Found { expected, actual, passed })
}

/// The keys that an image's snapshots are encrypted with.
fn keys<'a>(image: &Image, known: &'a Ec2State) -> BTreeSet<&'a str> {
    let snapshots = snapshot_ids(image).filter_map(|id| known.snapshots.get(id));
    snapshots.filter_map(Snapshot::kms_key_id).gather()
}

fn as_in_use(s: CheckInput<'_>, property: impl Fn(&Image) -> Option<String>) -> Option<Found> {
    equal(property(s.in_use?)?, property(s.image)?)
}

/// A result that passes if both values are equal.
#[expect(clippy::unnecessary_wraps, reason = "a row of the table is an `Option`")]
fn equal(expected: impl Into<String>, actual: impl Into<String>) -> Option<Found> {
    let (expected, actual) = (expected.into(), actual.into());
    let passed = expected == actual;
    Some(Found { expected, actual, passed })
}

fn text(value: &impl AsRef<str>) -> String {
    value.as_ref().to_owned()
}

fn texts(values: &[impl AsRef<str>]) -> Vec<String> {
    values.iter().map(text).collect()
}
