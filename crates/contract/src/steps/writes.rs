//! Inputs and outputs of the steps that write or plan: promote-ssm, update-stack, plan-update,
//! wait-stack-complete.

use serde::{Deserialize, Serialize};

use super::{Finding, Rows};
use crate::ids::{ImageId, ParameterName, StackName};
use crate::placed::PlacedValue;

// --- promote-ssm -------------------------------------------------------------------------------

message! {
    /// The input of promote-ssm, on the first and every later poll.
    PromoteInput {
        /// The parameters; on later polls as in the last output.
        writes: Vec<ParameterWrite>,
        /// Names this execution and its decision, so that a repeated call finds its own write.
        execution: String,
        /// How often this decision's writes have been polled before.
        #[serde(default)]
        polls: u32,
    }
}

message! {
    /// The output of promote-ssm.
    Promoted {
        /// Whether to poll again: a write is accepted before the new value is visible.
        status: Progress,
        /// The parameters.
        writes: Vec<ParameterWrite>,
    }
}

/// One parameter's write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterWrite {
    /// The parameter to write.
    pub parameter_name: ParameterName,
    /// The value that the decision was based on.
    pub before: PlacedValue,
    /// The image to put there.
    pub after: ImageId,
    /// How far the write has got.
    #[serde(flatten)]
    pub phase: WritePhase,
}

/// How far a parameter's write has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", deny_unknown_fields)]
pub enum WritePhase {
    /// Before the first poll.
    NotStarted {},
    /// The parameter does not return the image yet.
    Running(Versions),
    /// The parameter returns the image.
    Settled(Versions),
}

/// A parameter's versions, and whose write they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Versions {
    /// Whether this decision's write has begun, and not another execution's.
    pub written: bool,
    /// The version before the write.
    pub previous_version: i64,
    /// The version that the last poll found.
    pub version: i64,
}

impl WritePhase {
    /// The versions; `None` before the first poll.
    #[must_use]
    pub const fn versions(&self) -> Option<&Versions> {
        match self {
            Self::NotStarted {} => None,
            Self::Running(versions) | Self::Settled(versions) => Some(versions),
        }
    }
}

impl ParameterWrite {
    /// A write that has not been begun.
    #[must_use]
    pub const fn new(parameter_name: ParameterName, before: PlacedValue, after: ImageId) -> Self {
        Self { parameter_name, before, after, phase: WritePhase::NotStarted {} }
    }
}

/// Whether a step wrote anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteOutcome {
    /// It wrote (for a stack: the update has started).
    Updated,
    /// Everything was already in place; nothing was sent.
    Unchanged,
}

// --- update-stack ------------------------------------------------------------------------------

message! {
    /// The input of update-stack.
    UpdateInput {
        /// The stack to update.
        stack_name: StackName,
        /// The parameters to change, all in one update.
        images: Vec<Change>,
        /// Names this execution, so that a repeated call finds its own update.
        execution: String,
    }
}

message! {
    /// One parameter's change.
    Change {
        /// The template parameter's key.
        parameter: String,
        /// The value that the decision was based on.
        before: PlacedValue,
        /// The image to write.
        after: ImageId,
        /// The SSM parameter that the parameter's value names, which has been written; the stack's
        /// own value stays unchanged, and the update resolves it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<ParameterName>,
    }
}

message! {
    /// The output of update-stack.
    StackUpdate {
        /// Whether an update was started.
        outcome: WriteOutcome,
        /// The stack's ARN, which stays valid if the stack is deleted meanwhile.
        stack_id: String,
        /// The token that marks the events of this update.
        client_request_token: String,
    }
}

// --- plan-update -------------------------------------------------------------------------------

message! {
    /// The input of plan-update, on the first and every later poll.
    PlanInput {
        /// The stack that would be updated.
        stack_name: StackName,
        /// The parameters that would change.
        images: Vec<Change>,
        /// Names this execution, so that a repeated call finds its own change set.
        execution: String,
        /// The change set; absent on the first poll.
        #[serde(default)]
        change_set_id: Option<String>,
    }
}

message! {
    /// The output of plan-update.
    PlanReport {
        /// Whether to poll again.
        status: Progress,
        /// The change set, while there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set_id: Option<String>,
        /// What the update would do, once complete.
        changes: Rows<PlannedChange>,
        /// The finding, if the update would do more than it may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    }
}

message! {
    /// What an update would do to one resource.
    PlannedChange {
        /// The resource's name in the template.
        logical_id: String,
        /// Its type.
        resource_type: String,
        /// `Add`, `Modify`, `Remove`, … as CloudFormation returns it.
        action: String,
        /// `True`, `False` or `Conditional`; absent when nothing can be replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replacement: Option<String>,
        /// The properties that change.
        properties: Vec<String>,
    }
}

// --- wait-stack-complete -----------------------------------------------------------------------

message! {
    /// The input of wait-stack-complete.
    WaitInput {
        /// The stack's ARN.
        stack_id: String,
        /// The token of the update to wait for.
        client_request_token: String,
        /// The update's changes: it is complete when these are in place.
        images: Vec<Change>,
    }
}

message! {
    /// The output of wait-stack-complete when the update has not failed.
    StackProgress {
        /// Whether to poll again.
        status: Progress,
        /// The stack's status as CloudFormation returns it.
        stack_status: String,
    }
}

/// Whether something that takes time has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Poll again later.
    InProgress,
    /// It has ended.
    Complete,
}
