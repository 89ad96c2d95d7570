//! Auto Scaling groups, and the images that each may boot: those of its launch template, of its
//! mixed instances policy, and of every override. Validation and proof share it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};

use crate::{AwsError, Called};

/// The maximum number of group names per call (`DescribeAutoScalingGroups`, `MaxRecords`).
const MAX_NAMES: usize = 50;

/// The groups with these names, without those that no longer exist.
///
/// # Errors
/// [`AwsError`]
pub async fn describe(
    autoscaling: &aws_sdk_autoscaling::Client,
    names: &BTreeSet<&str>,
) -> Result<Vec<AutoScalingGroup>, AwsError> {
    let mut found = Vec::new();
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    // A call without names would return all groups of the account; no names make no chunk.
    for names in names.chunks(MAX_NAMES) {
        let request = autoscaling.describe_auto_scaling_groups();
        let request = request.set_auto_scaling_group_names(Some(names.to_vec()));
        let groups: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        found.extend(groups.called("autoscaling:DescribeAutoScalingGroups")?);
    }
    Ok(found)
}

/// How to read a launch template's `resolve:ssm:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SsmReferences {
    /// As it is in the template: it names the parameter that the group boots from.
    AsWritten,
    /// As the image that the parameter holds now, which the group would boot.
    Resolved,
}

/// The images that a group may boot, or AWS's refusal if its launch template or that version no
/// longer exists. Empty for a launch configuration, which cannot take an image from a parameter.
type LaunchImages = Result<BTreeSet<String>, AwsError>;

/// The images that each of these groups may boot, without groups that no longer exist.
///
/// # Errors
/// [`AwsError`]
pub async fn launch_images(
    autoscaling: &aws_sdk_autoscaling::Client,
    ec2: &aws_sdk_ec2::Client,
    names: &BTreeSet<&str>,
    references: SsmReferences,
) -> Result<BTreeMap<String, LaunchImages>, AwsError> {
    let (mut found, mut known) = (BTreeMap::new(), BTreeMap::new());
    for group in describe(autoscaling, names).await? {
        let Some(name) = group.auto_scaling_group_name() else { continue };
        let mut images = Ok(override_images(&group));
        for version in template_versions(&group) {
            let image = if let Some(image) = known.get(&version) {
                Result::clone(image)
            } else {
                let image = image_of(ec2, &version, references).await?;
                known.insert(version, image.clone());
                image
            };
            match (&mut images, image) {
                (Ok(images), Ok(image)) => images.extend(image),
                (Ok(_), Err(refusal)) => images = Err(refusal),
                (Err(_), _) => {}
            }
        }
        found.insert(name.to_owned(), images);
    }
    Ok(found)
}

/// The image in a launch template version, if it has one.
async fn image_of(
    ec2: &aws_sdk_ec2::Client,
    version: &TemplateVersion,
    references: SsmReferences,
) -> Result<Result<Option<String>, AwsError>, AwsError> {
    let request = ec2
        .describe_launch_template_versions()
        .launch_template_id(&version.template_id)
        .versions(&version.version);
    let is_resolved = references == SsmReferences::Resolved;
    let answer = request.set_resolve_alias(is_resolved.then_some(true)).send().await;
    match answer.called("ec2:DescribeLaunchTemplateVersions") {
        Ok(answer) => {
            let version = answer.launch_template_versions.unwrap_or_default().into_iter().next();
            Ok(Ok(version.and_then(|version| version.launch_template_data?.image_id)))
        }
        Err(refusal @ AwsError::Refused { .. }) => Ok(Err(refusal)),
        Err(error) => Err(error),
    }
}

/// A version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TemplateVersion {
    template_id: String,
    /// A number, `$Latest` or `$Default`.
    version: String,
}

/// The launch templates that a group may boot from.
fn template_versions(group: &AutoScalingGroup) -> BTreeSet<TemplateVersion> {
    let mixed = group.mixed_instances_policy().and_then(|policy| policy.launch_template());
    let base = mixed.and_then(|mixed| mixed.launch_template_specification());
    let overrides = mixed.into_iter().flat_map(|mixed| mixed.overrides());
    let overrides = overrides.filter_map(|o| o.launch_template_specification());
    group.launch_template().into_iter().chain(base).chain(overrides).filter_map(version).collect()
}

/// The images in a mixed instances policy's overrides, which replace its launch template's image.
fn override_images(group: &AutoScalingGroup) -> BTreeSet<String> {
    let mixed = group.mixed_instances_policy().and_then(|policy| policy.launch_template());
    let overrides = mixed.into_iter().flat_map(|mixed| mixed.overrides());
    overrides.filter_map(|o| o.image_id().map(str::to_owned)).collect()
}

fn version(template: &LaunchTemplateSpecification) -> Option<TemplateVersion> {
    Some(TemplateVersion {
        template_id: template.launch_template_id()?.to_owned(),
        // Auto Scaling's own default (`LaunchTemplateSpecification`, Version).
        version: template.version().unwrap_or("$Default").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::types::builders::LaunchTemplateSpecificationBuilder;
    use aws_sdk_autoscaling::types::{
        LaunchTemplate, LaunchTemplateOverrides, MixedInstancesPolicy,
    };

    use super::*;

    fn specification(id: &str) -> LaunchTemplateSpecificationBuilder {
        LaunchTemplateSpecification::builder().launch_template_id(id)
    }

    #[test]
    fn a_mixed_instances_policy_has_a_launch_template_and_overrides_of_it() {
        let versions = |group: AutoScalingGroup| {
            let versions = template_versions(&group).into_iter();
            versions.map(|v| format!("{} {}", v.template_id, v.version)).collect::<Vec<_>>()
        };
        let plain = AutoScalingGroup::builder().launch_template(specification("lt-1").build());
        assert_eq!(versions(plain.build()), ["lt-1 $Default"]);

        let other = specification("lt-2").version("$Latest").build();
        let mixed = LaunchTemplate::builder()
            .launch_template_specification(specification("lt-1").version("3").build())
            .overrides(
                LaunchTemplateOverrides::builder().launch_template_specification(other).build(),
            )
            .overrides(
                LaunchTemplateOverrides::builder().image_id("resolve:ssm:/golden/web").build(),
            );
        let mixed = MixedInstancesPolicy::builder().launch_template(mixed.build()).build();
        let mixed = AutoScalingGroup::builder().mixed_instances_policy(mixed).build();
        assert_eq!(override_images(&mixed), BTreeSet::from(["resolve:ssm:/golden/web".to_owned()]));
        assert_eq!(versions(mixed), ["lt-1 3", "lt-2 $Latest"]);

        let launch_configuration = AutoScalingGroup::builder().launch_configuration_name("lc");
        assert_eq!(versions(launch_configuration.build()), Vec::<String>::new());
    }
}
