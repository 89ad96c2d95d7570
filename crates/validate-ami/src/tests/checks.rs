//! The table of checks, a test for each row.

use aws_sdk_ec2::types::builders::ImageBuilder;
use aws_sdk_ec2::types::{
    ArchitectureType, ArchitectureValues, BootModeType, BootModeValues, DeviceType, Image,
    ImageState, InstanceTypeInfo, ProcessorInfo, SnapshotState, VirtualizationType,
};
use contract::steps::Verdict;
use contract::target::Candidate;

use super::{ACCOUNT, NEW, OLD, TYPE, candidate, device, group, image, known, policy, snapshot};
use crate::checks::{CHECKS, CheckInput, Ec2State, verdicts};

/// A candidate in surroundings that a test changes one thing of.
struct Scene {
    image: Image,
    in_use: Option<Image>,
    known: Ec2State,
}

impl Scene {
    fn of(image: ImageBuilder) -> Self {
        let in_use = Some(super::image(OLD).build());
        Self { image: image.build(), in_use, known: known(Vec::new()) }
    }

    fn verdicts(&self, disabled: &'static str) -> Vec<Verdict> {
        self.verdicts_on(&candidate(NEW), disabled)
    }

    fn verdicts_on(&self, candidate: &Candidate, disabled: &'static str) -> Vec<Verdict> {
        let input = CheckInput {
            candidate,
            image: &self.image,
            in_use: self.in_use.as_ref(),
            groups: &[group("group", Some("web"))],
            known: &self.known,
            policy: &policy(disabled, "true"),
        };
        verdicts(input)
    }

    /// The checks that fail, with what was found and what had to be.
    fn failed(&self) -> Vec<(String, String, String)> {
        let failed = self.verdicts("").into_iter().filter(|verdict| !verdict.passed);
        failed.map(|verdict| (verdict.check, verdict.actual, verdict.expected)).collect()
    }

    #[track_caller]
    fn fails(&self, check: &str, actual: &str, expected: &str) {
        assert_eq!(self.failed(), [(check.to_owned(), actual.to_owned(), expected.to_owned())]);
    }

    /// The images' keys, by snapshot.
    fn with_keys(mut self, keys: &[(&str, &str)]) -> Self {
        let snapshots = keys.iter().map(|(id, key)| (id.to_string(), snapshot(id, Some(*key))));
        self.known.snapshots.extend(snapshots);
        self
    }

    fn with_type(mut self, info: InstanceTypeInfo) -> Self {
        self.known.instance_types.insert(TYPE.to_owned(), info);
        self
    }
}

#[test]
fn a_backup_of_the_same_machine_passes_every_check() {
    let keys = [("snap-of-ami-0000000000000000a", "key"), ("snap-of-ami-0000000000000000c", "key")];
    let scene = Scene::of(image(NEW)).with_keys(&keys);
    let verdicts = scene.verdicts("");
    assert!(verdicts.iter().all(|verdict| verdict.passed), "{verdicts:#?}");
    let names: Vec<_> = verdicts.into_iter().map(|verdict| verdict.check).collect();
    let all = CHECKS.iter().map(|check| check.name);
    assert_eq!(names, all.filter(|check| *check != "tags").collect::<Vec<_>>());
}

#[test]
fn lost_tags_are_reported_and_reject_nothing() {
    let candidate = Candidate { tags_of: Some("i-1".to_owned()), ..candidate(NEW) };
    let verdicts = Scene::of(image(NEW)).verdicts_on(&candidate, "");
    let tags = verdicts.into_iter().find(|verdict| verdict.check == "tags").unwrap();
    assert_eq!(tags.actual, "not on the image; those of its instance i-1 count");
    assert!(tags.passed);
}

#[test]
fn each_check_fails_by_itself() {
    let no_root = vec![device("/dev/xvda", None), device("/dev/xvdb", Some("snap-of-ami-1"))];
    for (image, check, actual, expected) in [
        (image(NEW).state(ImageState::Failed), "state", "failed", "available"),
        (image(NEW).state(ImageState::Disabled), "state", "disabled", "available"),
        (image(NEW).state(ImageState::Deregistered), "state", "deregistered", "available"),
        (image(NEW).owner_id("444455556666"), "owner", "444455556666", ACCOUNT),
        (
            image(NEW).deprecation_time("2026-11-03T12:00:00.000Z"),
            "deprecated",
            "true (since 2026-11-03T12:00:00.000Z)",
            "false",
        ),
        (image(NEW).public(true), "public", "true", "false"),
        (
            image(NEW).root_device_type(DeviceType::InstanceStore),
            "rootDevice",
            "instance-store",
            "ebs",
        ),
        (
            image(NEW).set_block_device_mappings(Some(no_root)),
            "snapshots",
            "none for the root volume",
            "completed",
        ),
        (
            image(NEW).virtualization_type(VirtualizationType::Paravirtual),
            "virtualization",
            "paravirtual",
            "hvm",
        ),
        (image(NEW).boot_mode(BootModeValues::LegacyBios), "bootMode", "legacy-bios", "uefi"),
    ] {
        let mut scene = Scene::of(image);
        // The check of the instance type would have its say on virtualization too.
        scene.known.instance_types.clear();
        scene.fails(check, actual, expected);
    }
}

