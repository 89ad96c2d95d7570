//! Inputs and outputs of detect-drift, verify-groups and instance-refresh, which prove a promotion.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Progress, Rows};
use crate::ErrorName;
use crate::ids::{ImageId, ParameterName, StackName};

// --- detect-drift ------------------------------------------------------------------------------

message! {
    /// The input of detect-drift, on the first and every later poll.
    DriftInput {
        /// The stacks to check; on later polls as in the last output.
        stacks: Vec<StackDrift>,
        /// The stacks' drift before the promotion, if it was detected.
        #[serde(default)]
        before: Vec<StackDrift>,
    }
}

message! {
    /// The output of detect-drift.
    DriftReport {
        /// Whether a detection is still running.
        status: Progress,
        /// The stacks, with the results so far.
        stacks: Vec<StackDrift>,
        /// Drift that did not exist before, once complete; absent when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    }
}

/// One stack's drift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackDrift {
    /// The stack.
    pub stack_name: StackName,
    /// How far its detection has got.
    #[serde(flatten)]
    pub detection: Detection,
}

/// How far a stack's drift detection has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Detection {
    /// Before the first poll.
    NotStarted {},
    /// CloudFormation is comparing the resources.
    Running {
        /// The detection.
        detection_id: String,
    },
    /// It has ended.
    Settled {
        /// CloudFormation's summary.
        status: DriftStatus,
        /// How many resources CloudFormation compared. `IN_SYNC` proves nothing if there were none.
        resources_checked: usize,
        /// The properties that differ from the template, new ones first.
        differences: Rows<Difference>,
        /// A short hash of every difference, by which drift from before the promotion is
        /// recognised. A report does not have them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fingerprints: Vec<String>,
    },
}

/// The summary of a drift detection (`DescribeStackDriftDetectionStatus`, `StackDriftStatus`). The
/// other values prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DriftStatus {
    /// No compared resource differs.
    InSync,
    /// At least one differs.
    Drifted,
}

impl fmt::Display for DriftStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InSync => "IN_SYNC",
            Self::Drifted => "DRIFTED",
        })
    }
}

impl StackDrift {
    /// A stack whose drift has not been detected yet.
    #[must_use]
    pub const fn of(stack_name: StackName) -> Self {
        Self { stack_name, detection: Detection::NotStarted {} }
    }
}

message! {
    /// A property that differs from the template.
    Difference {
        /// The resource's name in the template.
        logical_id: String,
        /// The property's JSON pointer; empty when the whole resource is gone.
        path: String,
        /// The value in the template.
        expected: String,
        /// The actual value.
        actual: String,
        /// Whether it differed already before the promotion.
        #[serde(default)]
        before: bool,
    }
}

message! {
    /// Something wrong with a target, found by a step that itself worked.
    Finding {
        /// The name in the catalogue.
        name: ErrorName,
        /// The finding in a sentence, for people.
        message: String,
    }
}

// --- verify-groups -----------------------------------------------------------------------------

message! {
    /// The input of verify-groups.
    VerifyInput {
        /// What must be proved.
        proof: Proof,
    }
}

message! {
    /// What the groups of a target must boot, and how to find the groups.
    Proof {
        /// Where the groups are defined.
        scope: Scope,
        /// The groups that are known, with the image that each must boot.
        groups: Vec<ExpectedLaunch>,
        /// Whether these are all groups of the scope, so that no other has to be looked for.
        is_complete: bool,
        /// The images that were in place.
        before: Vec<ImageId>,
        /// The images that must be in place.
        after: Vec<ImageId>,
    }
}

/// Where the groups of a target are defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Scope {
    /// In this stack, or in one nested in it.
    Stack(StackName),
    /// Anywhere: every group of the account whose launch template reads this parameter.
    Parameter(ParameterName),
}

message! {
    /// The image that a group must boot.
    ExpectedLaunch {
        /// The group.
        group_name: String,
        /// The image.
        expected: ImageId,
    }
}

message! {
    /// The answer of verify-groups.
    Verified {
        /// What the groups would boot now, wrong images first. Empty if no group was found.
        groups: Rows<GroupLaunch>,
        /// The same groups for an instance refresh.
        refresh: Vec<GroupRefresh>,
        /// A wrong or unavailable image; absent when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    }
}

message! {
    /// An image that a group would boot.
    GroupLaunch {
        /// The group.
        group_name: String,
        /// The image that it must boot.
        expected: ImageId,
        /// The image in its launch template now; absent when it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boots: Option<String>,
        /// EC2's state of that image; absent when EC2 does not list it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_state: Option<String>,
    }
}

// --- instance-refresh --------------------------------------------------------------------------

message! {
    /// The input of instance-refresh, on the first and every later poll.
    RefreshInput {
        /// The groups; on later polls as in the last output.
        groups: Vec<GroupRefresh>,
    }
}

message! {
    /// The output of instance-refresh when no refresh has failed.
    RefreshReport {
        /// Whether a refresh is still running.
        status: Progress,
        /// The groups.
        groups: Vec<GroupRefresh>,
    }
}

/// One group's refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRefresh {
    /// The group.
    pub group_name: String,
    /// The image that its instances must run.
    pub expected: ImageId,
    /// How far it has got.
    #[serde(flatten)]
    pub phase: RefreshPhase,
}

/// How far a group's refresh has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum RefreshPhase {
    /// None has been started or adopted yet.
    NotStarted {},
    /// It is running, or it has ended and the instances are not in service yet.
    Running {
        /// The refresh.
        refresh_id: String,
        /// Whether another caller started it; it may have begun before the promotion.
        adopted: bool,
        /// Its status in Auto Scaling.
        status: String,
    },
    /// The instances ran the image before any refresh.
    NotNeeded {},
    /// The instances run the image.
    Settled {
        /// The refresh.
        refresh_id: String,
    },
}

impl GroupRefresh {
    /// A group whose instances have not been checked yet.
    #[must_use]
    pub const fn expecting(group_name: String, expected: ImageId) -> Self {
        Self { group_name, expected, phase: RefreshPhase::NotStarted {} }
    }
}
