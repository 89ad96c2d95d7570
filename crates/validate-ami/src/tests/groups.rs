//! The groups that read a parameter, found through their launch templates.

use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup, LaunchTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification,
    MixedInstancesPolicy, TagDescription,
};
use aws_sdk_ec2::Client as Ec2;
use aws_sdk_ec2::operation::describe_launch_template_versions::{
    DescribeLaunchTemplateVersionsError, DescribeLaunchTemplateVersionsOutput,
};
use aws_sdk_ec2::types::{LaunchTemplateVersion, ResponseLaunchTemplateData};
use contract::steps::ProvenanceVerdict;
use testkit::mocks::{Rule, mock};

use super::handle::Rules;
use super::{NEW, candidate, group, parameter_target};

/// Every group of the account.
pub(super) fn all_groups_are(groups: Vec<AutoScalingGroup>) -> Rule {
    mock!(AutoScaling::describe_auto_scaling_groups)
        .match_requests(|request| request.auto_scaling_group_names().is_empty())
        .then_output(move || {
            let groups = Some(groups.clone());
            DescribeAutoScalingGroupsOutput::builder().set_auto_scaling_groups(groups).build()
        })
}

/// The newest version of these launch templates, and its image.
pub(super) fn all_templates_say(templates: Vec<(&'static str, i64, &'static str)>) -> Rule {
    mock!(Ec2::describe_launch_template_versions)
        .match_requests(|request| {
            request.launch_template_id().is_none()
                && request.versions() == ["$Latest", "$Default"]
                && request.resolve_alias().is_none()
        })
        .then_output(move || {
            let version = |&(id, number, image): &(&str, i64, &str)| {
                let data = ResponseLaunchTemplateData::builder().image_id(image).build();
                let version = LaunchTemplateVersion::builder().launch_template_id(id);
                version.version_number(number).launch_template_data(data).build()
            };
            let versions = Some(templates.iter().map(version).collect());
            DescribeLaunchTemplateVersionsOutput::builder()
                .set_launch_template_versions(versions)
                .build()
        })
}

/// The moment that healing exists for: the group's only instance has just died.
#[tokio::test]
async fn a_group_without_an_instance_is_known_by_its_launch_template() {
    let described = |name: &str, template: &str, version: &str| {
        let template = LaunchTemplateSpecification::builder().launch_template_id(template);
        let stack = TagDescription::builder().key("aws:cloudformation:stack-name").value("web");
        AutoScalingGroup::builder()
            .auto_scaling_group_name(name)
            .launch_template(template.version(version).build())
            .tags(stack.build())
            .build()
    };
    let by_override = LaunchTemplateOverrides::builder().image_id("resolve:ssm:/golden/web");
    let mixed = MixedInstancesPolicy::builder()
        .launch_template(LaunchTemplate::builder().overrides(by_override.build()).build());
    let by_override = AutoScalingGroup::builder().auto_scaling_group_name("by-override");
    let rules = Rules {
        all_groups: all_groups_are(vec![
            described("latest", "lt-2", "$Latest"),
            described("by-number", "lt-2", "7"),
            // An older version of a launch template that reads the parameter is read by itself.
            described("older", "lt-1", "3"),
            described("other", "lt-3", "$Latest"),
            described("pinned", "lt-4", "$Latest"),
            by_override.mixed_instances_policy(mixed.build()).build(),
        ]),
        all_templates: all_templates_say(vec![
            ("lt-1", 4, "resolve:ssm:/golden/web"),
            ("lt-2", 7, "resolve:ssm:/golden/web"),
            ("lt-3", 1, "resolve:ssm:/golden/db"),
            ("lt-4", 1, "resolve:ssm:/golden/web:3"),
        ]),
        ..Rules::new()
    };
    let decided = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap();
    let found: Vec<_> = decided.groups.iter().map(|group| group.group_name.as_str()).collect();
    assert_eq!(found, ["group", "latest", "by-number", "older", "by-override"]);
    assert_eq!(decided.groups[1].stack_name, group("latest", Some("web")).stack_name);
}

#[tokio::test]
async fn a_launch_template_that_is_gone_tells_nothing() {
    let template = mock!(Ec2::describe_launch_template_versions)
        .match_requests(|request| request.launch_template_id() == Some("lt-1"))
        .then_error(|| {
            let meta = aws_sdk_ec2::error::ErrorMetadata::builder();
            let meta = meta.code("InvalidLaunchTemplateId.NotFound").message("lt-1 is not there");
            DescribeLaunchTemplateVersionsError::generic(meta.build())
        });
    let rules = Rules { template, ..Rules::new() };
    let decided = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap();
    assert_eq!(decided.provenance.verdict, ProvenanceVerdict::Unverified);
    assert!(decided.provenance.reason.unwrap().contains("lt-1 is not there"));
}
