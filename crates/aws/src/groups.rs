//! Auto Scaling groups, and the images that each may boot: those of its launch template, of its
//! mixed instances policy, and of every override. Validation and proof share it.
//!
//! Groups are found where they are defined, not through their instances: the only one may have just
//! died.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::builders::DescribeAutoScalingGroupsFluentBuilder;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use contract::Gather;
use contract::ids::ParameterName;

use crate::{AwsError, Called, pages};

/// The maximum number of group names per call (`DescribeAutoScalingGroups`, `MaxRecords`).
const MAX_NAMES: usize = 50;
/// The maximum number of groups per page of all groups (the same).
const MAX_RECORDS: i32 = 100;
/// Auto Scaling's own default for the version (`LaunchTemplateSpecification`, Version).
const DEFAULT: &str = "$Default";

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
        found.extend(list(request.set_auto_scaling_group_names(Some(names.to_vec()))).await?);
    }
    Ok(found)
}

async fn list(
    request: DescribeAutoScalingGroupsFluentBuilder,
) -> Result<Vec<AutoScalingGroup>, AwsError> {
    pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("autoscaling:DescribeAutoScalingGroups")?;
        Ok((page.auto_scaling_groups, page.next_token))
    })
    .await
}

/// How to read a launch template's `resolve:ssm:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SsmReferences {
    /// As it is in the template: it names the parameter that the group boots from.
    AsWritten,
    /// As the image that the parameter holds now, which the group would boot.
    Resolved,
}

/// The parameter of this account that an image of a launch template reads, without its first slash,
/// and the version or label; empty for the newest version. The image is `resolve:ssm:` and the
/// parameter's name or ARN, perhaps with a version or label (`RequestLaunchTemplateData`,
/// `ImageId`).
fn parameter_read<'a>(image: &'a str, account: &str) -> Option<(&'a str, &'a str)> {
    let mut parts = image.strip_prefix("resolve:ssm:")?.split(':');
    let name = match parts.next()? {
        // `arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME`
        "arn" if parts.nth(3) == Some(account) => parts.next()?.strip_prefix("parameter")?,
        "arn" => return None,
        name => name,
    };
    Some((unslashed(name), parts.next().unwrap_or_default()))
}

/// The version or label of this account's parameter that an image of a launch template reads; empty
/// for the newest version.
#[must_use]
pub fn version_read<'a>(image: &'a str, parameter: &str, account: &str) -> Option<&'a str> {
    let (name, version) = parameter_read(image, account)?;
    (name == unslashed(parameter)).then_some(version)
}

/// An ARN has one slash before the name, whether or not the name begins with one.
fn unslashed(name: &str) -> &str {
    name.trim_start_matches('/')
}

/// Every group of the account that boots from this parameter, whether or not it has an instance.
///
/// # Errors
/// [`AwsError`]
pub async fn booting_from(
    autoscaling: &aws_sdk_autoscaling::Client,
    ec2: &aws_sdk_ec2::Client,
    parameter: &ParameterName,
    account: &str,
) -> Result<Vec<AutoScalingGroup>, AwsError> {
    let parameters = iter::once(parameter).gather();
    let mut found = readers(autoscaling, ec2, &parameters, account).await?;
    Ok(found.remove(parameter).unwrap_or_default())
}

/// Every group of the account that boots from one of these parameters, whether or not it has an
/// instance.
///
/// It costs one call for each page of launch templates and of groups, and one for each older
/// version that a group uses of a launch template that reads one of them.
///
/// # Errors
/// [`AwsError`]
pub async fn readers<'a>(
    autoscaling: &aws_sdk_autoscaling::Client,
    ec2: &aws_sdk_ec2::Client,
    parameters: &BTreeSet<&'a ParameterName>,
    account: &str,
) -> Result<BTreeMap<&'a ParameterName, Vec<AutoScalingGroup>>, AwsError> {
    let by_name: BTreeMap<_, _> =
        parameters.iter().map(|name| (unslashed(name.as_str()), *name)).gather();
    // A promotion does not move a version or a label.
    let read = |image: &str| match parameter_read(image, account) {
        Some((name, "")) => by_name.get(name).copied(),
        _ => None,
    };
    // Both are long listings in a large account, and neither needs the other.
    let all = list(autoscaling.describe_auto_scaling_groups().max_records(MAX_RECORDS));
    let (current, all) = tokio::try_join!(current_versions(ec2), all)?;
    let (mut images, mut reading) = (BTreeMap::new(), BTreeSet::new());
    for (version, image) in current {
        if image.as_deref().and_then(read).is_some() {
            reading.insert(version.template_id.clone());
        }
        images.insert(version, image);
    }
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for group in all {
        let overrides = override_images(&group);
        let mut of_group: BTreeSet<_> = overrides.iter().filter_map(|image| read(image)).gather();
        for version in template_versions(&group) {
            if !images.contains_key(&version) && reading.contains(&version.template_id) {
                let image = image_of(ec2, &version, SsmReferences::AsWritten).await?;
                images.insert(version.clone(), image.unwrap_or_default());
            }
            of_group.extend(images.get(&version).and_then(Option::as_deref).and_then(read));
        }
        for parameter in of_group {
            found.entry(parameter).or_default().push(group.clone());
        }
    }
    Ok(found)
}

