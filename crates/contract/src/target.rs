//! What is to be promoted where. A target is one SSM parameter or one stack; the images that
//! carry its tag are its candidates.

use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, StackName};

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
    /// The launch template says `resolve:ssm:NAME`; a promotion writes that parameter.
    Parameter,
    /// The launch template takes a stack parameter; a promotion updates the stack.
    Stack,
}

/// One SSM parameter or one stack, with the images meant for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// How the image gets there.
    pub pattern: Pattern,
    /// The SSM parameter's name, or the stack's.
    pub name: String,
    /// Every image parameter of the target: for an SSM parameter one, itself; for a stack one
    /// for each template parameter that some image names. All go into one update.
    pub parameters: Vec<ImageParameter>,
    /// A newer image in place may be replaced by an older one.
    pub allow_older: bool,
    /// Only an image that is older than the one in place is chosen.
    pub rollback: bool,
    /// Nothing is to be written.
    pub dry_run: bool,
    /// Running instances are to be replaced afterwards.
    pub instance_refresh: bool,
}

/// One image parameter of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageParameter {
    /// The SSM parameter's name, or the template parameter's key.
    pub parameter: String,
    /// Images that carry the target's tag, newest first.
    pub candidates: Vec<Candidate>,
    /// The groups that boot from this parameter, as far as their live instances tell.
    pub groups: Vec<Group>,
}

/// An image that may be promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Candidate {
    /// The image.
    pub image_id: ImageId,
    /// When it was made, ISO 8601 in UTC as EC2 writes it: text order is time order.
    pub creation_date: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What AWS Backup's event said of a job that is "completed with issues". Only the event
    /// has it, so it is known of the image that the event names alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
}

/// The instance that an image is a backup of, and that instance's group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Origin {
    /// The instance, where EC2 knows it (`Image`, `SourceInstanceId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The group that the instance is in. Absent, with `unknown` absent too, for a live instance
    /// outside of any group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Why nothing is known of the group: the instance is gone, or EC2 names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// An Auto Scaling group that a target feeds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// The group's name.
    pub group_name: String,
    /// The stack that made it; absent when no stack did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_name: Option<StackName>,
    /// The type of its instances, which an image has to boot on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
}
