//! Tests of `driftless`: how messages are parsed, which calls they cause, and how the result is
//! printed.

mod aws;
mod dead_letter;
mod deployment;
mod redrive;
mod show;

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};

use crate::Arguments;
use crate::deployment::Parts;

const STATUS_CHANGE: &str = "Step Functions Execution Status Change";
const EXECUTION: &str = "arn:aws:states:eu-west-1:111122223333:execution:driftless:run-1";

fn parts() -> Parts {
    Parts {
        stack: "driftless".into(),
        state_machine: "arn:aws:states:eu-west-1:111122223333:stateMachine:driftless".into(),
        reconcile: "arn:aws:states:eu-west-1:111122223333:stateMachine:reconcile".into(),
        queue: "https://sqs.eu-west-1.amazonaws.com/111122223333/letters".into(),
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

#[test]
fn the_arguments_are_what_clap_accepts() {
    Arguments::command().debug_assert();
    for (arguments, is_accepted) in [
        (&["redrive"][..], true),
        (&["redrive", "--stack", "web", "--dry-run", "--format", "json"], true),
        (&["redrive", "--profile", "ops", "--region", "eu-west-1"], true),
        (&["redrive", "--format", "xml"], false),
        (&["redrive", "now"], false),
        (&[], false),
    ] {
        let parsed = Arguments::try_parse_from([&["driftless"], arguments].concat());
        assert_eq!(parsed.is_ok(), is_accepted, "{arguments:?}");
    }
}