/// The newest and the default version of every launch template, by number and by alias, each with
/// its image as it is written. Without a launch template's ID, EC2 answers for all of them
/// (`DescribeLaunchTemplateVersions`, Versions).
async fn current_versions(
    ec2: &aws_sdk_ec2::Client,
) -> Result<Vec<(TemplateVersion, Option<String>)>, AwsError> {
    const LATEST: &str = "$Latest";
    let request = ec2.describe_launch_template_versions().versions(LATEST).versions(DEFAULT);
    let answer = pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("ec2:DescribeLaunchTemplateVersions")?;
        Ok((page.launch_template_versions, page.next_token))
    });
    let answer = answer.await?;
    let mut found = BTreeMap::new();
    let mut newest = BTreeMap::new();
    for version in answer {
        let (Some(id), Some(number)) = (version.launch_template_id, version.version_number) else {
            continue;
        };
        let image = version.launch_template_data.and_then(|data| data.image_id);
        let of = |version: &str| TemplateVersion {
            template_id: id.clone(),
            version: version.to_owned(),
        };
        if version.default_version == Some(true) {
            found.insert(of(DEFAULT), image.clone());
        }
        if newest.get(&id).is_none_or(|known| *known <= number) {
            newest.insert(id.clone(), number);
            found.insert(of(LATEST), image.clone());
        }
        found.insert(of(&number.to_string()), image);
    }
    Ok(found.into_iter().collect())
}

/// The images that a group may boot, or AWS's refusal if its launch template or that version no
/// longer exists. Empty for a launch configuration, which cannot take an image from a parameter.
type LaunchImages = Result<BTreeSet<String>, AwsError>;

/// The images that each of these groups may boot.
///
/// # Errors
/// [`AwsError`]
pub async fn launch_images(
    ec2: &aws_sdk_ec2::Client,
    groups: Vec<AutoScalingGroup>,
    references: SsmReferences,
) -> Result<BTreeMap<String, LaunchImages>, AwsError> {
    let (mut found, mut known) = (BTreeMap::new(), BTreeMap::new());
    for group in groups {
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
pub struct TemplateVersion {
    /// The launch template.
    pub template_id: String,
    /// A number, `$Latest` or `$Default`.
    pub version: String,
}

/// The launch templates that a group may boot from.
#[must_use]
pub fn template_versions(group: &AutoScalingGroup) -> BTreeSet<TemplateVersion> {
    let mixed = group.mixed_instances_policy().and_then(|policy| policy.launch_template());
    let base = mixed.and_then(|mixed| mixed.launch_template_specification());
    let overrides = mixed.into_iter().flat_map(|mixed| mixed.overrides());
    let overrides = overrides.filter_map(|o| o.launch_template_specification());
    group.launch_template().into_iter().chain(base).chain(overrides).filter_map(version).gather()
}

/// The images in a mixed instances policy's overrides, which replace its launch template's image.
#[must_use]
pub fn override_images(group: &AutoScalingGroup) -> BTreeSet<String> {
    let mixed = group.mixed_instances_policy().and_then(|policy| policy.launch_template());
    let overrides = mixed.into_iter().flat_map(|mixed| mixed.overrides());
    overrides.filter_map(|o| o.image_id().map(str::to_owned)).gather()
}

fn version(template: &LaunchTemplateSpecification) -> Option<TemplateVersion> {
    Some(TemplateVersion {
        template_id: template.launch_template_id()?.to_owned(),
        version: template.version().unwrap_or(DEFAULT).to_owned(),
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
    fn an_image_names_a_parameter_by_its_name_or_its_arn() {
        const ACCOUNT: &str = "111122223333";
        for (image, expected) in [
            ("resolve:ssm:/golden/web", Some(("golden/web", ""))),
            ("resolve:ssm:golden/web", Some(("golden/web", ""))),
            ("resolve:ssm:/golden/web:3", Some(("golden/web", "3"))),
            ("resolve:ssm:/golden/web:stable", Some(("golden/web", "stable"))),
            (
                "resolve:ssm:arn:aws:ssm:us-east-1:111122223333:parameter/golden/web",
                Some(("golden/web", "")),
            ),
            (
                "resolve:ssm:arn:aws-cn:ssm:cn-north-1:111122223333:parameter/golden/web:3",
                Some(("golden/web", "3")),
            ),
            ("resolve:ssm:arn:aws:ssm:us-east-1:444455556666:parameter/golden/web", None),
            ("resolve:ssm:arn:aws:ssm", None),
            ("resolve:ssm:/golden/web2", Some(("golden/web2", ""))),
            ("resolve:ssm:", Some(("", ""))),
            ("ami-0000000000000000a", None),
        ] {
            assert_eq!(parameter_read(image, ACCOUNT), expected, "{image}");
        }
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
