//! Input and output of report: the state machine collects, and report builds a [`Report`] from it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Decision, GroupLaunch, GroupRefresh, ParameterWrite, PlannedChange, Refusal, Round, Rows,
    StackDrift,
};
use crate::announcement::{NotifyOn, StatusChange};
use crate::report::Report;
use crate::target::Pattern;

/// The input of report: what a state machine has collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ReportInput {
    /// About the targets of one input.
    Promotion(Collected),
    /// About the promotions of a reconcile.
    Reconcile(Round),
    /// About an execution that has ended, for those who want to hear of it.
    Announcement(Ended),
}

message! {
    /// What `promote-ami` has collected.
    Collected {
        /// About each target.
        targets: Vec<TargetRecord>,
        /// Why the input has no targets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skipped: Option<String>,
        /// Why the targets could not be resolved; the execution then has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    }
}

message! {
    /// What the state machine has collected about one target.
    TargetRecord {
        /// How the image reaches the launch template.
        pattern: Pattern,
        /// The SSM parameter's name, or the stack's.
        name: String,
        /// Whether this is a dry run.
        dry_run: bool,
        /// Whether drift is detected even if there is nothing to promote.
        verify: bool,
        /// The decision about each image parameter; empty when validate-ami failed.
        images: Vec<Decision>,
        /// The image parameters for which no image could be chosen.
        refused: Vec<Refusal>,
        /// The SSM parameters that were written.
        writes: Vec<ParameterWrite>,
        /// What the stack update would do.
        plan: Rows<PlannedChange>,
        /// The stacks' drift.
        drift: Vec<StackDrift>,
        /// What each group boots.
        groups: Rows<GroupLaunch>,
        /// The instance refreshes.
        refresh: Vec<GroupRefresh>,
        /// Whether anything was written.
        has_written: bool,
        /// Whether the operator chose to roll back failed promotions.
        rolls_back: bool,
        /// Whether the previous images can be put back.
        has_way_back: bool,
        /// Whether a rollback was tried.
        is_rollback: bool,
        /// Why the promotion, or the rollback after it, failed.
        #[serde(default)]
        failure: Option<Failure>,
        /// Why the promotion failed, if a rollback followed.
        #[serde(default)]
        promotion_failure: Option<Failure>,
    }
}

impl TargetRecord {
    /// Whether a rollback is wanted but impossible, because what was in place is not an image.
    #[must_use]
    pub fn is_without_way_back(&self) -> bool {
        self.has_written && self.rolls_back && !self.has_way_back && !self.is_rollback
    }
}

message! {
    /// A failure as the state machine records it: a step's error or finding, or the end of a loop.
    Failure {
        /// The state that failed.
        step: String,
        /// The error's name.
        name: String,
        /// What Step Functions passes on (`errorOutput.Cause`): usually JSON text. Absent at the
        /// end of a loop, and for some timeouts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Value>,
        /// How often a loop polled before it gave up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        polls: Option<u32>,
    }
}

message! {
    /// The output of report.
    Reported {
        /// The report.
        report: Report,
        /// The name of the error that a failed execution ends with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The cause that a failed execution ends with: the report as JSON text, shortened to fit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    }
}

message! {
    /// What `announce` knows of an execution that has ended.
    Ended {
        /// Whether it is one of `reconcile`.
        is_reconcile: bool,
        /// Of which executions a mail is sent.
        notify_on: NotifyOn,
        /// Step Functions' event.
        change: StatusChange,
    }
}

message! {
    /// What report tells of an execution that has ended.
    Announced {
        /// The event's `detail-type`.
        detail_type: String,
        /// The event's `detail`: a [`PromotionFinished`](crate::announcement::PromotionFinished) or a
        /// [`ReconcileFinished`](crate::announcement::ReconcileFinished).
        detail: Value,
        /// The mail, if one is wanted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mail: Option<Mail>,
    }
}

message! {
    /// A message to the operators' topic.
    Mail {
        /// At most 99 ASCII characters (SNS API, `Publish`: "less than 100 characters long").
        subject: String,
        /// The text.
        body: String,
    }
}
