//! Input and output of each Lambda, in the order of the workflow. The state machine's JSONata
//! reads and builds exactly these; unknown fields are refused so that neither side drifts.

use serde::{Deserialize, Serialize};

use crate::ErrorName;
use crate::ids::{ImageId, ParameterName, StackName};
use crate::target::{Group, Target};

macro_rules! message {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[$attribute:meta])+ $field:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$attribute])+ pub $field: $type,)+ }
    };
}

// --- resolve-tags: any JSON in, because what starts the workflow has several forms -------------

message! {
    /// What resolve-tags answers.
    Resolved {
        /// The targets that are meant; none when the run is skipped.
        targets: Vec<Target>,
        /// Why there is nothing to do; present exactly when there are no targets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skipped: Option<String>,
    }
}

// --- validate-ami ------------------------------------------------------------------------------

message! {
    /// What validate-ami takes.
    ValidateInput {
        /// The target, with its candidates.
        target: Target,
    }
}

message! {
    /// What validate-ami answers: a decision for each image parameter of the target.
    Validated {
        /// In the order of the target's parameters; those that could be decided about, at least
        /// one.
        images: Vec<Decision>,
        /// The rest: one bad image must not keep the other groups of a template from theirs.
        refused: Vec<Refusal>,
    }
}

message! {
    /// An image parameter for which no image can be promoted, beside others for which one can.
    Refusal {
        /// The template parameter's key.
        parameter: String,
        /// The name in the catalogue.
        name: ErrorName,
        /// What was found, for people.
        message: String,
    }
}

message! {
    /// What is to become of one image parameter.
    Decision {
        /// The SSM parameter's name, or the template parameter's key.
        parameter: String,
        /// The value in place when the decision was made. Any text: an operator may have begun
        /// with a placeholder. The write is made only if it is still there.
        before: String,
        /// The image that is to be in place at the end.
        after: ImageId,
        /// What leads from the one to the other.
        outcome: DecisionOutcome,
        /// The verdicts on the image that was chosen.
        checks: Vec<Verdict>,
        /// Whether the image comes from a group that this parameter feeds.
        provenance: Provenance,
        /// The SSM parameter that the stack's parameter names, where it is of a type
        /// `AWS::SSM::Parameter::Value<…>`: that one is written, then the stack updated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        through: Option<ParameterName>,
        /// The value in place of that SSM parameter, which may be newer than what the stack took
        /// from it: its write is made only if this is still there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        through_before: Option<String>,
        /// Candidates that are newer than the chosen one, and why they were not chosen.
        rejected: Vec<Rejected>,
        /// The groups that boot from this parameter.
        groups: Vec<Group>,
    }
}

/// What a [`Decision`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionOutcome {
    /// The newest image that passes is not in place: write it.
    Promote,
    /// It is in place already.
    Unchanged,
    /// The image in place is newer than every candidate that passes: it stays.
    Superseded,
}

message! {
    /// One check of one image.
    Verdict {
        /// The check's name.
        check: String,
        /// What had to be.
        expected: String,
        /// What was found.
        actual: String,
        /// Whether the two agree.
        passed: bool,
    }
}

message! {
    /// Whether an image comes from where it says it belongs.
    Provenance {
        /// The verdict.
        verdict: ProvenanceVerdict,
        /// What was found; absent when verified.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}

/// What a [`Provenance`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvenanceVerdict {
    /// The source instance's group is fed by this target.
    Verified,
    /// It cannot be told.
    Unverified,
    /// The source instance is elsewhere.
    Violated,
}

message! {
    /// An image that did not pass.
    Rejected {
        /// The image.
        image_id: ImageId,
        /// The checks that failed.
        failed: Vec<Verdict>,
    }
}

// --- promote-ssm -------------------------------------------------------------------------------

message! {
    /// What promote-ssm takes, on the first look and on every later one.
    PromoteInput {
        /// The parameters, on later looks as the last answer gave them.
        writes: Vec<ParameterWrite>,
    }
}

message! {
    /// What promote-ssm answers.
    Promoted {
        /// Whether to look again: a write is accepted before it shows.
        status: Progress,
        /// The parameters.
        writes: Vec<ParameterWrite>,
    }
}

message! {
    /// One parameter's write.
    ParameterWrite {
        /// The parameter to write.
        parameter_name: ParameterName,
        /// The value that the decision was based on.
        before: String,
        /// The image to put there.
        after: ImageId,
        /// An earlier look for this decision wrote: wait for the value, never write again.
        #[serde(default)]
        written: bool,
        /// The parameter's version before the write; absent before the first look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous_version: Option<i64>,
        /// The parameter's version, as the last look found it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
    }
}

/// Whether a step wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteOutcome {
    /// It wrote (for a stack: the update is on its way).
    Updated,
    /// Everything was in place already; nothing was sent.
    Unchanged,
}

// --- update-stack ------------------------------------------------------------------------------

