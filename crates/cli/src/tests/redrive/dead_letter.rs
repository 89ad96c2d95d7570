//! How each kind of message is parsed.

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use serde_json::{Value, json};

use super::super::{EXECUTION, ended};
use crate::redrive::dead_letter::{DeadLetter, Failure, Trigger};

fn backup() -> Value {
    json!({
        "detail-type": "Backup Job State Change",
        "time": "2026-01-02T03:04:05Z",
        "resources": ["arn:aws:ec2:eu-west-1::image/ami-1"],
        "detail": {"state": "COMPLETED"},
    })
}

#[test]
fn an_event_that_started_nothing_is_the_input() {
    let parsed = DeadLetter::of(backup(), "NO_PERMISSIONS: no").unwrap();
    assert_eq!(
        parsed,
        DeadLetter {
            trigger: Trigger::Event,
            subject: "ami-1".into(),
            about: Some("ami-1".into()),
            time: Some("2026-01-02T03:04:05Z".into()),
            error: "NO_PERMISSIONS: no".into(),
            failures: vec![],
            failed_execution: None,
            state_machine: None,
            input: Some(backup()),
        }
    );
}

#[test]
fn an_event_about_nothing_is_named_by_its_kind() {
    let parsed = DeadLetter::of(json!({"detail-type": "Something", "detail": {}}), "").unwrap();
    assert_eq!((parsed.subject.as_str(), parsed.error.as_str()), ("Something", "unknown"));
}

#[test]
fn a_schedule_that_started_nothing_is_a_reconcile() {
    let event = json!({
        "detail-type": "Scheduled Event",
        "resources": ["arn:aws:events:eu-west-1:111122223333:rule/nightly"],
        "detail": {},
    });
    let parsed = DeadLetter::of(event, "").unwrap();
    assert_eq!((parsed.trigger, parsed.subject.as_str()), (Trigger::Schedule, "nightly"));
    assert_eq!((parsed.about.as_deref(), parsed.input), (Some("every target"), None));
}

