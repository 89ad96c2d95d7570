//! What CloudWatch counts of an execution: lines in the embedded metric format, from which CloudWatch
//! Logs makes metrics (CloudWatch user guide, "Specification: Embedded metric format"). Lambda passes
//! on a line that is a JSON object already (Lambda developer guide, "Configuring JSON and plain text log
//! formats"). So counting needs no call and no permission.
//!
//! A count has names of outcomes and of errors, and nothing else of a report: no value can be in it.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::error_name::{is_of_a_function, is_of_the_input};
use contract::metrics::{INVALID_INPUT, Metric, NAMESPACE, STACK};
use contract::report::Report;
use contract::steps::{Failure, Round};
use serde_json::{Value, json};

use crate::reconcile;
use crate::sentences::cause_text;

/// The maximum length of an error's name as a dimension.
const MAX_NAME_CHARS: usize = 100;

/// How often something happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count {
    pub metric: Metric,
    /// The value of the metric's own dimension, if it has one.
    pub of: Option<String>,
    pub count: usize,
}

/// What an execution of `promote-ami` counts. `unresolved` is why it has no targets.
pub(crate) fn of_promotion(
    report: &Report,
    unresolved: Option<&Failure>,
    is_dry_run: bool,
) -> Vec<Count> {
    if is_dry_run {
        return Vec::new();
    }
    let outcome = match unresolved {
        Some(failure) if is_input_wrong(failure) => INVALID_INPUT.to_owned(),
        _ => format!("{:?}", report.outcome),
    };
    let of_targets = report.targets.iter().filter_map(|target| target.error.as_ref());
    let of_targets = of_targets.map(|error| error.name.as_str());
    let errors = of_targets.chain(unresolved.map(|failure| failure.name.as_str()));
    let mut counts = vec![by(Metric::Promotions, outcome, 1)];
    counts.extend(of_errors(errors.collect()));
    counts
}

/// What one round of a reconcile counts.
pub(crate) fn of_round(round: &Round) -> Vec<Count> {
    let ended = reconcile::of_round(round);
    let has_failed = match &round.failure {
        Some(failure) => !is_input_wrong(failure),
        None => ended.unknown > 0,
    };
    let is_of_a_function = round.failure.iter().filter(|it| is_of_a_function(&it.name)).count();
    let targets = ended.all().map(|(outcome, count)| by(Metric::ReconciledTargets, outcome, count));
    let rounds = [
        Count { metric: Metric::FailedReconciles, of: None, count: usize::from(has_failed) },
        Count { metric: Metric::FunctionFailures, of: None, count: is_of_a_function },
    ];
    // CloudWatch charges for a metric in each hour that it gets data, zeros too.
    targets.into_iter().chain(rounds).filter(|it| it.count > 0).collect()
}

fn is_input_wrong(failure: &Failure) -> bool {
    is_of_the_input(&failure.name, &cause_text(failure.cause.as_ref()))
}

fn of_errors(errors: Vec<&str>) -> Vec<Count> {
    let count = errors.iter().filter(|name| is_of_a_function(name)).count();
    let mut by_name = BTreeMap::new();
    for name in errors {
        *by_name.entry(dimension(name)).or_default() += 1;
    }
    let by_name = by_name.into_iter();
    let mut counts: Vec<_> =
        by_name.map(|(name, count)| by(Metric::FailedTargets, name, count)).collect();
    if count > 0 {
        counts.push(Count { metric: Metric::FunctionFailures, of: None, count });
    }
    counts
}

/// An error's name, which AWS may have chosen, as CloudWatch accepts it.
fn dimension(name: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_name = (1..=MAX_NAME_CHARS).contains(&name.len()) && name.chars().all(is_plain);
    if is_name { name } else { "Other" }
}

fn by(metric: Metric, of: impl Into<String>, count: usize) -> Count {
    Count { metric, of: Some(of.into()), count }
}

/// Writes each count as a line of its own.
pub(crate) fn write(stack: &str, counts: &[Count]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or_default();
    let mut stdout = std::io::stdout().lock();
    for count in counts {
        // A count that cannot be written must not lose the report.
        let _ = writeln!(stdout, "{}", document(stack, now, count));
    }
}

/// One metric for each document: two values of one dimension do not fit into the same.
pub(crate) fn document(stack: &str, milliseconds: u64, count: &Count) -> Value {
    let Count { metric, of, count } = count;
    let own = metric.dimension().zip(of.as_ref());
    let dimensions: Vec<_> = [STACK].into_iter().chain(own.map(|(name, _)| name)).collect();
    let mut document = json!({
        "_aws": {
            "Timestamp": milliseconds,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [dimensions],
                "Metrics": [{"Name": metric.name(), "Unit": "Count"}],
            }],
        },
        STACK: stack,
        metric.name(): count,
    });
    if let (Some((name, value)), Some(members)) = (own, document.as_object_mut()) {
        members.insert(name.to_owned(), json!(value));
    }
    document
}
