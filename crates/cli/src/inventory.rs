//! What an account has for Driftless: tagged images, Auto Scaling groups with the launch template
//! versions that they boot from, and stacks. `status` and `doctor` read it.

pub(crate) mod groups;
pub(crate) mod values;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws::groups::{TemplateVersion, template_versions};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack;
use aws_sdk_ec2::types::{Filter, LaunchTemplateVersion};

use self::groups::{Group, Templates};
use crate::client::Called;
use crate::deployment::{Parts, Settings};
use crate::target::Target;

/// The largest page (`DescribeAutoScalingGroups`, `MaxRecords`).
const MAX_RECORDS: i32 = 100;
/// The versions that a group may name by an alias.
const ALIASES: [&str; 2] = ["$Latest", "$Default"];

/// A resource's tags.
pub(crate) type Tags = BTreeMap<String, String>;

/// The clients with which an account is read.
pub(crate) struct Clients {
    pub autoscaling: aws_sdk_autoscaling::Client,
    pub backup: aws_sdk_backup::Client,
    pub cloudformation: aws_sdk_cloudformation::Client,
    pub ec2: aws_sdk_ec2::Client,
    pub ssm: aws_sdk_ssm::Client,
}

/// The account, as far as Driftless is concerned with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    /// The account's images with a target tag.
    pub images: Vec<Image>,
    /// Its groups.
    pub groups: Vec<Group>,
    /// Its stacks by name.
    pub stacks: BTreeMap<String, Stack>,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub id: String,
    /// ISO 8601 in UTC: text order is time order.
    pub created: String,
    pub tags: Tags,
    /// The instance that it was taken from.
    pub instance: Option<String>,
}

impl Clients {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self {
            autoscaling: aws_sdk_autoscaling::Client::new(config),
            backup: aws_sdk_backup::Client::new(config),
            cloudformation: aws_sdk_cloudformation::Client::new(config),
            ec2: aws_sdk_ec2::Client::new(config),
            ssm: aws_sdk_ssm::Client::new(config),
        }
    }

    /// Reads the account.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn inventory(&self, settings: &Settings) -> Result<Inventory> {
        let images = self.images(settings).await?;
        let stacks = self.stacks().await?;
        let groups = self.groups(&stacks).await?;
        Ok(Inventory { images, groups, stacks })
    }

    async fn images(&self, settings: &Settings) -> Result<Vec<Image>> {
        let keys = [&settings.parameter_name_tag, &settings.stack_name_tag];
        let keys =
            Filter::builder().name("tag-key").set_values(Some(keys.map(Clone::clone).into()));
        let request = self.ec2.describe_images().owners("self").filters(keys.build());
        let found: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let images = found.called("ec2:DescribeImages")?.into_iter().filter_map(|image| {
            Some(Image {
                tags: tags_of(image.tags()),
                instance: image.source_instance_id,
                created: image.creation_date.unwrap_or_default(),
                id: image.image_id?,
            })
        });
        Ok(images.collect())
    }

    async fn stacks(&self) -> Result<BTreeMap<String, Stack>> {
        let request = self.cloudformation.describe_stacks().into_paginator();
        let found: Result<Vec<_>, _> = request.items().send().collect().await;
        let found = found.called("cloudformation:DescribeStacks")?.into_iter();
        Ok(found.filter_map(|stack| Some((stack.stack_name.clone()?, stack))).collect())
    }

    async fn groups(&self, stacks: &BTreeMap<String, Stack>) -> Result<Vec<Group>> {
        let request = self.autoscaling.describe_auto_scaling_groups().max_records(MAX_RECORDS);
        let found: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let found = found.called("autoscaling:DescribeAutoScalingGroups")?;
        let mut templates = Templates::default();
        templates.add(self.versions(None).await?);
        let mut groups = Vec::new();
        for group in found {
            for version in template_versions(&group) {
                // An older version than the aliases mean.
                if templates.get(&version).is_none() {
                    templates.add(self.versions(Some(&version)).await?);
                }
            }
            groups.push(Group::of(&group, &templates, stacks));
        }
        Ok(groups)
    }

    /// The versions that aliases mean, of every launch template; or one version of one. Without a
    /// launch template's ID, EC2 answers for all of them (`DescribeLaunchTemplateVersions`,
    /// Versions).
    async fn versions(&self, only: Option<&TemplateVersion>) -> Result<Vec<LaunchTemplateVersion>> {
        const ACTION: &str = "ec2:DescribeLaunchTemplateVersions";
        let request = self.ec2.describe_launch_template_versions();
        let Some(only) = only else {
            let request = request.set_versions(Some(ALIASES.map(str::to_owned).into()));
            let found: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
            return found.called(ACTION);
        };
        let request = request.launch_template_id(&only.template_id).versions(&only.version);
        let answer = request.send().await;
        // Somebody has deleted the launch template or the version: the group cannot launch.
        if answer.as_ref().is_err_and(|error| error.as_service_error().is_some()) {
            return Ok(Vec::new());
        }
        Ok(answer.called(ACTION)?.launch_template_versions.unwrap_or_default())
    }
}

impl Inventory {
    /// Every target that images or groups name by their tags.
    pub(crate) fn targets(&self, settings: &Settings) -> BTreeSet<Target> {
        let of_images = self.images.iter().flat_map(|image| targets_in(&image.tags, settings));
        let of_groups =
            self.groups.iter().flat_map(|group| targets_in(&group.instance_tags(), settings));
        of_images.chain(of_groups).collect()
    }

    /// The groups that a target feeds.
    pub(crate) fn groups_of(&self, target: &Target, parts: &Parts) -> Vec<&Group> {
        let account = parts.account();
        self.groups.iter().filter(|group| group.is_fed_by(target, account)).collect()
    }
}

/// The targets that tags name, within the prefixes.
pub(crate) fn targets_in(tags: &Tags, settings: &Settings) -> Vec<Target> {
    let value = |key: &str, prefix: &str| {
        let name = named(tags.get(key)?.trim()).to_owned();
        name.starts_with(prefix).then_some(name)
    };
    let parameter = value(&settings.parameter_name_tag, &settings.parameter_prefix);
    let stack = value(&settings.stack_name_tag, &settings.stack_prefix);
    parameter.map(Target::Parameter).into_iter().chain(stack.map(Target::Stack)).collect()
}

/// Whether tags name this target, whatever the prefixes.
pub(crate) fn is_named(target: &Target, tags: &Tags, settings: &Settings) -> bool {
    let (key, name) = match target {
        Target::Parameter(name) => (&settings.parameter_name_tag, name),
        Target::Stack(name) => (&settings.stack_name_tag, name),
    };
    tags.get(key).is_some_and(|value| named(value.trim()) == name)
}

/// The name in a tag, which may also have it as an ARN: `arn:…:parameter/NAME` or
/// `arn:…:stack/NAME/ID`.
pub(crate) fn named(value: &str) -> &str {
    if !value.starts_with("arn:") {
        return value;
    }
    let resource = value.splitn(6, ':').last().unwrap_or(value);
    match resource.strip_prefix("stack/") {
        Some(stack) => stack.split('/').next().unwrap_or(stack),
        None => resource.strip_prefix("parameter").unwrap_or(resource),
    }
}

/// EC2's tags as a map.
pub(crate) fn tags_of(tags: &[aws_sdk_ec2::types::Tag]) -> Tags {
    let pairs = tags.iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
