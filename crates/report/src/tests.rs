//! What a person reads: outcomes, sentences, and causes that stay readable at any size.

use contract::ErrorName;
use contract::bounds::MAX_CAUSE_CHARS;
use contract::output::StepOutput;
use contract::placed::REDACTED;
use contract::report::{Outcome, Report, TargetOutcome};
use contract::steps::{Collected, ReportInput, Reported, TargetRecord};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Answer, answered, decide, sentences};

mod announce;
mod metrics;
mod reconcile;

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";

fn image(before: &str, outcome: &str) -> Value {
    json!({
        "parameter": "ImageId", "before": before, "after": NEW, "outcome": outcome, "checks": [],
        "provenance": {"verdict": "Verified"}, "rejected": rows(&[]), "groups": [],
    })
}

fn rows(rows: &[Value]) -> Value {
    json!({"rows": rows, "more": 0})
}

/// The stack's drift, with this number of resources compared.
fn compared(resources: usize) -> Value {
    json!({
        "stackName": "web", "phase": "Settled", "status": "IN_SYNC", "resourcesChecked": resources,
        "differences": rows(&[]), "fingerprints": ["0123456789abcdef"],
    })
}

/// A record of a target that got its image, with these fields instead.
fn record(changed: &Value) -> TargetRecord {
    let mut record = json!({
        "pattern": "stack", "name": "web", "dryRun": false, "verify": true, "images": [image(OLD, "Promote")],
        "refused": [], "writes": [], "plan": rows(&[]), "drift": [compared(2)],
        "groups": rows(&[json!({"groupName": "web-1", "expected": NEW})]), "refresh": [], "hasWritten": true, "rollsBack": false, "hasWayBack": true,
        "isRollback": false, "failure": null, "promotionFailure": null,
    });
    for (field, value) in changed.as_object().unwrap() {
        record[field] = value.clone();
    }
    serde_json::from_value(record).unwrap()
}

fn reported(targets: Vec<TargetRecord>) -> Reported {
    promotion(Collected { targets, skipped: None, failure: None })
}

fn promotion(collected: Collected) -> Reported {
    match answered(ReportInput::Promotion(collected)).unwrap().0 {
        Answer::Promotion(reported) => reported,
        other => panic!("{other:?}"),
    }
}

fn failure(step: &str, name: &str, cause: &str) -> Value {
    json!({"step": step, "name": name, "cause": cause})
}

#[test]
fn an_outcome_follows_from_what_was_collected() {
    let denied = failure("UpdateStack", "AccessDenied", "no");
    let refused = json!([{"parameter": "B", "name": "ImageRejected", "message": "none passes"}]);
    for (changed, target, execution) in [
        (json!({}), TargetOutcome::Updated, Outcome::Promoted),
        (
            json!({"hasWritten": false, "images": [image(NEW, "Unchanged")]}),
            TargetOutcome::Unchanged,
            Outcome::Unchanged,
        ),
        (
            json!({"hasWritten": false, "images": [image(NEW, "Superseded")]}),
            TargetOutcome::Superseded,
            Outcome::Unchanged,
        ),
        (json!({"hasWritten": false, "dryRun": true}), TargetOutcome::Planned, Outcome::Planned),
        (
            json!({"hasWritten": false, "dryRun": true, "images": [image(NEW, "Unchanged")]}),
            TargetOutcome::Unchanged,
            Outcome::Unchanged,
        ),
        (json!({"failure": denied}), TargetOutcome::Failed, Outcome::Failed),
        (json!({"refused": refused}), TargetOutcome::Failed, Outcome::Failed),
        (
            json!({"isRollback": true, "promotionFailure": denied}),
            TargetOutcome::RolledBack,
            Outcome::Failed,
        ),
        (
            json!({"isRollback": true, "promotionFailure": denied, "failure": denied}),
            TargetOutcome::Failed,
            Outcome::Failed,
        ),
    ] {
        let record = record(&changed);
        assert_eq!(decide::target_outcome(&record), target, "{changed}");
        let Reported { report, error, cause } = reported(vec![record]);
        assert_eq!(report.outcome, execution, "{changed}");
        assert_eq!(error.is_some(), execution == Outcome::Failed, "{changed}");
        assert_eq!(
            cause.map(|text| serde_json::from_str::<Report>(&text).unwrap()).is_some(),
            error.is_some()
        );
    }
}

#[test]
fn one_failed_target_fails_the_execution_and_a_promotion_beside_others_is_one() {
    let unchanged = || record(&json!({"hasWritten": false, "images": [image(NEW, "Unchanged")]}));
    let failed = record(&json!({"failure": failure("UpdateStack", "AccessDenied", "no")}));
    assert_eq!(reported(vec![unchanged(), record(&json!({}))]).report.outcome, Outcome::Promoted);
    assert_eq!(reported(vec![record(&json!({})), failed]).report.outcome, Outcome::Failed);
    assert_eq!(reported(vec![unchanged()]).report.outcome, Outcome::Unchanged);
}

