//! What the tests share: images, candidates and targets with nothing wrong about them.

mod backups;
mod checks;
mod decide;
mod groups;
mod handle;
mod plan;
mod policy;
mod properties;
mod provenance;
mod secrets;
mod several;

use std::collections::BTreeMap;

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::builders::ImageBuilder;
use aws_sdk_ec2::types::{
    ArchitectureType, ArchitectureValues, BlockDeviceMapping, BootModeType, BootModeValues,
    DeviceType, EbsBlockDevice, Image, ImageState, InstanceType, InstanceTypeInfo, ProcessorInfo,
    Snapshot, SnapshotState, VirtualizationType,
};
use contract::steps::Decision;
use contract::target::{
    Candidate, Group, ImageParameter, Images, Origin, Promotion, Run, Selection, Target,
};

use crate::Error;
use crate::Policy;
use crate::backups::{Backups, Job, Lifecycle};
use crate::checks::Ec2State;
use crate::decide::{CurrentValue, Evidence, decision};

const OLD: &str = "ami-0000000000000000a";
const MID: &str = "ami-0000000000000000b";
const NEW: &str = "ami-0000000000000000c";
const ACCOUNT: &str = "111122223333";
const TYPE: &str = "t3.micro";

fn date(id: &str) -> String {
    let day = match id {
        OLD => 1,
        MID => 2,
        _ => 3,
    };
    format!("2026-11-0{day}T03:00:00.000Z")
}

/// The device of an image's volume.
fn device(name: &str, snapshot: Option<&str>) -> BlockDeviceMapping {
    let volume = EbsBlockDevice::builder().set_snapshot_id(snapshot.map(str::to_owned)).build();
    BlockDeviceMapping::builder().device_name(name).ebs(volume).build()
}

fn image(id: &str) -> ImageBuilder {
    Image::builder()
        .image_id(id)
        .owner_id(ACCOUNT)
        .source_instance_id("i-1")
        .public(false)
        .creation_date(date(id))
        .state(ImageState::Available)
        .architecture(ArchitectureValues::X8664)
        .virtualization_type(VirtualizationType::Hvm)
        .boot_mode(BootModeValues::Uefi)
        .root_device_type(DeviceType::Ebs)
        .root_device_name("/dev/xvda")
        .block_device_mappings(device("/dev/xvda", Some(&format!("snap-of-{id}"))))
}

fn snapshot(id: &str, key: Option<&str>) -> Snapshot {
    Snapshot::builder()
        .snapshot_id(id)
        .state(SnapshotState::Completed)
        .set_kms_key_id(key.map(str::to_owned))
        .build()
}

fn t3_micro() -> InstanceTypeInfo {
    let processor = ProcessorInfo::builder().supported_architectures(ArchitectureType::X8664);
    InstanceTypeInfo::builder()
        .instance_type(InstanceType::T3Micro)
        .processor_info(processor.build())
        .supported_virtualization_types(VirtualizationType::Hvm)
        .supported_boot_modes(BootModeType::LegacyBios)
        .supported_boot_modes(BootModeType::Uefi)
        .build()
}

/// AWS Backup knows all images, has nothing to say of them, and deletes none.
fn backups() -> Backups {
    let ids = || [OLD, MID, NEW].map(|id| id.parse().unwrap()).into_iter();
    Backups {
        jobs: ids().map(|id| (id, Job::default())).collect(),
        lifecycles: ids().map(|id| (id, Lifecycle::Endless)).collect(),
        denied: None,
    }
}

/// These images with all their snapshots, on the day after the newest.
fn known(images: Vec<Image>) -> Ec2State {
    let snapshots = [OLD, MID, NEW].map(|id| snapshot(&format!("snap-of-{id}"), None));
    let images = images.into_iter().map(|i| (i.image_id().unwrap().parse().unwrap(), i));
    let snapshots = snapshots.into_iter().map(|s| (s.snapshot_id().unwrap().to_owned(), s));
    Ec2State {
        now: DateTime::from_str("2026-11-04T00:00:00Z", DateTimeFormat::DateTime).unwrap(),
        images: images.collect(),
        snapshots: snapshots.collect(),
        instance_types: BTreeMap::from([(TYPE.to_owned(), t3_micro())]),
        backups: backups(),
    }
}

fn group(name: &str, stack: Option<&str>) -> Group {
    Group {
        group_name: name.into(),
        stack_name: stack.map(|name| name.parse().unwrap()),
        instance_type: Some(TYPE.into()),
    }
}

/// The origin of a backup of a live instance.
fn origin(group: Option<Group>) -> Origin {
    let instance_id = "i-1".to_owned();
    match group {
        Some(group) => Origin::Group { instance_id, group },
        None => Origin::NoGroup { instance_id },
    }
}

/// The origin of a backup of an instance that is gone.
fn unknown_origin() -> Origin {
    Origin::Unknown { reason: "instance i-1 is gone".into() }
}

fn candidate(id: &str) -> Candidate {
    Candidate {
        image_id: id.parse().unwrap(),
        creation_date: date(id),
        origin: origin(Some(group("group", Some("web")))),
        tags_of: None,
        status_message: None,
    }
}

/// The stack `web` with one image parameter, `ImageId`.
fn target(candidates: Vec<Candidate>) -> Promotion {
    let images = Images { candidates, groups: vec![group("group", Some("web"))] };
    let parameters = vec![ImageParameter { key: "ImageId".parse().unwrap(), images }];
    let target = Target::Stack { name: "web".parse().unwrap(), parameters };
    Promotion { target, run: Run::default() }
}

/// The SSM parameter `/golden/web`.
fn parameter_target(candidates: Vec<Candidate>) -> Promotion {
    let images = Images { candidates, groups: vec![group("group", Some("web"))] };
    let target = Target::Parameter { name: "/golden/web".parse().unwrap(), images, readers: None };
    Promotion { target, run: Run::default() }
}

/// The first image parameter's.
fn first(promotion: &mut Promotion) -> &mut Images {
    promotion.target.images_mut().remove(0)
}

fn selecting(selection: Selection, mut promotion: Promotion) -> Promotion {
    promotion.run.selection = selection;
    promotion
}

/// The decision about the first image parameter.
fn decide_first(
    promotion: &Promotion,
    in_place: &CurrentValue,
    evidence: Evidence<'_>,
) -> Result<Decision, Error> {
    let (name, images) = promotion.target.images()[0];
    decision(promotion, name, images, in_place, evidence)
}

fn policy(disabled: &'static str, allow_unverified: &'static str) -> Policy {
    let variable = |name: &str| match name {
        "ACCOUNT_ID" => Some(ACCOUNT.to_owned()),
        "DISABLED_CHECKS" => Some(disabled.to_owned()),
        "ALLOW_UNVERIFIED" => Some(allow_unverified.to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "HARMFUL_MESSAGES" => Some("VSS, PARTIAL_".to_owned()),
        "MINIMUM_LIFETIME_HOURS" => Some("48".to_owned()),
        "PARTITION" => Some("aws".to_owned()),
        _ => None,
    };
    Policy::read(variable).unwrap()
}
