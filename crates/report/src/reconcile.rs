//! The report of a reconcile: how many promotions ended in which way, and those that failed.

use contract::ErrorName;
use contract::bounds::MAX_CAUSE_CHARS;
use contract::report::{Counts, Outcome, ReconcileReport, Summary};
use contract::steps::{Failure, Reconciled, Round, Rows};

use crate::sentences;

/// The maximum length of the rows of failed promotions as JSON. The report goes through the state
/// machine together with the pages of the next round, and Step Functions passes on 256 KiB.
pub(crate) const MAX_FAILED_BYTES: usize = 100_000;
/// The same in the cause of a failed execution, which has a maximum length of its own.
const MAX_CAUSE_ROWS_BYTES: usize = MAX_CAUSE_CHARS - 8_000;

/// The report on all rounds so far, and the error if the reconcile itself failed. That targets
/// failed is no error: each has an execution of its own, which failed, and its dead letter.
///
/// # Errors
/// The report cannot be written as JSON, which is a defect.
pub(crate) fn reconciled(round: Round) -> Result<Reconciled, serde_json::Error> {
    let of_round = of_round(&round);
    let (listed, before) =
        round.before.map_or((0, Summary::default()), |report| (report.targets, report.results));
    let targets = listed + round.targets;
    let mut counts = before.counts;
    counts += of_round;
    let mut results = round.pages.into_iter().fold(before, merged);
    results.counts = counts;
    let error = error(round.failure.as_ref(), &results.counts);
    let report = ReconcileReport {
        outcome: outcome(&results.counts, error.is_some()),
        summary: sentence(targets, &results.counts, round.failure.as_ref()),
        targets,
        results,
    };
    let cause = error.is_some().then(|| cause(&report)).transpose()?;
    Ok(Reconciled { report, error, cause })
}

/// How the promotions of one round ended. Of a page that did not end, nothing is known.
pub(crate) fn of_round(round: &Round) -> Counts {
    let mut counts = Counts::default();
    for page in &round.pages {
        counts += page.counts;
    }
    counts.unknown += round.targets.saturating_sub(counts.total());
    counts
}

/// The rows of both; the counts are those before.
fn merged(before: Summary, page: Summary) -> Summary {
    let Summary { counts, failed, others } = before;
    let mut others = joined(others, page.others);
    // What changed something comes first.
    others.rows.sort_by_key(|row| row.outcome == Some(Outcome::Unchanged));
    let failed = joined(failed, page.failed).within(MAX_FAILED_BYTES);
    Summary { counts, failed, others: others.shortened() }
}

fn joined<T>(mut first: Rows<T>, second: Rows<T>) -> Rows<T> {
    first.rows.extend(second.rows);
    Rows { rows: first.rows, more: first.more + second.more }
}

/// A reconcile fails if it did not do its own work: list all targets, start every promotion, and
/// learn how it ended.
fn error(failure: Option<&Failure>, counts: &Counts) -> Option<String> {
    match failure {
        Some(failure) => Some(failure.name.clone()),
        None if counts.unknown > 0 => Some(ErrorName::ReconcileIncomplete.to_string()),
        None => None,
    }
}

fn outcome(counts: &Counts, has_error: bool) -> Outcome {
    let in_order = [
        (counts.failed, Outcome::Failed),
        (counts.planned, Outcome::Planned),
        (counts.unproven, Outcome::Unproven),
        (counts.promoted, Outcome::Promoted),
        (counts.unchanged, Outcome::Unchanged),
    ];
    if has_error {
        return Outcome::Failed;
    }
    let first = in_order.into_iter().find(|(count, _)| *count > 0);
    first.map_or(Outcome::Skipped, |(_, outcome)| outcome)
}

fn sentence(targets: usize, counts: &Counts, failure: Option<&Failure>) -> String {
    let mut sentence = match targets {
        0 if failure.is_none() => {
            "none of the account's images names a target that Driftless may touch".to_owned()
        }
        1 => "1 target".to_owned(),
        _ => format!("{targets} targets"),
    };
    let counted = counts.all().into_iter().filter(|(_, count)| *count > 0);
    let counted: Vec<_> =
        counted.map(|(outcome, count)| format!("{count} {}", outcome.to_lowercase())).collect();
    if !counted.is_empty() {
        sentence.push_str(&format!(": {}", counted.join(", ")));
    }
    if let Some(failure) = failure {
        sentence.push_str(&format!("; {}", sentences::step_failed(failure)));
    }
    sentence
}

/// The report as JSON text, with as many rows as fit into a cause.
fn cause(report: &ReconcileReport) -> Result<String, serde_json::Error> {
    let mut short = report.clone();
    let Summary { failed, others, .. } = &mut short.results;
    *failed = std::mem::take(failed).within(MAX_CAUSE_ROWS_BYTES);
    *others = std::mem::take(others).within(0);
    short.summary = step::truncated(short.summary, 1_000);
    serde_json::to_string(&short)
}
