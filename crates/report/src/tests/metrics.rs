//! What CloudWatch counts: of each way in which an execution ends, and no value of a parameter.

use contract::ErrorName;
use contract::metrics::Metric;
use contract::report::{Outcome, Summary};
use contract::steps::{Collected, Failure, ReportInput, Round};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NEW, failure, image, record, rows};
use crate::metrics::{Count, document};
use crate::{Answer, answered};

/// Each count as text: `Promotions Failed 1`. An outcome that is not declared would be counted in vain:
/// no alarm and no dashboard knows it.
fn said(input: ReportInput) -> Vec<String> {
    let (_, counts) = answered(input).unwrap();
    for Count { metric, of, .. } in &counts {
        assert_eq!(metric.dimension().is_some(), of.is_some(), "{metric:?}");
        let is_declared = |of: &String| metric.outcomes().contains(&of.as_str());
        assert!(metric.outcomes().is_empty() || of.as_ref().is_some_and(is_declared), "{of:?}");
    }
    let of = |count: &Count| count.of.as_ref().map_or_else(String::new, |of| format!(" {of}"));
    counts.iter().map(|it| format!("{}{} {}", it.metric.name(), of(it), it.count)).collect()
}

fn promotion(collected: Value) -> ReportInput {
    ReportInput::Promotion(serde_json::from_value(collected).unwrap())
}

fn of_targets(changed: &[Value]) -> ReportInput {
    let targets = changed.iter().map(record).collect();
    ReportInput::Promotion(Collected { targets, skipped: None, failure: None })
}

#[test]
fn each_outcome_of_a_promotion_is_counted_once() {
    let denied = failure("UpdateStack", "AccessDenied", "no");
    let timed_out = failure("ValidateAmi", "Sandbox.Timedout", "");
    let unchanged = json!({"hasWritten": false, "images": [image(NEW, "Unchanged")]});
    let rolled_back = json!({"isRollback": true, "promotionFailure": denied});
    for (changed, expected) in [
        (vec![json!({})], vec!["Promotions Promoted 1"]),
        (vec![json!({}), unchanged.clone()], vec!["Promotions Promoted 1"]),
        (vec![unchanged], vec!["Promotions Unchanged 1"]),
        (vec![json!({"groups": rows(&[])})], vec!["Promotions Unproven 1"]),
        (vec![rolled_back], vec!["Promotions Failed 1", "FailedTargets AccessDenied 1"]),
        (
            vec![json!({"failure": denied}), json!({"failure": denied})],
            vec!["Promotions Failed 1", "FailedTargets AccessDenied 2"],
        ),
        (
            vec![json!({"failure": denied}), json!({"failure": timed_out})],
            vec![
                "Promotions Failed 1",
                "FailedTargets AccessDenied 1",
                "FailedTargets Sandbox.Timedout 1",
                "FunctionFailures 1",
            ],
        ),
        (
            vec![json!({"failure": failure("ValidateAmi", "no name, but a text", "")})],
            vec!["Promotions Failed 1", "FailedTargets Other 1"],
        ),
    ] {
        assert_eq!(said(of_targets(&changed)), expected, "{changed:?}");
    }
    let skipped = promotion(json!({"targets": [], "skipped": "no targets"}));
    assert_eq!(said(skipped), ["Promotions Skipped 1"]);
}

#[test]
fn a_dry_run_is_no_promotion() {
    let denied = failure("UpdateStack", "AccessDenied", "no");
    for changed in [
        json!({"dryRun": true, "hasWritten": false}),
        json!({"dryRun": true, "failure": denied}),
        json!({"dryRun": true, "hasWritten": false, "images": [image(NEW, "Unchanged")]}),
    ] {
        assert_eq!(said(of_targets(std::slice::from_ref(&changed))), [""; 0], "{changed}");
    }
}