#[test]
fn an_image_of_another_architecture_is_neither_as_in_use_nor_for_the_instance_type() {
    let failed = Scene::of(image(NEW).architecture(ArchitectureValues::Arm64)).failed();
    let [architecture, instance_type] = failed.try_into().unwrap();
    let row =
        |check: &str, expected: &str| (check.to_owned(), "arm64".to_owned(), expected.to_owned());
    assert_eq!(architecture, row("architecture", "x86_64"));
    assert_eq!(instance_type, row("instanceType", "x86_64 (t3.micro)"));
}

#[test]
fn an_image_that_is_to_be_deprecated_one_day_is_not_yet() {
    let scene = Scene::of(image(NEW).deprecation_time("2026-11-05T00:00:00.000Z"));
    assert_eq!(scene.failed(), []);
}

#[test]
fn every_volume_needs_its_snapshot() {
    let two = || image(NEW).block_device_mappings(device("/dev/xvdb", Some("snap-data")));
    Scene::of(two()).fails("snapshots", "missing (snap-data)", "completed");

    let mut scene = Scene::of(two());
    let mut failed = snapshot("snap-data", None);
    failed.state = Some(SnapshotState::Error);
    scene.known.snapshots.insert("snap-data".to_owned(), failed);
    scene.fails("snapshots", "error (snap-data)", "completed");
}

#[test]
fn the_snapshots_of_another_account_are_not_to_be_seen() {
    let scene = Scene::of(
        image(NEW)
            .owner_id("444455556666")
            .set_block_device_mappings(Some(vec![device("/dev/xvda", Some("snap-of-theirs"))])),
    );
    let verdicts = scene.verdicts("owner");
    assert!(verdicts.iter().all(|verdict| verdict.passed && verdict.check != "snapshots"));
}

#[test]
fn the_instance_type_has_to_boot_the_image() {
    let arm = ProcessorInfo::builder().supported_architectures(ArchitectureType::Arm64).build();
    let arm = InstanceTypeInfo::builder().processor_info(arm).build();
    let scene = Scene::of(image(NEW)).with_type(arm);
    scene.fails("instanceType", "x86_64", "arm64 (t3.micro)");

    let xen = InstanceTypeInfo::builder()
        .supported_virtualization_types(VirtualizationType::Paravirtual)
        .build();
    Scene::of(image(NEW)).with_type(xen).fails("instanceType", "hvm", "paravirtual (t3.micro)");

    let bios = || InstanceTypeInfo::builder().supported_boot_modes(BootModeType::LegacyBios);
    let scene = Scene::of(image(NEW)).with_type(bios().build());
    scene.fails("instanceType", "uefi", "legacy-bios (t3.micro)");

    let mut either = Scene::of(image(NEW).boot_mode(BootModeValues::UefiPreferred));
    either.in_use = None;
    assert_eq!(either.with_type(bios().build()).failed(), []);
}

#[test]
fn a_key_that_is_not_in_use_may_have_no_grant() {
    let (old, new) = ("snap-of-ami-0000000000000000a", "snap-of-ami-0000000000000000c");
    Scene::of(image(NEW)).with_keys(&[(old, "key-1"), (new, "key-2")]).fails(
        "encryption",
        "key-2 (Auto Scaling's service-linked role needs a grant on it)",
        "key-1",
    );
    // Whether it has one is unknown if nothing in use is encrypted.
    assert_eq!(Scene::of(image(NEW)).with_keys(&[(new, "key-2")]).failed(), []);
    assert_eq!(Scene::of(image(NEW)).with_keys(&[(old, "key-1")]).failed(), []);
}

#[test]
fn what_cannot_be_told_gives_no_verdict() {
    let mut scene = Scene::of(image(NEW));
    scene.in_use = None;
    scene.known.instance_types.clear();
    let names: Vec<_> = scene.verdicts("").into_iter().map(|verdict| verdict.check).collect();
    assert_eq!(
        names,
        ["state", "owner", "deprecated", "public", "rootDevice", "snapshots", "backup", "lifetime"]
    );
}

#[test]
fn a_check_that_is_turned_off_gives_no_verdict() {
    let scene = Scene::of(image(NEW).public(true));
    let names: Vec<_> = scene.verdicts("public").into_iter().map(|v| v.check).collect();
    assert!(!names.contains(&"public".to_owned()) && names.contains(&"owner".to_owned()));
}
