//! validate-ami: the table of checks, which image wins, and the handler against rules.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Parameter as StackParameter, Stack};
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::types::builders::ImageBuilder;
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, DeviceType, EbsBlockDevice, Image,
    ImageState, VirtualizationType,
};
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::types::Parameter;
use aws_sdk_ssm::types::error::ParameterNotFound;
use contract::ids::ImageId;
use contract::steps::{DecisionOutcome, ValidateInput};
use contract::target::{Candidate, ImageParameter, Pattern, Target};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::checks::verdicts;
use crate::decide::{decision, wanted};
use crate::{Clients, Error, handle};

const OLD: &str = "ami-0000000000000000a";
const MID: &str = "ami-0000000000000000b";
const NEW: &str = "ami-0000000000000000c";

fn date(id: &str) -> String {
    let day = match id {
        OLD => 1,
        MID => 2,
        _ => 3,
    };
    format!("2026-11-0{day}T03:00:00.000Z")
}

fn image(id: &str) -> ImageBuilder {
    let root = EbsBlockDevice::builder().snapshot_id("snap-1").build();
    Image::builder()
        .image_id(id)
        .creation_date(date(id))
        .state(ImageState::Available)
        .architecture(ArchitectureValues::X8664)
        .virtualization_type(VirtualizationType::Hvm)
        .boot_mode(BootModeValues::Uefi)
        .root_device_type(DeviceType::Ebs)
        .root_device_name("/dev/xvda")
        .block_device_mappings(
            BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(root).build(),
        )
}

fn known(images: Vec<Image>) -> BTreeMap<ImageId, Image> {
    images.into_iter().map(|image| (image.image_id().unwrap().parse().unwrap(), image)).collect()
}

fn parameter(candidates: &[&str]) -> ImageParameter {
    let candidate = |id: &&str| Candidate {
        image_id: id.parse().unwrap(),
        creation_date: date(id),
        source_instance_id: None,
    };
    ImageParameter {
        parameter: "ImageId".into(),
        candidates: candidates.iter().map(candidate).collect(),
        groups: Vec::new(),
    }
}

fn target(pattern: Pattern, name: &str, parameter: ImageParameter) -> Target {
    Target {
        pattern,
        name: name.into(),
        parameters: vec![parameter],
        allow_older: false,
        instance_refresh: false,
    }
}

/// The names of the checks that fail.
fn failed(image: &Image, in_use: Option<&Image>) -> Vec<String> {
    let verdicts = verdicts(image, in_use).into_iter();
    verdicts.filter(|verdict| !verdict.passed).map(|verdict| verdict.check).collect()
}

#[test]
fn a_backup_of_the_same_machine_passes_every_check() {
    let (old, new) = (image(OLD).build(), image(NEW).build());
    assert_eq!(failed(&new, Some(&old)), Vec::<String>::new());
    assert_eq!(verdicts(&new, Some(&old)).len(), crate::checks::CHECKS.len());
}

#[test]
fn each_check_fails_by_itself() {
    let in_use = image(OLD).build();
    let other_root = EbsBlockDevice::builder().volume_size(8).build();
    let other_root = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(other_root);
    for (name, image) in [
        ("state", image(NEW).state(ImageState::Failed)),
        ("state", image(NEW).state(ImageState::Disabled)),
        ("state", image(NEW).state(ImageState::Deregistered)),
        ("rootDevice", image(NEW).root_device_type(DeviceType::InstanceStore)),
        ("snapshots", image(NEW).set_block_device_mappings(Some(vec![other_root.build()]))),
        ("architecture", image(NEW).architecture(ArchitectureValues::Arm64)),
        ("virtualization", image(NEW).virtualization_type(VirtualizationType::Paravirtual)),
        ("bootMode", image(NEW).boot_mode(BootModeValues::LegacyBios)),
    ] {
        assert_eq!(failed(&image.build(), Some(&in_use)), [name]);
    }
}

#[test]
fn without_an_image_in_use_there_is_nothing_to_compare_with() {
    assert_eq!(verdicts(&image(NEW).build(), None).len(), 3);
}

#[track_caller]
fn decides(candidates: &[&str], before: &str, images: Vec<Image>) -> (String, DecisionOutcome) {
    let decided = decision(&parameter(candidates), before, &known(images), false).unwrap();
    (decided.after.to_string(), decided.outcome)
}

#[test]
fn the_newest_that_passes_wins() {
    let images = || vec![image(OLD).build(), image(MID).build(), image(NEW).build()];
    let (new, mid) = (NEW.to_owned(), MID.to_owned());
    assert_eq!(decides(&[NEW, MID], OLD, images()), (new.clone(), DecisionOutcome::Promote));
    assert_eq!(decides(&[NEW, MID], NEW, images()), (new.clone(), DecisionOutcome::Unchanged));
    assert_eq!(decides(&[MID, OLD], NEW, images()), (new.clone(), DecisionOutcome::Superseded));
    assert_eq!(decides(&[NEW], "placeholder", images()), (new, DecisionOutcome::Promote));
    assert_eq!(decides(&[MID], OLD, images()), (mid, DecisionOutcome::Promote));
}

#[test]
fn an_older_image_replaces_a_newer_one_only_when_that_does_not_boot_or_on_demand() {
    let gone = vec![image(OLD).build()];
    assert_eq!(decides(&[OLD], NEW, gone), (OLD.to_owned(), DecisionOutcome::Promote));
    let disabled = vec![image(OLD).build(), image(NEW).state(ImageState::Disabled).build()];
    assert_eq!(decides(&[OLD], NEW, disabled), (OLD.to_owned(), DecisionOutcome::Promote));
    let both = known(vec![image(OLD).build(), image(NEW).build()]);
    let on_demand = decision(&parameter(&[OLD]), NEW, &both, true).unwrap();
    assert_eq!(on_demand.outcome, DecisionOutcome::Promote);
}

