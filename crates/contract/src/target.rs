//! Targets and their candidate images. A target is one SSM parameter or one stack; its candidates
//! are the images that carry its tag.

use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, ParameterKey, ParameterName, StackName};

/// The tag whose value is the SSM parameter that the launch template reads (pattern 1).
pub const TAG_PARAMETER_NAME: &str = "ImageIdParameterName";
/// The tag whose value is the stack with the image as a parameter (pattern 2).
pub const TAG_STACK_NAME: &str = "StackName";
/// The tag whose value is the stack's parameter that takes this image; without it, `ImageId`.
pub const TAG_PARAMETER_KEY: &str = "ImageIdParameterKey";
/// The tag that asks for an instance refresh after a promotion, when its value is `true`.
pub const TAG_INSTANCE_REFRESH: &str = "InstanceRefresh";

/// How an image reaches the launch template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// The launch template contains `resolve:ssm:NAME`; a promotion writes that parameter.
    Parameter,
    /// The launch template takes a stack parameter; a promotion updates the stack.
    Stack,
}

/// The input of one Map iteration: a target, and how to promote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promotion {
    /// The target, with its candidates.
    pub target: Target,
    /// How to promote it.
    pub run: Run,
}

/// The settings of a run, which apply to all its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// Which candidates may be chosen.
    pub selection: Selection,
    /// Write nothing.
    pub dry_run: bool,
    /// Replace the running instances afterwards.
    pub instance_refresh: bool,
    /// Detect drift even if there is nothing to promote.
    pub verify: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            dry_run: false,
            instance_refresh: false,
            verify: true,
        }
    }
}

/// Which candidates may be chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// The newest that passes; a newer image in place stays.
    #[default]
    Newest,
    /// The newest that passes; it may replace a newer image.
    AllowOlder,
    /// The newest that passes and is older than the image in place.
    Rollback,
}

/// One SSM parameter or one stack, with the images meant for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "pattern",
    rename_all = "lowercase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Target {
    /// Pattern 1.
    Parameter {
        /// The SSM parameter.
        name: ParameterName,
        /// The images meant for it.
        images: Images,
        /// All groups that boot from it, by name, if they have just been listed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        readers: Option<Vec<String>>,
    },
    /// Pattern 2.
    Stack {
        /// The stack.
        name: StackName,
        /// Its image parameters, one for each that some image names. All go into one update.
        parameters: Vec<ImageParameter>,
    },
}

/// One image parameter of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageParameter {
    /// The template parameter's key.
    pub key: ParameterKey,
    /// The images meant for it.
    pub images: Images,
}

/// The images meant for one image parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Images that carry the target's tag, newest first.
    pub candidates: Vec<Candidate>,
    /// The groups that boot from this parameter, according to their live instances.
    pub groups: Vec<Group>,
}

impl Target {
    /// How the image reaches the launch template.
    #[must_use]
    pub const fn pattern(&self) -> Pattern {
        match self {
            Self::Parameter { .. } => Pattern::Parameter,
            Self::Stack { .. } => Pattern::Stack,
        }
    }

    /// The SSM parameter's name, or the stack's.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Parameter { name, .. } => name.as_str(),
            Self::Stack { name, .. } => name.as_str(),
        }
    }

    /// Every image parameter by its name or key; an SSM parameter is its own only image parameter.
    #[must_use]
    pub fn images(&self) -> Vec<(&str, &Images)> {
        match self {
            Self::Parameter { name, images, .. } => vec![(name.as_str(), images)],
            Self::Stack { parameters, .. } => {
                parameters.iter().map(|one| (one.key.as_str(), &one.images)).collect()
            }
        }
    }

    /// Every image parameter's images, mutably.
    pub fn images_mut(&mut self) -> Vec<&mut Images> {
        match self {
            Self::Parameter { images, .. } => vec![images],
            Self::Stack { parameters, .. } => {
                parameters.iter_mut().map(|one| &mut one.images).collect()
            }
        }
    }
}

/// An image that may be promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Candidate {
    /// The image.
    pub image_id: ImageId,
    /// When it was created, in ISO 8601 and UTC as EC2 returns it: text order is time order.
    pub creation_date: String,
    /// The instance and group that it was taken from.
    pub origin: Origin,
    /// The instance whose tags count, because the image carries no target tag: AWS Backup may fail to
    /// copy them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags_of: Option<String>,
    /// The status message in AWS Backup's event, if the job is "completed with issues". It counts
    /// only where AWS Backup itself no longer knows the job, or may not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
}

/// The instance that an image is a backup of, and that instance's group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Origin {
    /// A live instance of a group.
    Group {
        /// The instance (`Image`, `SourceInstanceId`).
        instance_id: String,
        /// Its group.
        group: Group,
    },
    /// A live instance that is in no group.
    NoGroup {
        /// The instance.
        instance_id: String,
    },
    /// The instance no longer exists, or EC2 reports none, so its group is unknown.
    Unknown {
        /// Which of the two, as a phrase for people.
        reason: String,
    },
}

impl Origin {
    /// The group, if it is known.
    #[must_use]
    pub const fn group(&self) -> Option<&Group> {
        match self {
            Self::Group { group, .. } => Some(group),
            Self::NoGroup { .. } | Self::Unknown { .. } => None,
        }
    }
}

/// An Auto Scaling group that a target feeds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// The group's name.
    pub group_name: String,
    /// The stack that owns it; absent when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_name: Option<StackName>,
    /// The type of its instances, which an image must boot on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
}