/// Tried on the product: with no live instance, a stack whose launch template ignores the parameter
/// was reported as promoted.
#[test]
fn what_nothing_shows_is_unproven_and_not_promoted() {
    let unchecked = json!([compared(0)]);
    for (changed, reason) in [
        (json!({"groups": rows(&[])}), "no Auto Scaling group was found"),
        (json!({"groups": rows(&[]), "hasWritten": false}), "no Auto Scaling group was found"),
        (json!({"groups": rows(&[]), "pattern": "parameter"}), "no Auto Scaling group was found"),
        (json!({"drift": unchecked}), "drift detection compared no resource of web"),
        (
            json!({"drift": [compared(2), compared(0)], "pattern": "parameter"}),
            "drift detection compared no resource of web",
        ),
    ] {
        let Reported { report, error, .. } = reported(vec![record(&changed)]);
        assert_eq!((report.outcome, error), (Outcome::Unproven, None), "{changed}");
        assert_eq!(report.targets[0].outcome, TargetOutcome::Unproven, "{changed}");
        assert!(report.targets[0].unproven.as_ref().unwrap().starts_with(reason), "{changed}");
        assert!(report.summary.contains(reason), "{}", report.summary);
    }
    let nested = record(&json!({"drift": [compared(0), compared(2)]}));
    assert_eq!(decide::target_outcome(&nested), TargetOutcome::Updated);
    let planned = record(&json!({"groups": rows(&[]), "dryRun": true, "hasWritten": false}));
    assert_eq!(decide::target_outcome(&planned), TargetOutcome::Planned);
}

#[test]
fn the_summary_has_a_sentence_for_each_target() {
    let rejected = json!([{"imageId": OLD, "failed": [
        {"check": "state", "expected": "available", "actual": "failed", "passed": false}]}]);
    let mut chosen = image("hush", "Promote");
    chosen["rejected"] = json!({"rows": rejected, "more": 3});
    let failed = failure("DetectDrift", "DriftDetected", "web: Group is gone");
    let targets = vec![
        record(&json!({"images": [chosen]})),
        record(&json!({"name": "db", "failure": failed})),
    ];
    assert_eq!(
        reported(targets).report.summary,
        format!(
            "stack web: Updated ({REDACTED} -> {NEW}), not a newer image because {OLD}: state is \
             failed; and 3 more, web IN_SYNC; stack db: Failed ({OLD} -> {NEW}), DetectDrift failed with \
             DriftDetected: web: Group is gone, web IN_SYNC"
        )
    );
}

#[test]
fn a_report_of_two_large_targets_has_room_for_its_cause() {
    let image = |n: usize| {
        let verdict = json!({
            "check": "state", "expected": "\"available\"", "actual": "x".repeat(300), "passed": true});
        let mut image = image(OLD, "Promote");
        image["parameter"] = json!(format!("Image{n}"));
        image["checks"] = json!(vec![verdict; 5]);
        image
    };
    let large = |name: &str, images: usize| {
        let images: Vec<_> = (0..images).map(image).collect();
        let failed = failure("DetectDrift", "DriftDetected", &"\"".repeat(2_000));
        record(&json!({"name": name, "images": images, "failure": failed}))
    };
    let reported = reported(vec![large("web", 100), large("db", 20)]);
    assert!(step::json_bytes(&reported) <= Reported::MAX_BYTES);
    let [web, db] = &reported.report.targets[..] else { panic!("two") };
    assert!(web.images.is_empty() && db.images.len() == 20);
    assert_eq!(web.error.as_ref().unwrap().name, "DriftDetected");
    assert!(reported.report.summary.contains("details of 1 of 2 targets are left out"));
}

#[test]
fn a_rollback_that_fails_says_both_reasons() {
    let record = record(&json!({
        "isRollback": true,
        "promotionFailure": failure("DetectDrift", "DriftDetected", "the group is gone"),
        "failure": failure("UpdateStack", "AccessDenied", "{\"errorMessage\": \"not allowed\"}"),
    }));
    let error = decide::error(&record).unwrap();
    assert_eq!((error.step.as_str(), error.name.as_str()), ("UpdateStack", "RollbackFailed"));
    assert_eq!(
        error.message,
        format!(
            "the promotion failed in DetectDrift with DriftDetected (the group is gone), and \
             the rollback to {OLD} failed in UpdateStack with AccessDenied (not allowed); check what \
             web holds and what its groups boot, and correct it by hand"
        )
    );
}

#[test]
fn a_rollback_that_is_impossible_is_reported_where_it_was_wanted() {
    let failed = failure("DetectDrift", "DriftDetected", "the group is gone");
    for (rolls_back, has_way_back, is_said) in
        [(true, false, true), (false, false, false), (true, true, false)]
    {
        let changed =
            json!({"failure": failed, "rollsBack": rolls_back, "hasWayBack": has_way_back});
        let message = decide::error(&record(&changed)).unwrap().message;
        assert!(message.starts_with("the group is gone"), "{message}");
        assert_eq!(message.ends_with(sentences::NO_WAY_BACK), is_said, "{message}");
    }
}

