//! The proof that a replay can fail: one execution with everything in it is replayed without a
//! difference, and with whatever single change to its history or its definition it is not.

use serde_json::{Value, json};

use super::{
    Line, assigned, entered, exited, failed, machine, output, recording, replayed, scheduled,
};
use crate::definition;
use crate::jsonata::Engine;

fn definition() -> Value {
    machine(
        "Each",
        &json!({
            "Each": {
                "Type": "Map",
                "Items": "{% $states.input.items %}",
                "ItemSelector": {"n": "{% $states.context.Map.Item.Value + 1 %}"},
                "ItemProcessor": {"StartAt": "Call", "States": {
                    "Call": {
                        "Type": "Task", "Resource": "r",
                        "Arguments": {"got": "{% $states.input.n %}"},
                        "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 2}],
                        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Rest",
                                   "Output": "{% $states.errorOutput.Error %}",
                                   "Assign": {"seen": "{% $states.errorOutput.Cause %}"}}],
                        "Assign": {"seen": "{% $states.result.a %}"},
                        "Output": "{% $states.result %}",
                        "Next": "Rest",
                    },
                    "Rest": {"Type": "Pass", "Output": "{% [$seen, $states.input] %}", "End": true},
                }},
                "Assign": {"all": "{% $states.result %}"},
                "Output": "{% $count($states.result) %}",
                "Next": "Which",
            },
            "Which": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $all[0][0] = 5 and $states.input = 2 %}", "Next": "No"}],
                "Default": "Yes",
            },
            "Yes": {"Type": "Succeed"},
            "No": {"Type": "Fail", "Error": "{% $all[1][1] %}", "Cause": "{% $string($all) %}"},
        }),
    )
}

/// The two iterations run side by side.
fn events() -> Vec<Line> {
    let input = &json!({"items": [1, 2]});
    let (n2, n3, a5) = (&json!({"n": 2}), &json!({"n": 3}), &json!({"a": 5}));
    let (first, second) = (&json!([5, {"a": 5}]), &json!(["why", "Bad"]));
    let all = &json!([first, second]);
    let of = |index: u64| json!({"name": "Each", "index": index});
    vec![
        (0, "MapStateEntered", entered("Each", input)),
        (2, "MapStateStarted", json!({"length": 2})),
        (3, "MapIterationStarted", of(0)),
        (3, "MapIterationStarted", of(1)),
        (4, "TaskStateEntered", entered("Call", n2)),
        (5, "TaskStateEntered", entered("Call", n3)),
        (6, "TaskScheduled", scheduled(&json!({"got": 2}))),
        (7, "TaskScheduled", scheduled(&json!({"got": 3}))),
        (8, "TaskStarted", json!({})),
        (9, "TaskStarted", json!({})),
        (10, "TaskFailed", json!({"error": "Busy"})),
        (11, "TaskFailed", failed("Bad", "why")),
        (12, "TaskScheduled", scheduled(&json!({"got": 2}))),
        (14, "TaskStarted", json!({})),
        (13, "TaskStateExited", assigned("Call", &json!("Bad"), &json!({"seen": "why"}))),
        (15, "TaskSucceeded", output(a5)),
        (17, "TaskStateExited", assigned("Call", a5, &json!({"seen": 5}))),
        (18, "PassStateEntered", entered("Rest", a5)),
        (16, "PassStateEntered", entered("Rest", &json!("Bad"))),
        (19, "PassStateExited", exited("Rest", first)),
        (20, "PassStateExited", exited("Rest", second)),
        (21, "MapIterationSucceeded", of(0)),
        (22, "MapIterationSucceeded", of(1)),
        (24, "MapStateSucceeded", json!({})),
        (24, "MapStateExited", assigned("Each", &json!(2), &json!({"all": all}))),
        (26, "ChoiceStateEntered", entered("Which", &json!(2))),
        (27, "ChoiceStateExited", exited("Which", &json!(2))),
        (28, "FailStateEntered", entered("No", &json!(2))),
        (29, "ExecutionFailed", failed("Bad", &all.to_string())),
    ]
}

fn sample() -> Value {
    recording(&definition(), &json!({"items": [1, 2]}), "FAILED", &events())
}

/// Whether it is replayed without a difference.
fn is_same(engine: &Engine, recording: &Value) -> bool {
    replayed(engine, recording).unwrap().difference.is_none()
}

/// Changes the value as little as possible, but so that it is another.
fn changed(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            // JSON in a string, as most fields of an event are.
            Ok(Value::Object(mut fields)) => {
                fields.insert("more".to_owned(), json!(1));
                json!(Value::Object(fields).to_string())
            }
            Ok(inner) => json!(json!([inner]).to_string()),
            Err(_) => json!(format!("{text}x")),
        },
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), changed(value))).collect()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn it_is_replayed_and_every_expression_is_evaluated() {
    let engine = Engine::start().unwrap();
    let replayed = replayed(&engine, &sample()).unwrap();
    assert!(replayed.difference.is_none(), "{}", replayed.difference.unwrap());
    let expressions = definition::expressions(&definition());
    assert_eq!(replayed.evaluated, expressions.into_keys().collect());
}

#[test]
fn whatever_changes_in_the_history_is_found() {
    let engine = Engine::start().unwrap();
    let sample = sample();
    for at in 1..sample["events"].as_array().unwrap().len() {
        let details = sample["events"][at]["theEventDetails"].as_object().unwrap();
        for (field, value) in details {
            let mut recording = sample.clone();
            recording["events"][at]["theEventDetails"][field] = changed(value);
            assert!(!is_same(&engine, &recording), "event {}, {field}", at + 1);
        }
        // It did not happen.
        let mut recording = sample.clone();
        recording["events"][at]["type"] = json!("SomethingElse");
        assert!(!is_same(&engine, &recording), "event {}", at + 1);
    }
}

#[test]
fn whatever_changes_in_the_definition_is_found() {
    let engine = Engine::start().unwrap();
    let definition = definition().to_string();
    for ((state, place), text) in definition::expressions(&self::definition()) {
        let inside = definition::expression(&text).unwrap();
        let quoted = json!(text).to_string();
        for other in [format!("{{% [({inside}), 'x'] %}}"), "{% $nowhere %}".to_owned()] {
            let mutated = definition.replacen(&quoted, &json!(other).to_string(), 1);
            assert_ne!(mutated, definition, "{text}");
            let mut recording = sample();
            recording["definition"] = json!(mutated);
            assert!(!is_same(&engine, &recording), "{state}, {place}: {other}");
        }
    }
}

#[test]
fn a_difference_names_state_expression_and_both_values() {
    let engine = Engine::start().unwrap();
    let mut recording = sample();
    recording["events"][13]["theEventDetails"] = scheduled(&json!({"got": 7}));
    let difference = replayed(&engine, &recording).unwrap().difference.unwrap();
    let expected = "  Call (event 14), Arguments.got: {% $states.input.n %}
    recorded  7
    replayed  2
";
    assert_eq!(difference.to_string(), expected);

    let definition = definition().to_string().replace("$states.input = 2", "$states.input = 3");
    recording = sample();
    recording["definition"] = json!(definition);
    let difference = replayed(&engine, &recording).unwrap().difference.unwrap();
    assert_eq!((difference.state.as_str(), difference.place.as_str()), ("Yes", "the way"));
    assert_eq!(difference.replayed, "SucceedStateEntered Yes");
    assert!(difference.recorded.starts_with("FailStateEntered No "), "{difference}");
}
