//! The handler against rules.

use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_cloudformation::operation::list_stack_resources::ListStackResourcesOutput;
use aws_sdk_cloudformation::types::StackResourceSummary;
use aws_sdk_ec2::Client as Ec2;
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput;
use aws_sdk_ec2::types::{Image, LaunchTemplateVersion, ResponseLaunchTemplateData};
use contract::steps::{Verified, VerifyInput};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::*;
use crate::{Clients, Error, handle};

const ACCOUNT: &str = "111122223333";

/// A stack with these resources.
fn holds(stack: &'static str, resources: &'static [(&'static str, &'static str)]) -> Rule {
    mock!(CloudFormation::list_stack_resources)
        .match_requests(move |request| request.stack_name() == Some(stack))
        .then_output(move || {
            let resource = |(kind, id): &(&str, &str)| {
                let resource = StackResourceSummary::builder().resource_type(*kind);
                resource.physical_resource_id(*id).build()
            };
            let resources = Some(resources.iter().map(resource).collect());
            ListStackResourcesOutput::builder().set_stack_resource_summaries(resources).build()
        })
}

/// The groups with these names, or all of them, each with launch template `lt-1`.
fn groups_are(names: &'static [&'static str], found: &'static [&'static str]) -> Rule {
    mock!(AutoScaling::describe_auto_scaling_groups)
        .match_requests(move |request| request.auto_scaling_group_names() == names)
        .then_output(move || {
            let group = |name: &&str| {
                let template = LaunchTemplateSpecification::builder().launch_template_id("lt-1");
                let group = AutoScalingGroup::builder().auto_scaling_group_name(*name);
                group.launch_template(template.version("3").build()).build()
            };
            let groups = Some(found.iter().map(group).collect());
            DescribeAutoScalingGroupsOutput::builder().set_auto_scaling_groups(groups).build()
        })
}

/// Version 3 of `lt-1`, as it is written or resolved.
fn template_says(id: Option<&'static str>, resolved: Option<bool>, image: &'static str) -> Rule {
    mock!(Ec2::describe_launch_template_versions)
        .match_requests(move |request| {
            request.launch_template_id() == id && request.resolve_alias() == resolved
        })
        .then_output(move || {
            let data = ResponseLaunchTemplateData::builder().image_id(image).build();
            let version = LaunchTemplateVersion::builder().launch_template_id("lt-1");
            let version = version.version_number(3).launch_template_data(data);
            DescribeLaunchTemplateVersionsOutput::builder()
                .launch_template_versions(version.build())
                .build()
        })
}

fn image_is_available(image: &'static str) -> Rule {
    mock!(Ec2::describe_images)
        .match_requests(move |request| {
            let [filter] = request.filters() else { return false };
            filter.name() == Some("image-id")
                && filter.values() == [image]
                && request.include_disabled() == Some(true)
                && request.include_deprecated() == Some(true)
        })
        .then_output(move || {
            let image = Image::builder().image_id(image).state(ImageState::Available).build();
            DescribeImagesOutput::builder().images(image).build()
        })
}

async fn run(
    scope: Scope,
    cloudformation: CloudFormation,
    autoscaling: AutoScaling,
    ec2: Ec2,
) -> Result<Verified, Error> {
    let clients = Clients { autoscaling, cloudformation, ec2 };
    handle(&clients, ACCOUNT, VerifyInput { proof: proof(scope, &[]) }).await
}

#[tokio::test]
async fn a_stacks_groups_are_its_resources_and_those_of_nested_stacks() {
    let root = holds("web", &[("AWS::CloudFormation::Stack", "web-Nested-1X")]);
    let nested = holds(
        "web-Nested-1X",
        &[
            ("AWS::AutoScaling::AutoScalingGroup", "web-group"),
            ("AWS::EC2::LaunchTemplate", "lt-1"),
        ],
    );
    let answer = run(
        stack(),
        mock_client!(aws_sdk_cloudformation, [root, nested]),
        mock_client!(aws_sdk_autoscaling, [groups_are(&["web-group"], &["web-group"])]),
        mock_client!(
            aws_sdk_ec2,
            [template_says(Some("lt-1"), Some(true), NEW), image_is_available(NEW)]
        ),
    );
    let answer = answer.await.unwrap();
    assert_eq!(answer.groups.rows, [launch(Some(NEW), Some("available"))]);
    assert_eq!(answer.finding, None);
}

#[tokio::test]
async fn a_parameters_groups_are_those_whose_launch_templates_read_it() {
    let answer = run(
        parameter(),
        mock_client!(aws_sdk_cloudformation, []),
        // A group that was listed is not described again.
        mock_client!(aws_sdk_autoscaling, [groups_are(&[], &["web-group"])]),
        mock_client!(
            aws_sdk_ec2,
            [
                template_says(None, None, "resolve:ssm:/golden/web"),
                template_says(Some("lt-1"), Some(true), OLD),
                image_is_available(OLD),
            ]
        ),
    );
    let answer = answer.await.unwrap();
    assert_eq!(answer.groups.rows, [launch(Some(OLD), Some("available"))]);
    assert_eq!(answer.finding.unwrap().name, ErrorName::LaunchImageMismatch);
}

#[tokio::test]
async fn no_group_is_an_answer_without_rows() {
    let none = || mock_client!(aws_sdk_ec2, []);
    let cloudformation = mock_client!(aws_sdk_cloudformation, [holds("web", &[])]);
    let autoscaling = mock_client!(aws_sdk_autoscaling, []);
    let answer = run(stack(), cloudformation, autoscaling, none()).await.unwrap();
    assert!(answer.groups.rows.is_empty() && answer.finding.is_none());
}