#[test]
fn the_end_of_a_loop_says_what_was_waited_for() {
    let write =
        json!({"parameterName": "/web", "before": OLD, "after": NEW, "phase": "NotStarted"});
    for (name, said) in [
        (ErrorName::PlanTimedOut, "the change set of web is not ready after 7 polls"),
        (
            ErrorName::ParameterNotUpdated,
            "parameter /web accepted ami-0000000000000000b but does not return it after 7 polls",
        ),
        (ErrorName::StackUpdateTimedOut, "stack web is still UPDATE_IN_PROGRESS after 7 polls"),
        (
            ErrorName::DriftDetectionTimedOut,
            "the drift detection of web has not ended after 7 polls",
        ),
        (ErrorName::InstanceRefreshTimedOut, "the refresh of group-1 has not ended after 7 polls"),
    ] {
        let record = record(&json!({
            "writes": [write], "refresh": [{"groupName": "group-1", "expected": NEW, "phase": "NotStarted"}],
            "failure": {"step": "S", "name": name, "polls": 7, "cause": "UPDATE_IN_PROGRESS"},
        }));
        let message = decide::error(&record).unwrap().message;
        assert!(message.starts_with(said), "{message}");
    }
}

#[test]
fn every_bound_that_ends_a_loop_has_its_sentence() {
    for poll in contract::bounds::POLLS {
        let failed = json!({"step": poll.state, "name": poll.error, "polls": 1});
        let message = decide::error(&record(&json!({"failure": failed}))).unwrap().message;
        assert_ne!(
            message,
            format!("{} has not ended after 1 polls", poll.state),
            "{}",
            poll.error
        );
    }
}

#[test]
fn causes_of_every_form_give_a_text() {
    for (cause, text) in [
        (json!("{\"errorType\": \"X\", \"errorMessage\": \"said\"}"), "said"),
        (json!("plain"), "plain"),
        // Tried on another interpreter: it was read as JSON, and the execution failed.
        (json!("{not json, \"errorMessage\" here}"), "{not json, \"errorMessage\" here}"),
        (json!("{\"errorMessage\": null}"), "{\"errorMessage\": null}"),
        (json!("{\"errorMessage\": {\"a\": 1}}"), "{\"a\":1}"),
        (json!({"a": 1}), "{\"a\":1}"),
        // A States.Timeout has an empty cause.
        (json!(""), "no cause was given"),
        (json!(null), "no cause was given"),
    ] {
        assert_eq!(sentences::cause_text(Some(&cause)), text);
    }
    assert_eq!(sentences::cause_text(None), "no cause was given");
}

#[test]
fn targets_that_are_not_known_end_with_the_steps_own_error() {
    let failure = failure("ResolveTags", "InvalidInput", "{\"errorMessage\": \"imageId: no\"}");
    let input = json!({"targets": [], "failure": failure});
    let Reported { report, error, cause } = promotion(serde_json::from_value(input).unwrap());
    assert_eq!((error.as_deref(), cause.as_deref()), (Some("InvalidInput"), Some("imageId: no")));
    assert_eq!(report.summary, "ResolveTags failed with InvalidInput: imageId: no");
    assert_eq!(report.outcome, Outcome::Failed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Recorded: the cause stopped being JSON from 33 failed targets with messages of 60
    /// characters on, and from 21 with 350.
    #[test]
    fn a_cause_is_a_report_at_any_size(count in 1..200_usize, message in ".{0,2000}") {
        let failed = || record(&json!({"failure": failure("UpdateStack", "AccessDenied", &message)}));
        let reported = reported((0..count).map(|_| failed()).collect());
        let cause = reported.cause.unwrap();
        prop_assert!(cause.len() <= MAX_CAUSE_CHARS, "{} bytes", cause.len());
        let read: Report = serde_json::from_str(&cause).unwrap();
        prop_assert_eq!(read.outcome, Outcome::Failed);
        prop_assert!(!read.targets.is_empty());
        let shortened = format!("{count} of {count} targets failed");
        let is_whole = read.targets.len() == count;
        prop_assert!(is_whole || read.summary.contains(&shortened), "{}", read.summary);
    }

    #[test]
    fn no_value_but_an_image_is_in_a_report(secret in "[g-z]{12,30}") {
        let mut through = image(&secret, "Promote");
        through["via"] = json!({"parameterName": "/web", "before": secret});
        let record = record(&json!({
            "images": [through], "writes": [
                {"parameterName": "/web", "before": secret, "after": NEW, "phase": "NotStarted"}],
            "failure": failure("DetectDrift", "DriftDetected", "x"),
            "promotionFailure": failure("DetectDrift", "DriftDetected", "x"), "isRollback": true,
        }));
        let text = serde_json::to_string(&reported(vec![record])).unwrap();
        prop_assert!(!text.contains(&secret), "{}", text);
        prop_assert!(!text.contains("fingerprint"), "{}", text);
    }
}
