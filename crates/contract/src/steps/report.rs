//! What report takes and answers: the state machine collects, report makes a [`Report`] of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Decision, GroupLaunch, GroupRefresh, ParameterWrite, PlannedChange, Refusal, StackDrift,
};
use crate::report::Report;
use crate::target::Pattern;

message! {
    /// What report takes.
    ReportInput {
        /// What the state machine has collected about each target.
        targets: Vec<TargetRecord>,
        /// Why the targets are not known; the execution then has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    }
}

message! {
    /// What the state machine has collected about one target. Nothing in it is judged.
    TargetRecord {
        /// How the image gets there.
        pattern: Pattern,
        /// The SSM parameter's name, or the stack's.
        name: String,
        /// Nothing was to be written.
        dry_run: bool,
        /// The decision about each image parameter; none when validate-ami failed.
        images: Vec<Decision>,
        /// The image parameters that no image could be chosen for.
        refused: Vec<Refusal>,
        /// The SSM parameters that were written.
        writes: Vec<ParameterWrite>,
        /// What the stack update would do.
        plan: Vec<PlannedChange>,
        /// The stacks' drift.
        drift: Vec<StackDrift>,
        /// What each group boots.
        groups: Vec<GroupLaunch>,
        /// The instance refreshes.
        refresh: Vec<GroupRefresh>,
        /// Something was written.
        has_written: bool,
        /// A failed promotion is rolled back: the operator's choice.
        rolls_back: bool,
        /// The previous images can be put back.
        has_way_back: bool,
        /// The previous images have been put back, or that was tried.
        is_rollback: bool,
        /// Why the last thing that was tried failed: the promotion, or the rollback.
        #[serde(default)]
        failure: Option<Failure>,
        /// Why the promotion failed that was rolled back.
        #[serde(default)]
        promotion_failure: Option<Failure>,
    }
}

impl TargetRecord {
    /// Whether a rollback was wanted and there is none, because what was in place is no image.
    #[must_use]
    pub fn is_without_way_back(&self) -> bool {
        self.has_written && self.rolls_back && !self.has_way_back && !self.is_rollback
    }
}

message! {
    /// A failure as the state machine has it: of a step, by a step's finding, or at the end of a
    /// loop.
    Failure {
        /// The state that failed.
        step: String,
        /// The error's name.
        name: String,
        /// What Step Functions passes on (`errorOutput.Cause`): mostly a text, mostly JSON. Absent
        /// at the end of a loop, and of some time-outs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Value>,
        /// How often a loop polled before it gave up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        polls: Option<u32>,
    }
}

message! {
    /// What report answers.
    Reported {
        /// The report.
        report: Report,
        /// The name of the error that a failed execution ends with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The cause that a failed execution ends with: the report as JSON text, short enough.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    }
}
