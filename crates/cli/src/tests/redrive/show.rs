//! How the result is printed, and the exit status.

use serde_json::{Value, json};

use super::super::{EXECUTION, parts};
use crate::output::Format;
use crate::redrive::dead_letter::{Failure, Trigger};
use crate::redrive::{Outcome, Redriven, show, status};

fn started() -> Redriven {
    Redriven {
        message_id: "m-1".into(),
        trigger: Some(Trigger::Execution),
        subject: Some("run-0".into()),
        about: Some("/a".into()),
        time: Some("2026-01-02T03:04:05Z".into()),
        error: Some("PromotionFailed".into()),
        failures: vec![Failure {
            target: Some("/a".into()),
            step: Some("PromoteSsm".into()),
            name: "AccessDenied".into(),
            message: "x".repeat(600),
        }],
        failed_execution: Some("arn:run-0".into()),
        input: Some(json!({"imageId": "ami-1"})),
        result: Outcome::Started,
        execution: Some(EXECUTION.into()),
        failure: None,
    }
}

fn unreadable() -> Redriven {
    let failure = Some("the message is not an event: it is not JSON".to_owned());
    Redriven { message_id: "m-2".into(), failure, ..Redriven::default() }
}

#[test]
fn json_has_all_fields() {
    let text = show::result(&parts(), true, &[started(), unreadable()], Format::Json).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["stack"], &value["dryRun"]), (&json!("driftless"), &json!(true)));
    assert_eq!(
        (&value["account"], &value["region"]),
        (&json!("111122223333"), &json!("eu-west-1"))
    );
    let one = &value["messages"][0];
    assert_eq!((&one["trigger"], &one["result"]), (&json!("execution"), &json!("started")));
    assert_eq!(one["failures"][0]["step"], "PromoteSsm");
    assert_eq!((&one["failedExecution"], &one["failure"]), (&json!("arn:run-0"), &Value::Null));
    let order = [
        "messageId",
        "trigger",
        "subject",
        "about",
        "time",
        "error",
        "failures",
        "failedExecution",
    ];
    let order = [&order[..], &["input", "result", "execution", "failure"]].concat();
    let last = text.rsplit('{').next().unwrap();
    let names = last.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\":"));
    assert_eq!(names.map(|(name, _)| name).collect::<Vec<_>>(), order);
}

#[test]
fn a_table_has_a_line_for_each_message_and_fits_the_terminal() {
    let long = Redriven { about: Some("/driftless/".to_owned() + &"a".repeat(400)), ..started() };
    let left = Redriven { result: Outcome::Left, failure: Some("left".into()), ..started() };
    for width in [80, 120] {
        let table = show::table(&[long.clone(), unreadable(), left.clone()], Some(width));
        let table = table.to_string();
        let fits = |line: &str| line.chars().count() <= usize::from(width);
        assert!(table.lines().all(fits), "{table}");
        // Below the header and its rule.
        assert_eq!(table.lines().count(), 2 + 3, "{table}");
        assert!(table.contains("01-02 03:04") && table.contains('…'), "{table}");
    }
}

#[test]
fn what_failed_is_below_the_table() {
    let text = show::result(&parts(), false, &[started()], Format::Text).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("execution run-0, /a: AccessDenied in PromoteSsm: xxx"), "{text}");
    assert!(last.ends_with("x…") && last.chars().count() < 600, "{text}");
    let text = show::result(&parts(), false, &[unreadable()], Format::Text).unwrap();
    let expected = "message m-2 stays in the queue: the message is not an event: it is not JSON";
    assert_eq!(text.lines().last(), Some(expected));
    let denied = Redriven { failure: Some("sqs: no".into()), ..started() };
    let text = show::result(&parts(), false, &[denied], Format::Text).unwrap();
    let expected = "execution run-0 was started, but stays in the queue: sqs: no";
    assert_eq!(text.lines().last(), Some(expected));
    let text = show::result(&parts(), false, &[], Format::Text).unwrap();
    assert_eq!(text, "The dead-letter queue is empty.\n");
}

#[test]
fn the_exit_status_shows_whether_a_message_stays() {
    for (redriven, expected) in
        [(vec![], 0), (vec![started()], 0), (vec![started(), unreadable()], 1)]
    {
        assert_eq!(status(&redriven), expected);
    }
}