message! {
    /// What update-stack takes.
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
        before: String,
        /// The image to put there.
        after: ImageId,
        /// The parameter's value names an SSM parameter, which has been written; the stack's own
        /// value stays as it is and is read anew by the update.
        #[serde(default)]
        through: bool,
    }
}

message! {
    /// What update-stack answers.
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
    /// What plan-update takes, on the first look and on every later one.
    PlanInput {
        /// The stack that would be updated.
        stack_name: StackName,
        /// The parameters that would change.
        images: Vec<Change>,
        /// Names this execution, so that a repeated call finds its own change set.
        execution: String,
        /// The change set; absent on the first look.
        #[serde(default)]
        change_set_id: Option<String>,
    }
}

message! {
    /// What plan-update answers.
    PlanReport {
        /// Whether to look again.
        status: Progress,
        /// The change set, while there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set_id: Option<String>,
        /// What the update would do, once complete.
        changes: Vec<PlannedChange>,
        /// What it must not do; absent when all is as it has to be.
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
        /// `Add`, `Modify`, `Remove`, … as CloudFormation says it.
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
    /// What wait-stack-complete takes.
    WaitInput {
        /// The stack's ARN.
        stack_id: String,
        /// The token of the update that is waited for.
        client_request_token: String,
        /// What the update changes: complete means that these are in place.
        images: Vec<Change>,
    }
}

message! {
    /// What wait-stack-complete answers when the update has not failed.
    StackProgress {
        /// Whether to look again.
        status: Progress,
        /// The stack's status as CloudFormation gives it.
        stack_status: String,
    }
}

/// Whether something that takes time has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Look again later.
    InProgress,
    /// It has ended.
    Complete,
}

// --- detect-drift ------------------------------------------------------------------------------

message! {
    /// What detect-drift takes, on the first look and on every later one.
    DriftInput {
        /// The stacks to check; on later looks as the last answer gave them.
        stacks: Vec<StackDrift>,
        /// The groups, with the image that each has to boot.
        groups: Vec<GroupLaunch>,
        /// The stacks' drift before the promotion, where it was looked at.
        #[serde(default)]
        before: Vec<StackDrift>,
    }
}

message! {
    /// What detect-drift answers.
    DriftReport {
        /// Whether a detection still runs.
        status: Progress,
        /// The stacks, as far as known.
        stacks: Vec<StackDrift>,
        /// The groups, with the image that each would boot now.
        groups: Vec<GroupLaunch>,
        /// What is wrong, once complete; absent when all is as it has to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    }
}

message! {
    /// One stack's drift.
    StackDrift {
        /// The stack.
        stack_name: StackName,
        /// The running or finished detection; absent before the first look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detection_id: Option<String>,
        /// `IN_SYNC` or `DRIFTED` as CloudFormation says it; absent until the detection ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// How many resources CloudFormation compared. An `IN_SYNC` of none proves nothing.
        #[serde(default)]
        resources_checked: usize,
        /// Every property that is not as the template says.
        #[serde(default)]
        differences: Vec<Difference>,
    }
}

message! {
    /// A property that is not as the template says.
    Difference {
        /// The resource's name in the template.
        logical_id: String,
        /// The property's JSON pointer; empty when the whole resource is gone.
        path: String,
        /// What the template says.
        expected: String,
        /// What is there.
        actual: String,
        /// It was so before the promotion already.
        #[serde(default)]
        before: bool,
    }
}

message! {
    /// What a group boots.
    GroupLaunch {
        /// The group.
        group_name: String,
        /// The image that it has to boot.
        expected: ImageId,
        /// The image that its launch template gives now; absent before the look, or when there
        /// is none to be found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boots: Option<String>,
        /// EC2's state of that image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_state: Option<String>,
    }
}

message! {
    /// What is wrong with a target, found by a step that itself worked.
    Finding {
        /// The name in the catalogue.
        name: ErrorName,
        /// What was found, for people.
        message: String,
    }
}

// --- instance-refresh --------------------------------------------------------------------------

message! {
    /// What instance-refresh takes, on the first look and on every later one.
    RefreshInput {
        /// The groups, on later looks as the last answer gave them.
        groups: Vec<GroupRefresh>,
    }
}

message! {
    /// What instance-refresh answers when no refresh has failed.
    RefreshReport {
        /// Whether a refresh still runs.
        status: Progress,
        /// The groups.
        groups: Vec<GroupRefresh>,
    }
}

message! {
    /// One group's refresh.
    GroupRefresh {
        /// The group.
        group_name: String,
        /// The image that its instances have to run.
        expected: ImageId,
        /// The refresh that was started or adopted; absent when none is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refresh_id: Option<String>,
        /// Somebody else started it: it may have begun before the promotion.
        #[serde(default)]
        adopted: bool,
        /// Auto Scaling's status of it, or `NotNeeded` when the instances run the image already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
    }
}
