//! A row for each rule that the walk follows. Where no other source is named, the rule is the Amazon
//! States Language's.

use serde_json::{Value, json};

use super::{
    Line, assigned, chain, entered, exited, failed, machine, output, recording, replayed, scheduled,
};
use crate::jsonata::{Answer, Engine};

struct Row {
    rule: &'static str,
    /// A machine of these states, the first of which is `A`.
    states: Value,
    status: &'static str,
    events: Vec<Line>,
}

fn succeeded(value: &Value) -> (&'static str, Value) {
    ("ExecutionSucceeded", output(value))
}

/// Each of a machine that gets `1` as its input.
fn rows() -> Vec<Row> {
    [states(), errors(), data()].into_iter().flatten().collect()
}

fn states() -> Vec<Row> {
    let one = &json!(1);
    vec![
        Row {
            rule: "without an Output, the input is passed on; Assign sees the values from before",
            states: json!({
                "A": {"Type": "Pass", "Assign": {"x": 1, "y": "{% $exists($x) %}"}, "Next": "B"},
                "B": {"Type": "Pass", "Assign": {"x": 2, "y": "{% $x %}"}, "Output": "{% $x %}",
                      "Next": "C"},
                "C": {"Type": "Succeed", "Output": ["{% $x %}", "{% $y %}"]},
            }),
            status: "SUCCEEDED",
            events: chain(&[
                ("PassStateEntered", entered("A", one)),
                ("PassStateExited", assigned("A", one, &json!({"x": 1, "y": false}))),
                ("PassStateEntered", entered("B", one)),
                ("PassStateExited", assigned("B", one, &json!({"x": 2, "y": 1}))),
                ("SucceedStateEntered", entered("C", one)),
                ("SucceedStateExited", exited("C", &json!([2, 1]))),
                succeeded(&json!([2, 1])),
            ]),
        },
        Row {
            rule: "the first rule that is true is taken, with its own Assign and Output",
            states: json!({
                "A": {
                    "Type": "Choice",
                    "Choices": [
                        {"Condition": "{% $states.input = 2 %}", "Next": "B"},
                        {"Condition": "{% $states.input = 1 %}", "Next": "B", "Output": "ours",
                         "Assign": {"x": 2}},
                        {"Condition": "{% $nowhere.at.all %}", "Next": "B"},
                    ],
                    "Default": "B", "Output": "the default's",
                },
                "B": {"Type": "Fail", "Error": "{% 'E' & $x %}", "Cause": "{% $states.input %}"},
            }),
            status: "FAILED",
            events: chain(&[
                ("ChoiceStateEntered", entered("A", one)),
                ("ChoiceStateExited", assigned("A", &json!("ours"), &json!({"x": 2}))),
                ("FailStateEntered", entered("B", &json!("ours"))),
                ("ExecutionFailed", failed("E2", "ours")),
            ]),
        },
        Row {
            rule: "an execution that was stopped ends anywhere",
            states: json!({"A": {"Type": "Wait", "Seconds": 9, "Next": "B"}, "B": {"Type": "Succeed"}}),
            status: "ABORTED",
            events: vec![
                (0, "WaitStateEntered", entered("A", one)),
                (0, "ExecutionAborted", json!({})),
            ],
        },
    ]
}

fn errors() -> Vec<Row> {
    let one = &json!(1);
    let started = || ("TaskStarted", json!({}));
    let scheduled = || ("TaskScheduled", scheduled(&json!({})));
    vec![
        Row {
            rule: "a retrier counts for itself; a catcher gets the error; a time-out has no cause",
            states: json!({
                "A": {
                    "Type": "Task", "Resource": "r", "Arguments": {}, "End": true,
                    "Retry": [{"ErrorEquals": ["X"], "MaxAttempts": 1},
                              {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}],
                    "Catch": [{"ErrorEquals": ["Y"], "Next": "B"},
                              {"ErrorEquals": ["States.ALL"], "Next": "B",
                               "Assign": {"cause": "{% $states.errorOutput.Cause %}"}}],
                },
                "B": {"Type": "Succeed", "Output": "{% $states.input.Error & $cause %}"},
            }),
            status: "SUCCEEDED",
            events: chain(&[
                ("TaskStateEntered", entered("A", one)),
                scheduled(),
                started(),
                ("TaskFailed", failed("X", "why")),
                scheduled(),
                started(),
                ("TaskTimedOut", json!({"error": "States.Timeout"})),
                scheduled(),
                started(),
                ("TaskFailed", failed("X", "again")),
                (
                    "TaskStateExited",
                    assigned(
                        "A",
                        &json!({"Error": "X", "Cause": "again"}),
                        &json!({"cause": "again"}),
                    ),
                ),
                ("SucceedStateEntered", entered("B", &json!({"Error": "X", "Cause": "again"}))),
                ("SucceedStateExited", exited("B", &json!("Xagain"))),
                succeeded(&json!("Xagain")),
            ]),
        },
        Row {
            rule: "an expression that returns nothing fails the state, and can be caught",
            states: json!({
                "A": {"Type": "Task", "Resource": "r", "Arguments": "{% $states.input.none %}",
                      "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "B",
                                 "Output": "{% $states.errorOutput.Cause %}"}], "End": true},
                "B": {"Type": "Wait", "Seconds": "{% 2 %}", "End": true},
            }),
            status: "SUCCEEDED",
            events: chain(&[
                ("TaskStateEntered", entered("A", one)),
                ("EvaluationFailed", failed("States.QueryEvaluationError", "in AWS's words")),
                ("TaskStateExited", exited("A", &json!("in AWS's words"))),
                ("WaitStateEntered", entered("B", &json!("in AWS's words"))),
                ("WaitStateExited", exited("B", &json!("in AWS's words"))),
                succeeded(&json!("in AWS's words")),
            ]),
        },
    ]
}

