//! Tests of `driftless`: what each command decides, which calls it makes, and what it prints.

mod client;
mod commands;
mod deployment;
mod doctor;
mod follow;
mod inventory;
mod redrive;
mod rollback;
mod status;

use serde_json::{Value, json};

use crate::deployment::{Parts, Settings};

const STATUS_CHANGE: &str = "Step Functions Execution Status Change";
const EXECUTION: &str = "arn:aws:states:eu-west-1:111122223333:execution:driftless:run-1";

fn parts() -> Parts {
    Parts {
        stack: "driftless".into(),
        state_machine: "arn:aws:states:eu-west-1:111122223333:stateMachine:driftless".into(),
        reconcile: "arn:aws:states:eu-west-1:111122223333:stateMachine:reconcile".into(),
        queue: "https://sqs.eu-west-1.amazonaws.com/111122223333/letters".into(),
        settings: Settings::of(&[]),
    }
}

/// The event of an execution that did not succeed, with this besides.
fn ended(detail: &Value) -> Value {
    let mut event = json!({
        "detail-type": STATUS_CHANGE,
        "time": "2026-01-02T03:04:05Z",
        "resources": [EXECUTION],
        "detail": {"executionArn": EXECUTION, "status": "FAILED"},
    });
    for (name, value) in detail.as_object().unwrap() {
        event["detail"][name] = value.clone();
    }
    event
}
