//! Auto Scaling groups, and the launch template versions that each may boot from.

use std::collections::{BTreeMap, BTreeSet};

use aws::groups::{TemplateVersion, override_images, template_versions, version_read};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_cloudformation::types::Stack;
use aws_sdk_ec2::types::{LaunchTemplateVersion, ResourceType};

use super::{Tags, named, tags_of};
use crate::target::Target;

/// The tags with which CloudFormation marks a stack's group.
const STACK_NAME: &str = "aws:cloudformation:stack-name";
const LOGICAL_ID: &str = "aws:cloudformation:logical-id";

/// An Auto Scaling group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    pub name: String,
    /// The stack that defines it.
    pub stack: Option<String>,
    /// The root of that stack, or the stack itself.
    pub root: Option<String>,
    /// Its name in the stack's template.
    pub logical_id: Option<String>,
    pub instances: Vec<String>,
    /// The tags that its instances get from it.
    pub tags: Tags,
    /// The launch template versions that it may boot from.
    pub versions: Vec<Version>,
    /// Images in overrides of a mixed instances policy.
    pub overrides: BTreeSet<String>,
}

/// A launch template version that a group may boot from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Version {
    pub template_id: String,
    pub template_name: String,
    /// As the group names it: a number, `$Latest` or `$Default`.
    pub named: String,
    pub number: i64,
    /// The newest version of the same launch template.
    pub latest: i64,
    /// The image as it is written.
    pub image: Option<String>,
    /// The tags that instances get from it.
    pub tags: Tags,
    /// When the version was created, in seconds since 1970.
    pub created: Option<i64>,
}

/// Launch template versions by their IDs and numbers.
#[derive(Debug, Default)]
pub(super) struct Templates {
    versions: BTreeMap<(String, i64), LaunchTemplateVersion>,
    latest: BTreeMap<String, i64>,
    default: BTreeMap<String, i64>,
}

impl Templates {
    pub(super) fn add(&mut self, versions: Vec<LaunchTemplateVersion>) {
        for version in versions {
            let (Some(id), Some(number)) =
                (version.launch_template_id.clone(), version.version_number)
            else {
                continue;
            };
            let latest = self.latest.entry(id.clone()).or_insert(number);
            *latest = number.max(*latest);
            if version.default_version == Some(true) {
                self.default.insert(id.clone(), number);
            }
            self.versions.insert((id, number), version);
        }
    }

    pub(super) fn get(&self, wanted: &TemplateVersion) -> Option<Version> {
        let id = &wanted.template_id;
        let latest = self.latest.get(id).copied();
        let number = match wanted.version.as_str() {
            "$Latest" => latest?,
            "$Default" => self.default.get(id).copied()?,
            number => number.parse().ok()?,
        };
        let found = self.versions.get(&(id.clone(), number))?;
        let data = found.launch_template_data();
        let specifications = data.map(|data| data.tag_specifications()).unwrap_or_default().iter();
        let of_instances =
            specifications.filter(|one| one.resource_type() == Some(&ResourceType::Instance));
        Some(Version {
            template_id: id.clone(),
            template_name: found.launch_template_name().unwrap_or_default().to_owned(),
            named: wanted.version.clone(),
            number,
            latest: latest.unwrap_or(number),
            image: data.and_then(|data| data.image_id()).map(str::to_owned),
            tags: of_instances.flat_map(|one| tags_of(one.tags())).collect(),
            created: found.create_time().map(|time| time.secs()),
        })
    }
}

impl Group {
    pub(super) fn of(
        group: &AutoScalingGroup,
        templates: &Templates,
        stacks: &BTreeMap<String, Stack>,
    ) -> Self {
        let tag = |key: &str| {
            let found = group.tags().iter().find(|tag| tag.key() == Some(key));
            found.and_then(|tag| tag.value()).map(str::to_owned)
        };
        let propagated = group.tags().iter().filter(|tag| tag.propagate_at_launch() == Some(true));
        let propagated = propagated.filter_map(|tag| Some((tag.key()?, tag.value()?)));
        let stack = tag(STACK_NAME);
        let root = stack.as_ref().map(|name| {
            let root = stacks.get(name).and_then(|stack| stack.root_id());
            root.map_or(name.as_str(), named).to_owned()
        });
        Self {
            name: group.auto_scaling_group_name().unwrap_or_default().to_owned(),
            stack,
            root,
            logical_id: tag(LOGICAL_ID),
            instances: group
                .instances()
                .iter()
                .filter_map(|instance| instance.instance_id().map(str::to_owned))
                .collect(),
            tags: propagated.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            versions: template_versions(group)
                .iter()
                .filter_map(|one| templates.get(one))
                .collect(),
            overrides: override_images(group),
        }
    }

    /// The images that it may boot, as they are written.
    pub(crate) fn images(&self) -> BTreeSet<&str> {
        let images = self.versions.iter().filter_map(|version| version.image.as_deref());
        images.chain(self.overrides.iter().map(String::as_str)).collect()
    }

    /// The tags that its instances get: the group's own override the launch template's.
    pub(crate) fn instance_tags(&self) -> Tags {
        let tags = self.versions.iter().flat_map(|version| &version.tags).chain(&self.tags);
        tags.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The versions or labels of this parameter that it reads; empty for the newest.
    pub(crate) fn reads<'a>(&'a self, parameter: &str, account: &str) -> BTreeSet<&'a str> {
        let images = self.images().into_iter();
        images.filter_map(|image| version_read(image, parameter, account)).collect()
    }

    /// Whether it boots what this target has.
    pub(crate) fn is_fed_by(&self, target: &Target, account: &str) -> bool {
        match target {
            Target::Parameter(name) => !self.reads(name, account).is_empty(),
            Target::Stack(name) => self.root.as_ref() == Some(name),
        }
    }
}
