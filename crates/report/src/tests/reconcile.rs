//! The report of a reconcile: counts of all rounds, rows within bounds, and when it fails.

use contract::ErrorName;
use contract::bounds::MAX_CAUSE_CHARS;
use contract::output::MAX_RECONCILE_REPORT_BYTES;
use contract::report::{Counts, Outcome, PromotionRow, ReconcileReport, Summary};
use contract::steps::{Failure, Reconciled, ReportInput, Round, Rows};
use contract::target::Pattern;

use crate::{Answer, answered};

fn row(n: usize, outcome: Option<Outcome>) -> PromotionRow {
    PromotionRow {
        pattern: Pattern::Stack,
        name: format!("web-{n}"),
        execution: "x".repeat(80),
        outcome,
        error: None,
        sentence: Some("é".repeat(200)),
    }
}

/// A page of this many promotions that ended so.
fn page(outcomes: &[(Option<Outcome>, usize)]) -> Summary {
    let mut page = Summary::default();
    for &(outcome, count) in outcomes {
        for n in 0..count {
            page.counts.add(outcome);
            let is_failed = matches!(outcome, None | Some(Outcome::Failed));
            let rows = if is_failed { &mut page.failed } else { &mut page.others };
            rows.rows.push(row(n, outcome));
        }
    }
    page
}

fn round(targets: usize, pages: Vec<Summary>) -> Round {
    Round { before: None, targets, pages, failure: None }
}

fn reconciled(round: Round) -> Reconciled {
    match answered(ReportInput::Reconcile(round)).unwrap().0 {
        Answer::Reconcile(reconciled) => reconciled,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_worst_outcome_names_the_reconcile_and_failed_targets_do_not_fail_it() {
    use Outcome::{Failed, Planned, Promoted, Skipped, Unchanged, Unproven};
    for (outcomes, outcome, summary) in [
        (vec![], Skipped, "none of the account's images names a target that Driftless may touch"),
        (vec![(Some(Unchanged), 1)], Unchanged, "1 target: 1 unchanged"),
        (
            vec![(Some(Unchanged), 2), (Some(Promoted), 1)],
            Promoted,
            "3 targets: 1 promoted, 2 unchanged",
        ),
        (
            vec![(Some(Unproven), 1), (Some(Promoted), 1)],
            Unproven,
            "2 targets: 1 promoted, 1 unproven",
        ),
        (
            vec![(Some(Unchanged), 1), (Some(Planned), 1)],
            Planned,
            "2 targets: 1 unchanged, 1 planned",
        ),
        (vec![(Some(Promoted), 1), (Some(Failed), 1)], Failed, "2 targets: 1 promoted, 1 failed"),
    ] {
        let targets = outcomes.iter().map(|(_, count)| count).sum();
        let found = reconciled(round(targets, vec![page(&outcomes)]));
        assert_eq!((found.report.outcome, found.report.summary.as_str()), (outcome, summary));
        assert_eq!((found.error, found.cause), (None, None));
    }
}

#[test]
fn what_was_not_started_or_did_not_end_fails_the_reconcile() {
    let unknown = round(1, vec![page(&[(None, 1)])]);
    // A page that did not end.
    let lost = round(2, vec![page(&[(Some(Outcome::Unchanged), 1)])]);
    for round in [unknown, lost] {
        let found = reconciled(round);
        assert_eq!(found.error.as_deref(), Some(ErrorName::ReconcileIncomplete.as_str()));
        assert_eq!(
            (found.report.outcome, found.report.results.counts.unknown),
            (Outcome::Failed, 1)
        );
    }
    let failure = Failure {
        step: "ListTargets".to_owned(),
        name: "AccessDenied".to_owned(),
        cause: Some(r#"{"errorMessage": "no"}"#.into()),
        polls: None,
    };
    let found = reconciled(Round { failure: Some(failure), ..round(0, vec![]) });
    assert_eq!(found.error.as_deref(), Some("AccessDenied"));
    assert_eq!(found.report.summary, "0 targets; ListTargets failed with AccessDenied: no");
}

/// The report goes through the state machine beside the pages of the next round, and Step Functions
/// passes on 256 KiB.
#[test]
fn a_thousand_failures_stay_within_bounds_and_are_all_counted() {
    let mut before: Option<ReconcileReport> = None;
    for _ in 0..4 {
        let pages = vec![page(&[(None, 15), (Some(Outcome::Promoted), 10)]); 10];
        let found = reconciled(Round { before, ..round(250, pages) });
        let cause = found.cause.unwrap();
        assert!(cause.len() <= MAX_CAUSE_CHARS, "{}", cause.len());
        let short: ReconcileReport = serde_json::from_str(&cause).unwrap();
        assert_eq!(short.results.counts, found.report.results.counts);
        assert!(!short.results.failed.rows.is_empty());
        let length = serde_json::to_string(&found.report).unwrap().len();
        assert!(length < MAX_RECONCILE_REPORT_BYTES, "{length}");
        before = Some(found.report);
    }
    let report = before.unwrap();
    let Summary { counts, failed, others } = report.results;
    assert_eq!(counts, Counts { promoted: 400, unknown: 600, ..Counts::default() });
    assert_eq!(failed.rows.len() + failed.more, 600);
    assert_eq!((others.rows.len(), others.more), (Rows::<()>::MAX, 400 - Rows::<()>::MAX));
}