#[test]
fn an_execution_that_failed_has_its_input_or_can_be_asked_for_it() {
    let parsed = DeadLetter::of(ended(&json!({"input": r#"{"imageId": "ami-1"}"#})), "").unwrap();
    assert_eq!((parsed.trigger, parsed.subject.as_str()), (Trigger::Execution, "run-1"));
    assert_eq!(parsed.input, Some(json!({"imageId": "ami-1"})));
    assert_eq!(parsed.failed_execution.as_deref(), Some(EXECUTION));
    let parsed = DeadLetter::of(ended(&json!({"input": null})), "").unwrap();
    assert_eq!((parsed.input, parsed.failed_execution.as_deref()), (None, Some(EXECUTION)));
}

#[test]
fn an_execution_that_failed_says_why() {
    for (detail, refusal, expected) in [
        (json!({"error": "ImageRejected", "status": "FAILED"}), "", "ImageRejected"),
        (json!({"error": null, "status": "TIMED_OUT"}), "", "TIMED_OUT"),
        (json!({"status": "ABORTED"}), "NO_RESOURCE: gone", "ABORTED"),
        (json!({"status": null}), "NO_RESOURCE: gone", "NO_RESOURCE: gone"),
        (json!({"status": null}), "", "unknown"),
    ] {
        assert_eq!(DeadLetter::of(ended(&detail), refusal).unwrap().error, expected, "{detail}");
    }
}

#[test]
fn the_failures_are_those_of_the_report() {
    let target = |name: &str, error: Value| {
        json!({
            "pattern": "parameter", "name": name, "outcome": "Failed", "images": [], "writes": [],
            "plan": {"rows": [], "more": 0}, "drift": [], "groups": {"rows": [], "more": 0}, "refresh": [], "error": error,
        })
    };
    let error = json!({"step": "PromoteSsm", "name": "AccessDenied", "message": "ssm: no"});
    let targets = [target("/a", error), target("/b", Value::Null)];
    let report = json!({"outcome": "Failed", "summary": "One failed.", "targets": targets});
    let failure = |target: Option<&str>, step: Option<&str>, name: &str, message: &str| Failure {
        target: target.map(Into::into),
        step: step.map(Into::into),
        name: name.into(),
        message: message.into(),
    };
    for (error, cause, expected) in [
        (
            "PromotionFailed",
            json!(report.to_string()),
            vec![failure(Some("/a"), Some("PromoteSsm"), "AccessDenied", "ssm: no")],
        ),
        (
            "ImageNotFound",
            json!("no ami-1"),
            vec![failure(None, None, "ImageNotFound", "no ami-1")],
        ),
        ("States.Timeout", Value::Null, vec![]),
    ] {
        let parsed = DeadLetter::of(ended(&json!({"error": error, "cause": cause})), "").unwrap();
        assert_eq!(parsed.failures, expected, "{error}");
    }
}

#[test]
fn a_message_is_about_the_targets_that_failed_or_what_its_input_names() {
    let report = json!({"outcome": "Failed", "summary": "", "targets": [{
        "pattern": "parameter", "name": "/a", "outcome": "Failed", "images": [], "writes": [],
        "plan": {"rows": [], "more": 0}, "drift": [], "groups": {"rows": [], "more": 0}, "refresh": [],
        "error": {"step": "PromoteSsm", "name": "AccessDenied", "message": "no"},
    }]});
    for (detail, expected) in [
        (json!({"error": "PromotionFailed", "cause": report.to_string()}), Some("/a")),
        (json!({"input": r#"{"imageId": "ami-1"}"#}), Some("ami-1")),
        (json!({"input": r#"{"target": {"stackName": "web"}}"#}), Some("web")),
        (json!({"input": r#"{"rollback": {"parameterName": "/a"}}"#}), Some("/a")),
        (json!({"input": backup().to_string()}), Some("ami-1")),
        (json!({"input": "{}"}), None),
        (json!({}), None),
    ] {
        let parsed = DeadLetter::of(ended(&detail), "").unwrap();
        assert_eq!(parsed.about.as_deref(), expected, "{detail}");
    }
}

#[test]
fn only_a_wrong_input_fails_again_whatever_is_corrected() {
    for (error, cause, expected) in [
        ("InvalidInput", json!("imageId: expected an image ID"), true),
        // A tag is not part of the input, and can be corrected.
        ("InvalidInput", json!("tags.StackName: expected the name of a stack"), false),
        ("ParameterNotFound", json!("there is no parameter /a"), false),
        ("States.Timeout", Value::Null, false),
    ] {
        let letter = DeadLetter::of(ended(&json!({"error": error, "cause": cause})), "").unwrap();
        assert_eq!(letter.is_final(), expected, "{error}: {cause}");
    }
    assert!(!DeadLetter::of(backup(), "NO_PERMISSIONS: no").unwrap().is_final());
}

#[test]
fn a_message_has_the_reason_why_it_was_not_delivered() {
    let attribute = |text: &str| {
        MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
    };
    let message = Message::builder()
        .body(backup().to_string())
        .message_attributes("ERROR_CODE", attribute("ERROR_FROM_TARGET"))
        .message_attributes("ERROR_MESSAGE", attribute("broken"))
        .build();
    assert_eq!(DeadLetter::read(&message).unwrap().error, "ERROR_FROM_TARGET: broken");
}

#[test]
fn a_message_that_is_not_an_event_is_refused() {
    for (body, expected) in [
        ("hello", "not JSON"),
        ("", "not JSON"),
        ("1", "no detail-type"),
        (r#"{"hello": 1}"#, "no detail-type"),
    ] {
        let error =
            format!("{:#}", DeadLetter::read(&Message::builder().body(body).build()).unwrap_err());
        assert!(error.contains(expected), "{body:?}: {error}");
    }
    assert!(DeadLetter::of(ended(&json!({"executionArn": null})), "").is_err());
    assert!(DeadLetter::of(ended(&json!({"input": "{"})), "").is_err());
}
