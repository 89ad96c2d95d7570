//! The handler against rules: one listing of images, of instances and of groups, whatever the number
//! of targets.

use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
use aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput;
use aws_sdk_ec2::types::{
    Image, Instance, LaunchTemplateVersion, Reservation, ResponseLaunchTemplateData, Tag,
};
use contract::steps::{ListInput, Listed};
use tags::Settings;
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::input;
use crate::{Clients, handle};

const PARAMETER: &str = "ImageIdParameterName";

fn settings() -> Settings {
    let variable = |name: &str| match name {
        "ACCOUNT_ID" => Some("111122223333".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "PARAMETER_PREFIX" => Some("/golden/".to_owned()),
        "STACK_PREFIX" => Some("web".to_owned()),
        _ => None,
    };
    Settings::read(variable).unwrap()
}

fn tagged(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn image(n: usize, key: &str, value: &str) -> Image {
    Image::builder().image_id(format!("ami-{n:017x}")).tags(tagged(key, value)).build()
}

/// The images with a target tag.
fn images(found: Vec<Image>) -> Rule {
    mock!(aws_sdk_ec2::Client::describe_images)
        .match_requests(|r| r.filters()[0].name() == Some("tag-key") && r.owners() == ["self"])
        .then_output(move || {
            DescribeImagesOutput::builder().set_images(Some(found.clone())).build()
        })
}

/// The backups without tags of these instances.
fn untagged(instance: &'static str, found: Vec<Image>) -> Rule {
    mock!(aws_sdk_ec2::Client::describe_images)
        .match_requests(move |r| {
            r.filters()[0].name() == Some("source-instance-id")
                && r.filters()[0].values() == [instance]
        })
        .then_output(move || {
            DescribeImagesOutput::builder().set_images(Some(found.clone())).build()
        })
}

fn instances(found: Vec<Instance>) -> Rule {
    mock!(aws_sdk_ec2::Client::describe_instances)
        .match_requests(|r| r.filters()[0].name() == Some("tag-key"))
        .then_output(move || {
            let reservation = Reservation::builder().set_instances(Some(found.clone())).build();
            DescribeInstancesOutput::builder().reservations(reservation).build()
        })
}

/// A launch template for each of these images.
fn launch_templates(images: Vec<String>) -> Rule {
    mock!(aws_sdk_ec2::Client::describe_launch_template_versions).then_output(move || {
        let version = |(n, image): (usize, &String)| {
            let data = ResponseLaunchTemplateData::builder().image_id(image).build();
            let version = LaunchTemplateVersion::builder().launch_template_id(format!("lt-{n}"));
            version.version_number(1).default_version(true).launch_template_data(data).build()
        };
        let versions = images.iter().enumerate().map(version).collect();
        DescribeLaunchTemplateVersionsOutput::builder()
            .set_launch_template_versions(Some(versions))
            .build()
    })
}

/// A group for each of so many launch templates.
fn groups(count: usize) -> Rule {
    mock!(aws_sdk_autoscaling::Client::describe_auto_scaling_groups).then_output(move || {
        let group = |n: usize| {
            let template = LaunchTemplateSpecification::builder();
            let template = template.launch_template_id(format!("lt-{n}")).version("1").build();
            let group = AutoScalingGroup::builder().auto_scaling_group_name(format!("group-{n}"));
            group.launch_template(template).build()
        };
        let found = (0..count).map(group).collect();
        DescribeAutoScalingGroupsOutput::builder().set_auto_scaling_groups(Some(found)).build()
    })
}

async fn list(ec2: aws_sdk_ec2::Client, autoscaling: aws_sdk_autoscaling::Client) -> Listed {
    handle(&Clients { autoscaling, ec2 }, &settings(), input("nightly")).await.unwrap()
}

/// The targets and the groups that each is told of.
fn told(listed: &Listed) -> Vec<(String, Option<Vec<String>>)> {
    let name = |input: &contract::event::TargetRun| {
        let names = &input.target;
        let parameter = names.parameter_name.as_ref().map(ToString::to_string);
        parameter.or_else(|| names.stack_name.as_ref().map(ToString::to_string)).unwrap()
    };
    let starts = listed.targets.iter().map(|start| &start.input);
    starts.map(|input| (name(input), input.groups.clone())).collect()
}

#[tokio::test]
async fn one_listing_serves_all_targets() {
    const TARGETS: usize = 250;
    let name = |n: usize| format!("/golden/{n:03}");
    let images = images((0..TARGETS).map(|n| image(n, PARAMETER, &name(n))).collect());
    let instances = instances(vec![]);
    let templates =
        launch_templates((0..TARGETS).map(|n| format!("resolve:ssm:{}", name(n))).collect());
    let groups = groups(TARGETS);
    let ec2 = mock_client!(aws_sdk_ec2, [images, instances, templates]);
    let autoscaling = mock_client!(aws_sdk_autoscaling, [groups]);
    let listed = list(ec2, autoscaling).await;
    let expected: Vec<_> =
        (0..TARGETS).map(|n| (name(n), Some(vec![format!("group-{n}")]))).collect();
    assert_eq!(told(&listed), expected);
    let calls = [&images, &instances, &templates, &groups].map(Rule::num_calls);
    assert_eq!(calls, [1; 4]);
}

#[tokio::test]
async fn stacks_alone_need_no_groups_and_mistakes_are_left_out() {
    let found = vec![
        image(1, "StackName", "web-b"),
        image(2, "StackName", "web-a"),
        image(3, "StackName", "web-a"),
        image(4, "StackName", "cost-centre"),
        image(5, "StackName", "web not a stack"),
    ];
    let ec2 = mock_client!(aws_sdk_ec2, [images(found), instances(vec![])]);
    let listed = list(ec2, mock_client!(aws_sdk_autoscaling, [])).await;
    assert_eq!(told(&listed), [("web-a".to_owned(), None), ("web-b".to_owned(), None)]);
}

#[tokio::test]
async fn an_instance_whose_backups_have_lost_their_tags_names_its_target() {
    let web = Instance::builder().instance_id("i-web").tags(tagged("StackName", "web")).build();
    let app = Instance::builder().instance_id("i-app").tags(tagged("StackName", "web-app")).build();
    let backup = Image::builder().image_id("ami-0000000000000000a").name("AwsBackup_i-app_1");
    let backup = backup.source_instance_id("i-app").build();
    // An image names web already, so nobody has to ask for its backups.
    let rules = [
        images(vec![image(1, "StackName", "web")]),
        instances(vec![web, app]),
        untagged("i-app", vec![backup]),
    ];
    let [tagged, live, lost] = rules;
    let ec2 = mock_client!(aws_sdk_ec2, [tagged, live, lost]);
    let listed = list(ec2, mock_client!(aws_sdk_autoscaling, [])).await;
    assert_eq!(told(&listed), [("web".to_owned(), None), ("web-app".to_owned(), None)]);
}

#[test]
fn an_input_of_the_execution_is_checked() {
    let input = serde_json::json!({"run": {"dryRunn": true}, "execution": "nightly"});
    let error = step::decode::<ListInput>(input).unwrap_err().to_string();
    assert!(error.starts_with("run.dryRunn: unknown field"), "{error}");
}
