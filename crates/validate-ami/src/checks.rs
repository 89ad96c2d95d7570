//! The checks that an image has to pass, each a row of one table.

use aws_sdk_ec2::types::{DeviceType, Image, ImageState};
use contract::steps::Verdict;

/// What the `snapshots` check wants.
const ROOT_SNAPSHOT: &str = "a snapshot for the root volume";

/// What has to be and what is; `None` when it cannot be told or does not apply.
type Look = fn(image: &Image, in_use: Option<&Image>) -> Option<(String, String)>;

/// One check. `in_use` is the image in place, where there still is one.
pub struct Check {
    /// The name in the report.
    pub name: &'static str,
    look: Look,
}

/// All checks, in the order of the report.
pub const CHECKS: &[Check] = &[
    // An image boots only when available; `disabled`, `failed` and the rest do not.
    Check {
        name: "state",
        look: |image, _| Some((text(&ImageState::Available), text(image.state.as_ref()?))),
    },
    // Launch templates of Auto Scaling groups take instance-store images too, but AWS Backup
    // makes none: one that is, came from elsewhere.
    Check {
        name: "rootDevice",
        look: |image, _| Some((text(&DeviceType::Ebs), text(image.root_device_type.as_ref()?))),
    },
    // A snapshot may be deleted only after its image, but an image may be registered without.
    Check {
        name: "snapshots",
        look: |image, _| {
            if image.root_device_type.as_ref() != Some(&DeviceType::Ebs) {
                return None;
            }
            let root = image
                .block_device_mappings()
                .iter()
                .find(|device| device.device_name() == image.root_device_name());
            let snapshot = root.and_then(|root| root.ebs()).and_then(|volume| volume.snapshot_id());
            let actual = if snapshot.is_some() { ROOT_SNAPSHOT } else { "none" };
            Some((ROOT_SNAPSHOT.to_owned(), actual.to_owned()))
        },
    },
    // The instance type is the launch template's and stays; an image that differs from the one
    // in use in these does not boot on it.
    Check {
        name: "architecture",
        look: |image, in_use| as_in_use(image, in_use, |image| Some(text(image.architecture()?))),
    },
    Check {
        name: "virtualization",
        look: |image, in_use| {
            as_in_use(image, in_use, |image| Some(text(image.virtualization_type()?)))
        },
    },
    Check {
        name: "bootMode",
        look: |image, in_use| as_in_use(image, in_use, |image| Some(text(image.boot_mode()?))),
    },
];

/// The verdicts on an image.
#[must_use]
pub fn verdicts(image: &Image, in_use: Option<&Image>) -> Vec<Verdict> {
    let verdict = |check: &Check| {
        let (expected, actual) = (check.look)(image, in_use)?;
        let passed = expected == actual;
        Some(Verdict { check: check.name.to_owned(), expected, actual, passed })
    };
    CHECKS.iter().filter_map(verdict).collect()
}

/// The verdict on an image that EC2 does not know.
#[must_use]
pub fn gone() -> Verdict {
    Verdict {
        check: "state".to_owned(),
        expected: text(&ImageState::Available),
        actual: "not there: deregistered, or of another account".to_owned(),
        passed: false,
    }
}

fn as_in_use(
    image: &Image,
    in_use: Option<&Image>,
    property: impl Fn(&Image) -> Option<String>,
) -> Option<(String, String)> {
    Some((property(in_use?)?, property(image)?))
}

fn text(value: &impl AsRef<str>) -> String {
    value.as_ref().to_owned()
}
