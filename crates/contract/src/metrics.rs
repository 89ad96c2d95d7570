//! The metrics that `report` writes, and that the template's alarms and its dashboard read.
//!
//! CloudWatch charges for each combination of a name and its dimensions' values, in each hour in which
//! it gets data. So there are few, and none of them has a target's name as a dimension: what one target
//! has is for `driftless status` to say.

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Driftless";
/// The dimension that every metric has: the name of the stack of Driftless.
pub const STACK: &str = "Stack";
/// The dimension of what ended in several ways.
pub const OUTCOME: &str = "Outcome";
/// The dimension of what failed: the error's name.
pub const ERROR: &str = "Error";

/// The outcome of an execution whose input is wrong itself. It fails for whoever typed the input, and
/// no promotion is lost; so it is not counted as `Failed`.
pub const INVALID_INPUT: &str = "InvalidInput";
/// The outcome of a promotion that a reconcile could not start, or whose end it does not know.
pub const UNKNOWN: &str = "Unknown";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Executions of `promote-ami`, by outcome. A dry run is no promotion.
    Promotions,
    /// The targets that failed, by error. An execution that could not resolve its targets counts as
    /// one.
    FailedTargets,
    /// The failures that are a function's own, after every retry: it crashed, ran out of time or
    /// memory, panicked, or was throttled.
    FunctionFailures,
    /// The targets of a reconcile, by outcome.
    ReconciledTargets,
    /// The rounds of a reconcile that could not list all targets, start every promotion, or learn how
    /// each ended.
    FailedReconciles,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Promotions,
        Self::FailedTargets,
        Self::FunctionFailures,
        Self::ReconciledTargets,
        Self::FailedReconciles,
    ];

    /// Its name in CloudWatch.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promotions => "Promotions",
            Self::FailedTargets => "FailedTargets",
            Self::FunctionFailures => "FunctionFailures",
            Self::ReconciledTargets => "ReconciledTargets",
            Self::FailedReconciles => "FailedReconciles",
        }
    }

    /// Its dimension beside [`STACK`], if it has one.
    #[must_use]
    pub const fn dimension(self) -> Option<&'static str> {
        match self {
            Self::Promotions | Self::ReconciledTargets => Some(OUTCOME),
            Self::FailedTargets => Some(ERROR),
            Self::FunctionFailures | Self::FailedReconciles => None,
        }
    }

    /// The outcomes by which it is counted; none where it has no such dimension.
    #[must_use]
    pub const fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Promotions => {
                &["Promoted", "Unchanged", "Unproven", "Skipped", "Failed", INVALID_INPUT]
            }
            Self::ReconciledTargets => {
                &["Promoted", "Unchanged", "Planned", "Unproven", "Skipped", "Failed", UNKNOWN]
            }
            Self::FailedTargets | Self::FunctionFailures | Self::FailedReconciles => &[],
        }
    }
}