fn data() -> Vec<Row> {
    let one = &json!(1);
    vec![
        Row {
            rule: "$string leaves the order of the fields, and characters beyond ASCII, as they are",
            states: json!({"A": {"Type": "Succeed", "Output": "{% $string({'z': 'é', 'a': 2}) %}"}}),
            status: "SUCCEEDED",
            events: chain(&[
                ("SucceedStateEntered", entered("A", one)),
                ("SucceedStateExited", exited("A", &json!(r#"{"z":"é","a":2}"#))),
                succeeded(&json!(r#"{"z":"é","a":2}"#)),
            ]),
        },
        Row {
            rule: "data that is too large is an error (Step Functions quotas)",
            states: json!({"A": {"Type": "Pass", "Output": "{% $pad('', 300000, 'x') %}", "End": true}}),
            status: "FAILED",
            events: chain(&[
                ("PassStateEntered", entered("A", one)),
                (
                    "ExecutionFailed",
                    failed(
                        "States.DataLimitExceeded",
                        "The state/task 'A' returned a result with a size exceeding the maximum number of \
                     bytes service limit.",
                    ),
                ),
            ]),
        },
    ]
}

#[test]
fn each_rule_is_followed() {
    let engine = Engine::start().unwrap();
    for Row { rule, states, status, events } in rows() {
        let recording = recording(&machine("A", &states), &json!(1), status, &events);
        let found = replayed(&engine, &recording).unwrap().difference;
        assert!(found.is_none(), "{rule}:\n{}", found.unwrap());
    }
}

#[test]
fn what_the_replay_does_not_know_is_refused() {
    let engine = Engine::start().unwrap();
    for (state, why) in [
        (json!({"Type": "Parallel"}), "A: type \"Parallel\" is not supported"),
        (json!({"Type": "Pass", "ResultPath": "$"}), "the field ResultPath of a Pass state"),
        (json!({"Type": "Task", "TimeoutSeconds": "{% 1 %}"}), "TimeoutSeconds must be a number"),
        (
            json!({"Type": "Map", "ItemProcessor": {"States": {"B": {"Type": "Map"}}}}),
            "a Map within a Map is not supported",
        ),
    ] {
        let recording = recording(&machine("A", &json!({"A": state})), &json!(1), "FAILED", &[]);
        let found = replayed(&engine, &recording).unwrap_err().to_string();
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn the_engine_is_the_reference_implementation() {
    let engine = Engine::start().unwrap();
    engine.bind(r#"{"none": null, "list": [1, [2]], "one": [3]}"#).unwrap();
    for (expression, answer) in [
        ("$none", Answer::Value(Value::Null)),
        ("$list.$", Answer::Value(json!([1, 2]))),
        // A sequence of one is its value; an array of one is not.
        ("$one.$", Answer::Value(json!(3))),
        ("$one", Answer::Value(json!([3]))),
        ("$absent", Answer::Nothing),
        ("$list.a", Answer::Nothing),
        ("{'a': $absent, 'b': $none}", Answer::Value(json!({"b": null}))),
        ("1 + 1", Answer::Value(json!(2))),
        ("1 = '1'", Answer::Value(json!(false))),
    ] {
        assert_eq!(engine.evaluate(expression).unwrap(), answer, "{expression}");
    }
    let Answer::Error(error) = engine.evaluate("'a' + 1").unwrap() else { panic!() };
    assert!(error.starts_with("T2001: "), "{error}");
    let Answer::Error(error) = engine.evaluate("1 +").unwrap() else { panic!() };
    assert!(error.starts_with("S0207: "), "{error}");
}
