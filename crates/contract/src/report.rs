//! The report of an execution: the output of one that succeeded, the cause (as JSON text) of one
//! that failed. The step `report` builds it; programs that start executions read it with these
//! types.

use serde::{Deserialize, Serialize};

use crate::ErrorName;
use crate::steps::{
    Decision, GroupLaunch, GroupRefresh, ParameterWrite, PlannedChange, Rows, StackDrift,
};
use crate::target::Pattern;

/// The report of one execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// The outcome of the execution.
    pub outcome: Outcome,
    /// A sentence for each target.
    pub summary: String,
    /// Every target of the execution.
    pub targets: Vec<TargetReport>,
}

/// The outcome of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// At least one target has a new image, and none failed.
    Promoted,
    /// Every target already had the right image.
    Unchanged,
    /// A dry run: the targets contain what would be done.
    Planned,
    /// The right images are in place, but for at least one target it is not proved that a group
    /// boots them.
    Unproven,
    /// The input had no targets.
    Skipped,
    /// At least one target failed.
    Failed,
}

/// The result for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetReport {
    /// How the image reaches the launch template.
    pub pattern: Pattern,
    /// The SSM parameter's name, or the stack's.
    pub name: String,
    /// The outcome.
    pub outcome: TargetOutcome,
    /// The image parameters, with the image before and after.
    pub images: Vec<Decision>,
    /// The SSM parameters that were written, with their versions.
    pub writes: Vec<ParameterWrite>,
    /// The planned changes of the stack update.
    pub plan: Rows<PlannedChange>,
    /// The stacks' drift.
    pub drift: Vec<StackDrift>,
    /// What each group boots now.
    pub groups: Rows<GroupLaunch>,
    /// The instance refreshes, where one was asked for.
    pub refresh: Vec<GroupRefresh>,
    /// Why it is not proved that a group boots the image; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<String>,
    /// The error, if the target failed.
    pub error: Option<StepError>,
}

/// The outcome for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetOutcome {
    /// The newest image that passes was put in place by this execution.
    Updated,
    /// It was in place already.
    Unchanged,
    /// A newer image is in place and stays.
    Superseded,
    /// A dry run: nothing was written.
    Planned,
    /// The right image is in place, but it is not proved that a group boots it: see the reason.
    Unproven,
    /// The promotion failed (see the error), and the previous image was put back.
    RolledBack,
    /// See the error.
    Failed,
}

/// Where a target failed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepError {
    /// The state that failed.
    pub step: String,
    /// The error's name: one of [`ErrorName`], or one of Step Functions' or Lambda's own.
    pub name: String,
    /// What was found and what to do.
    pub message: String,
}

impl StepError {
    /// The name in the catalogue; `None` for the services' own names (`States.Timeout`, …).
    #[must_use]
    pub fn catalogued(&self) -> Option<ErrorName> {
        ErrorName::named(&self.name)
    }
}

// --- reconcile ---------------------------------------------------------------------------------

/// The report of a reconcile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileReport {
    /// The outcome of all promotions together.
    pub outcome: Outcome,
    /// How many there were, and how they ended.
    pub summary: String,
    /// How many targets were listed.
    pub targets: usize,
    /// What became of them.
    #[serde(flatten)]
    pub results: Summary,
}

/// What became of some promotions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many ended in which way.
    pub counts: Counts,
    /// Those that failed, and those of which nobody knows how they ended.
    pub failed: Rows<PromotionRow>,
    /// The first of the others, those that changed something first.
    pub others: Rows<PromotionRow>,
}

/// How many promotions ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// A new image is in place.
    pub promoted: usize,
    /// The right image was in place.
    pub unchanged: usize,
    /// A dry run.
    pub planned: usize,
    /// The right image is in place, but not proved to be booted.
    pub unproven: usize,
    /// The target was gone when its promotion ran.
    pub skipped: usize,
    /// The promotion failed.
    pub failed: usize,
    /// The promotion could not be started, or its end is unknown.
    pub unknown: usize,
}

/// One promotion of a reconcile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromotionRow {
    /// How the image reaches the launch template.
    pub pattern: Pattern,
    /// The SSM parameter's name, or the stack's; shortened if it is very long.
    pub name: String,
    /// The name of the execution of `promote-ami`.
    pub execution: String,
    /// Its outcome; absent if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The error, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What happened, in a sentence. Absent where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
}

impl Counts {
    /// Counts one promotion more.
    pub const fn add(&mut self, outcome: Option<Outcome>) {
        *match outcome {
            Some(Outcome::Promoted) => &mut self.promoted,
            Some(Outcome::Unchanged) => &mut self.unchanged,
            Some(Outcome::Planned) => &mut self.planned,
            Some(Outcome::Unproven) => &mut self.unproven,
            Some(Outcome::Skipped) => &mut self.skipped,
            Some(Outcome::Failed) => &mut self.failed,
            None => &mut self.unknown,
        } += 1;
    }

    /// Each count with the name of its outcome.
    #[must_use]
    pub const fn all(&self) -> [(&'static str, usize); 7] {
        [
            ("Promoted", self.promoted),
            ("Unchanged", self.unchanged),
            ("Planned", self.planned),
            ("Unproven", self.unproven),
            ("Skipped", self.skipped),
            ("Failed", self.failed),
            ("Unknown", self.unknown),
        ]
    }

    /// How many promotions these are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.all().iter().map(|(_, count)| count).sum()
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.promoted += other.promoted;
        self.unchanged += other.unchanged;
        self.planned += other.planned;
        self.unproven += other.unproven;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.unknown += other.unknown;
    }
}
