//! Inputs and outputs of list-targets and collect-results, and what report gets of a reconcile.

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::event::{ReconcileRun, TargetRun};
use crate::report::{Outcome, ReconcileReport, Summary};

// --- list-targets ------------------------------------------------------------------------------

message! {
    /// The input of list-targets.
    ListInput {
        /// The input of the execution.
        run: ReconcileRun,
        /// The execution's name, from which the names of the promotions are made.
        execution: String,
        /// Where the last round ended; absent in the first.
        #[serde(default)]
        after: Option<String>,
    }
}

message! {
    /// The output of list-targets: the targets of one round.
    Listed {
        /// The promotions to start, in the order of the targets' names.
        targets: Vec<Start>,
        /// Where this round ends, if there are more targets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    }
}

message! {
    /// An execution of `promote-ami` to start.
    Start {
        /// The execution's name: the same for the same target and reconcile, so that a start that is
        /// retried finds the execution that runs already.
        name: String,
        /// Its input.
        input: TargetRun,
    }
}

// --- collect-results ---------------------------------------------------------------------------

message! {
    /// The input of collect-results: the promotions of one page.
    CollectInput {
        /// As the state machine recorded them.
        results: Vec<StartResult>,
    }
}

message! {
    /// What became of a promotion, as far as the state machine knows.
    StartResult {
        /// What was started.
        start: Start,
        /// The outcome in its report; absent if it did not succeed.
        #[serde(default)]
        outcome: Option<Outcome>,
        /// The summary in its report.
        #[serde(default)]
        summary: Option<String>,
        /// The error that the start, or the execution, ended with.
        #[serde(default)]
        error: Option<String>,
        /// The beginning of that error's cause.
        #[serde(default)]
        cause: Option<String>,
    }
}

// --- report ------------------------------------------------------------------------------------

message! {
    /// What `reconcile` has collected in one round.
    Round {
        /// The report on the rounds before.
        #[serde(default)]
        before: Option<ReconcileReport>,
        /// How many targets the round has.
        targets: usize,
        /// What collect-results has made of each page.
        pages: Vec<Summary>,
        /// Why the targets could not be listed, or the pages not be run.
        #[serde(default)]
        failure: Option<Failure>,
    }
}

message! {
    /// The output of report for a reconcile.
    Reconciled {
        /// The report on all rounds so far.
        report: ReconcileReport,
        /// The name of the error that the execution fails with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The cause that it fails with: the report as JSON text, shortened to fit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    }
}