#[test]
fn only_an_input_that_is_wrong_itself_is_no_failure() {
    for (name, message, expected) in [
        ("InvalidInput", "imageId: expected an image ID", "Promotions InvalidInput 1"),
        ("InvalidInput", "tags.StackName: expected a name", "Promotions Failed 1"),
        ("AccessDenied", "no", "Promotions Failed 1"),
    ] {
        let cause = json!({"errorMessage": message}).to_string();
        let input = json!({"targets": [], "failure": failure("ResolveTags", name, &cause)});
        let failed = format!("FailedTargets {name} 1");
        assert_eq!(said(promotion(input)), [expected, failed.as_str()], "{message}");
    }
}

fn page(outcomes: &[Option<Outcome>]) -> Summary {
    let mut page = Summary::default();
    for outcome in outcomes {
        page.counts.add(*outcome);
    }
    page
}

#[test]
fn a_round_counts_its_own_targets() {
    use Outcome::{Failed, Promoted, Unchanged};
    let failed = |name: &str, message: &str| Failure {
        step: "ListTargets".to_owned(),
        name: name.to_owned(),
        cause: Some(json!(message)),
        polls: None,
    };
    let first = Round { before: None, targets: 1, pages: vec![page(&[None])], failure: None };
    let Answer::Reconcile(first) = answered(ReportInput::Reconcile(first)).unwrap().0 else {
        panic!("a reconcile");
    };
    for (targets, pages, failure, expected) in [
        (
            4,
            vec![page(&[Some(Promoted), Some(Unchanged)]), page(&[Some(Unchanged), Some(Failed)])],
            None,
            vec![
                "ReconciledTargets Promoted 1",
                "ReconciledTargets Unchanged 2",
                "ReconciledTargets Failed 1",
            ],
        ),
        // One was not started, and a page with another did not end.
        (2, vec![page(&[None])], None, vec!["ReconciledTargets Unknown 2", "FailedReconciles 1"]),
        (0, vec![], Some(failed("AccessDenied", "no")), vec!["FailedReconciles 1"]),
        (0, vec![], Some(failed("InvalidInput", "dryRun: expected a boolean")), vec![]),
        (
            0,
            vec![],
            Some(failed("Lambda.Unknown", "")),
            vec!["FailedReconciles 1", "FunctionFailures 1"],
        ),
        (0, vec![], None, vec![]),
    ] {
        let round = Round { before: None, targets, pages, failure };
        assert_eq!(said(ReportInput::Reconcile(round.clone())), expected, "{round:?}");
        // What earlier rounds counted is not counted again.
        let later = Round { before: Some(first.report.clone()), ..round };
        assert_eq!(said(ReportInput::Reconcile(later)), expected);
    }
}

#[test]
fn a_document_is_as_cloudwatch_specifies_it() {
    let count = Count {
        metric: Metric::FailedTargets,
        of: Some(ErrorName::ImageExpiring.to_string()),
        count: 2,
    };
    assert_eq!(
        document("driftless", 1_790_000_000_123, &count),
        json!({
            "_aws": {
                "Timestamp": 1_790_000_000_123_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "Driftless",
                    "Dimensions": [["Stack", "Error"]],
                    "Metrics": [{"Name": "FailedTargets", "Unit": "Count"}],
                }],
            },
            "Stack": "driftless",
            "Error": "ImageExpiring",
            "FailedTargets": 2,
        })
    );
    let count = Count { metric: Metric::FunctionFailures, of: None, count: 1 };
    let whole = document("driftless", 0, &count);
    assert_eq!(whole["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Stack"]]));
    // One line, whatever is in it.
    assert!(!document("a\nb", 0, &count).to_string().contains('\n'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_but_a_name_is_counted(
        error in ".{0,120}|ImageRejected", dry_run: bool, secret in "[g-z]{12,30}",
    ) {
        let mut through = image(&secret, "Promote");
        through["via"] = json!({"parameterName": "/web", "before": secret});
        let changed = json!({
            "dryRun": dry_run, "images": [through], "failure": failure("DetectDrift", &error, &secret)});
        let (_, counts) = answered(of_targets(&[changed])).unwrap();
        prop_assert_eq!(counts.is_empty(), dry_run);
        for count in counts {
            let document = document("driftless", 0, &count).to_string();
            prop_assert!(!document.contains(&secret) && document.is_ascii(), "{}", document);
        }
    }
}
