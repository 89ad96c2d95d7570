//! What is told of executions that have ended: by event, and by mail.

use contract::announcement::{
    FinishedOutcome, NotifyOn, PROMOTION_FINISHED, PromotionFinished, RECONCILE_FINISHED,
    ReconcileFinished, StatusChange,
};
use contract::steps::{Announced, Ended, ReportInput};
use proptest::prelude::*;

use crate::{Answer, answered};

const PROMOTION: &str = "arn:aws:states:eu-west-1:111122223333:execution:driftless-PromoteAmi:one";

fn example(name: &str) -> String {
    let path = format!("{}/../../tests/fixtures/reports/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn change(status: &str) -> StatusChange {
    StatusChange {
        execution_arn: PROMOTION.to_owned(),
        status: status.to_owned(),
        start_date: 1_796_000_000_000,
        stop_date: Some(1_796_000_032_000),
        input: Some(r#"{"imageId": "ami-0000000000000000a"}"#.to_owned()),
        output: None,
        error: None,
        cause: None,
    }
}

fn succeeded(report: &str) -> StatusChange {
    StatusChange { output: Some(example(report)), ..change("SUCCEEDED") }
}

fn failed(error: &str, cause: String) -> StatusChange {
    StatusChange { error: Some(error.to_owned()), cause: Some(cause), ..change("FAILED") }
}

fn announced(change: StatusChange, is_reconcile: bool, notify_on: NotifyOn) -> Announced {
    let ended = Ended { is_reconcile, notify_on, change };
    match answered(ReportInput::Announcement(ended)).unwrap().0 {
        Answer::Announcement(announced) => announced,
        other => panic!("{other:?}"),
    }
}

fn promotion(change: StatusChange) -> PromotionFinished {
    let announced = announced(change, false, NotifyOn::Never);
    assert_eq!(announced.detail_type, PROMOTION_FINISHED);
    assert_eq!(announced.mail, None);
    serde_json::from_value(announced.detail).unwrap()
}

#[test]
fn a_promotion_has_its_targets_with_images_and_drift() {
    let told = promotion(succeeded("promoted"));
    assert_eq!(told.execution.outcome, FinishedOutcome::Promoted);
    assert_eq!(told.execution.error, None);
    assert_eq!(told.reconcile, None);
    assert_eq!(
        told.execution.console.as_deref(),
        Some(
            format!(
                "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1\
                 #/v2/executions/details/{PROMOTION}"
            )
            .as_str()
        )
    );
    let [parameter, stack] = told.targets.as_slice() else { panic!("{:?}", told.targets) };
    for target in [parameter, stack] {
        let [image] = target.images.as_slice() else { panic!("{target:?}") };
        assert!(image.before.starts_with("ami-") && image.after.starts_with("ami-"), "{image:?}");
        assert_eq!(
            target.drift.iter().map(|one| one.status.as_str()).collect::<Vec<_>>(),
            ["IN_SYNC"]
        );
        assert_eq!(target.error, None);
    }
}

#[test]
fn a_failed_promotion_has_the_error_of_the_execution_and_of_the_target() {
    let told = promotion(failed("PromotionFailed", example("rolled-back")));
    assert_eq!(told.execution.outcome, FinishedOutcome::Failed);
    let error = told.execution.error.unwrap();
    assert_eq!((error.name.as_str(), error.message), ("PromotionFailed", told.execution.summary));
    assert!(told.targets.iter().any(|target| target.error.is_some()), "{:?}", told.targets);
}

/// Inputs that name no target, executions that nobody let end, and what Step Functions cut off.
#[test]
fn an_execution_without_a_report_has_the_plain_facts() {
    let cause = r#"{"errorType": "InvalidInput", "errorMessage": "no image"}"#.to_owned();
    let stopped = StatusChange {
        error: Some("Mistake".to_owned()),
        cause: Some("the wrong image".to_owned()),
        ..change("ABORTED")
    };
    for (change, outcome, summary, error) in [
        (
            failed("InvalidInput", cause),
            FinishedOutcome::Failed,
            "InvalidInput: no image",
            Some("InvalidInput"),
        ),
        (
            failed("States.DataLimitExceeded", String::new()),
            FinishedOutcome::Failed,
            "States.DataLimitExceeded: no cause was given",
            Some("States.DataLimitExceeded"),
        ),
        (
            change("TIMED_OUT"),
            FinishedOutcome::TimedOut,
            "It ran out of time.",
            Some("States.Timeout"),
        ),
        (change("ABORTED"), FinishedOutcome::Stopped, "Somebody stopped it.", None),
        (
            stopped,
            FinishedOutcome::Stopped,
            "Somebody stopped it: Mistake: the wrong image.",
            Some("Mistake"),
        ),
        (
            change("SUCCEEDED"),
            FinishedOutcome::Unknown,
            "It succeeded. Its report is too long for an event; the execution has it.",
            None,
        ),
    ] {
        let told = promotion(change).execution;
        assert_eq!((told.outcome, told.summary.as_str()), (outcome, summary));
        assert_eq!(told.error.as_ref().map(|error| error.name.as_str()), error);
    }
}

#[test]
fn each_partition_has_its_console() {
    for (partition, host) in [
        ("aws-cn", Some("https://cn-north-1.console.amazonaws.cn/")),
        ("aws-us-gov", Some("https://cn-north-1.console.amazonaws-us-gov.com/")),
        ("aws-iso", None),
    ] {
        let execution_arn = format!("arn:{partition}:states:cn-north-1:111122223333:execution:a:b");
        let told = promotion(StatusChange { execution_arn, ..succeeded("promoted") });
        let console = told.execution.console;
        match host {
            Some(host) => assert!(console.unwrap().starts_with(host)),
            None => assert_eq!(console, None),
        }
    }
}

#[test]
fn a_reconcile_has_its_counts_and_what_failed() {
    let announced = announced(succeeded("reconciled"), true, NotifyOn::All);
    assert_eq!(announced.detail_type, RECONCILE_FINISHED);
    let told: ReconcileFinished = serde_json::from_value(announced.detail).unwrap();
    assert_eq!(told.targets, told.counts.total());
    assert_eq!(told.failed.rows.len(), told.counts.failed);
    let mail = announced.mail.unwrap();
    assert!(mail.subject.starts_with("Driftless: reconcile: "), "{mail:?}");
    for row in &told.failed.rows {
        assert!(mail.body.contains(&format!("{} failed: ", row.name)), "{}", mail.body);
    }
}

#[test]
fn a_mail_is_sent_of_what_the_operator_asked_for() {
    use NotifyOn::{All, Changes, Failures, Never};
    let unchanged = example("promoted").replacen("Promoted", "Unchanged", 1);
    let unproven = example("promoted").replacen("Promoted", "Unproven", 1);
    let with = |output| StatusChange { output: Some(output), ..change("SUCCEEDED") };
    for (change, least) in [
        (failed("PromotionFailed", example("rolled-back")), Failures),
        (change("TIMED_OUT"), Failures),
        (change("ABORTED"), Failures),
        (with(unproven), Failures),
        (succeeded("promoted"), Changes),
        (with(unchanged), All),
        (succeeded("planned"), All),
    ] {
        let mailed = [Never, Failures, Changes, All]
            .map(|notify_on| announced(change.clone(), false, notify_on).mail.is_some());
        let expected = match least {
            Failures => [false, true, true, true],
            Changes => [false, false, true, true],
            All => [false, false, false, true],
            Never => [false; 4],
        };
        assert_eq!(mailed, expected, "{change:?}");
    }
}

/// Else a night in which everything fails would send a mail for each group.
#[test]
fn a_promotion_of_a_reconcile_sends_no_mail() {
    let input = r#"{"target": {"parameterName": "/driftless/web"}, "startedBy": "nightly"}"#;
    let change = StatusChange {
        input: Some(input.to_owned()),
        ..failed("PromotionFailed", example("refused"))
    };
    let announced = announced(change, false, NotifyOn::All);
    let told: PromotionFinished = serde_json::from_value(announced.detail).unwrap();
    assert_eq!(told.reconcile.as_deref(), Some("nightly"));
    assert_eq!(announced.mail, None);
}

#[test]
fn a_mail_says_what_to_do() {
    let mail = |change| announced(change, false, NotifyOn::All).mail.unwrap();
    let rolled_back = mail(failed("PromotionFailed", example("rolled-back")));
    for part in [
        "was rolled back to ami-",
        "What it means: ",
        "https://eu-west-1.console.aws.amazon.com/states/",
        "driftless follow one\n",
        "driftless redrive\n",
    ] {
        assert!(rolled_back.body.contains(part), "no {part} in {}", rolled_back.body);
    }
    assert!(rolled_back.subject.ends_with(" (eu-west-1)"), "{}", rolled_back.subject);
    // The same input would fail again.
    let cause = r#"{"errorType": "InvalidInput", "errorMessage": "no image"}"#.to_owned();
    assert!(!mail(failed("InvalidInput", cause)).body.contains("redrive"));
    assert!(!mail(succeeded("promoted")).body.contains("redrive"));
}

proptest! {
    /// SNS API, `Publish`: "ASCII text that begins with a letter, number, or punctuation mark; must not
    /// include line breaks or control characters; and must be less than 100 characters long".
    #[test]
    fn a_subject_is_one_that_sns_takes(error in "\\PC{0,20}", cause in "(?s).{0,200}") {
        let mail = announced(failed(&error, cause), false, NotifyOn::All).mail.unwrap();
        prop_assert!(mail.subject.len() < 100 && mail.subject.starts_with("Driftless: "));
        prop_assert!(mail.subject.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
    }
}

/// Operators are shown what they will get.
#[test]
fn the_mail_in_the_operators_guide_is_a_real_one() {
    let mail = announced(failed("PromotionFailed", example("rolled-back")), false, NotifyOn::All);
    let mail = mail.mail.unwrap();
    let guide = format!("{}/../../docs/operations.md", env!("CARGO_MANIFEST_DIR"));
    let shown = format!("```\nSubject: {}\n\n{}```", mail.subject, mail.body);
    assert!(std::fs::read_to_string(guide).unwrap().contains(&shown), "{shown}");
}