#[test]
fn a_newer_one_that_does_not_pass_is_passed_over_and_reported() {
    let images = known(vec![image(MID).build(), image(NEW).state(ImageState::Failed).build()]);
    let decided = decision(&parameter(&[NEW, MID]), OLD, &images, false).unwrap();
    assert_eq!(decided.after.as_str(), MID);
    assert_eq!(decided.rejected.len(), 1);
    assert_eq!(decided.rejected[0].image_id.as_str(), NEW);
    assert_eq!(decided.rejected[0].failed[0].actual, "failed");
}

#[test]
fn a_newer_one_that_is_being_made_is_waited_for() {
    let images = known(vec![image(MID).build(), image(NEW).state(ImageState::Pending).build()]);
    let error = decision(&parameter(&[NEW, MID]), OLD, &images, false).unwrap_err();
    assert_eq!(error.name(), ErrorName::ImagePending);
}

#[test]
fn when_none_passes_every_verdict_is_told() {
    let images = known(vec![image(NEW).state(ImageState::Failed).build()]);
    let error = decision(&parameter(&[NEW, MID]), OLD, &images, false).unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageRejected);
    let text = error.to_string();
    assert!(text.contains(&format!("{NEW}: state is failed, not available")), "{text}");
    assert!(text.contains(&format!("{MID}: state is not there")), "{text}");
}

#[test]
fn every_image_is_asked_for_once_and_a_placeholder_never() {
    let target = target(Pattern::Stack, "web", parameter(&[NEW, OLD]));
    let in_place = |value: &str| BTreeMap::from([("ImageId".to_owned(), value.to_owned())]);
    assert_eq!(wanted(&target, &in_place(OLD)).len(), 2);
    assert_eq!(wanted(&target, &in_place(MID)).len(), 3);
    assert_eq!(wanted(&target, &in_place("placeholder")).len(), 2);
}

fn finds_images() -> Rule {
    mock!(aws_sdk_ec2::Client::describe_images)
        .match_requests(|request| {
            request.filters()[0].values() == [OLD, NEW] && request.include_disabled() == Some(true)
        })
        .then_output(|| {
            let images = [image(OLD).build(), image(NEW).build()];
            DescribeImagesOutput::builder().set_images(Some(images.into())).build()
        })
}

fn stack_has(keys: &'static [&'static str]) -> Rule {
    mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .match_requests(|request| request.stack_name() == Some("web"))
        .then_output(move || {
            let parameter = |key: &&str| {
                StackParameter::builder().parameter_key(*key).parameter_value(OLD).build()
            };
            let parameters = keys.iter().map(parameter).collect();
            let stack = Stack::builder().stack_name("web").set_parameters(Some(parameters)).build();
            DescribeStacksOutput::builder().stacks(stack).build()
        })
}

async fn run(pattern: Pattern, rules: [Rule; 3]) -> Result<DecisionOutcome, Error> {
    let [stacks, images, parameters] = rules;
    let clients = Clients {
        cloudformation: mock_client!(aws_sdk_cloudformation, [stacks]),
        ec2: mock_client!(aws_sdk_ec2, [images]),
        ssm: mock_client!(aws_sdk_ssm, [parameters]),
    };
    let mut parameter = parameter(&[NEW]);
    let name = if pattern == Pattern::Stack { "web" } else { "/golden/web" };
    if pattern == Pattern::Parameter {
        parameter.parameter = name.to_owned();
    }
    let target = target(pattern, name, parameter);
    handle(&clients, ValidateInput { target }).await.map(|validated| validated.images[0].outcome)
}

fn parameter_reads() -> Rule {
    mock!(aws_sdk_ssm::Client::get_parameter)
        .match_requests(|request| request.name() == Some("/golden/web"))
        .then_output(|| {
            let parameter = Parameter::builder().value(OLD).build();
            GetParameterOutput::builder().parameter(parameter).build()
        })
}

#[tokio::test]
async fn a_parameter_and_a_stack_are_read_and_decided_on() {
    for pattern in [Pattern::Parameter, Pattern::Stack] {
        let rules = [stack_has(&["ImageId"]), finds_images(), parameter_reads()];
        assert_eq!(run(pattern, rules).await.unwrap(), DecisionOutcome::Promote);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let missing = mock!(aws_sdk_ssm::Client::get_parameter).then_error(|| {
        let meta = aws_sdk_ssm::error::ErrorMetadata::builder().code("ParameterNotFound").build();
        GetParameterError::ParameterNotFound(ParameterNotFound::builder().meta(meta).build())
    });
    let error =
        run(Pattern::Parameter, [stack_has(&[]), finds_images(), missing]).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterNotFound);

    let rules = [stack_has(&["Size", "WebImageId"]), finds_images(), parameter_reads()];
    let error = run(Pattern::Stack, rules).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterKeyNotFound);
    assert_eq!(
        error.to_string(),
        "stack web has no parameter ImageId; its parameters are: Size, WebImageId"
    );

    let none = mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .then_output(|| DescribeStacksOutput::builder().build());
    let error = run(Pattern::Stack, [none, finds_images(), parameter_reads()]).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::StackNotFound);
}
