//! Small definitions with the histories that Step Functions records of them: they are replayed
//! without a difference, and whatever is changed in one is found.

mod mutations;
mod table;
mod waits;

use serde_json::{Value, json};

use crate::jsonata::Engine;
use crate::recording::Recording;
use crate::walk::{self, Replayed};

/// An event: the one before it, its type, its details.
type Line = (u64, &'static str, Value);

/// A recording of these events after `ExecutionStarted`, which are numbered from 2.
fn recording(definition: &Value, input: &Value, status: &str, lines: &[Line]) -> Value {
    let started = [(0, "ExecutionStarted", json!({}))];
    let numbered = (1..).zip(started.iter().chain(lines));
    let event = |(id, (previous, kind, details)): (u64, &Line)| {
        json!({
            "id": id, "previousEventId": previous, "type": kind, "timestamp": "2026-01-01T00:00:00Z",
            "theEventDetails": details,
        })
    };
    let machine = "arn:aws:states:us-east-1:111122223333:stateMachine:machine";
    json!({
        "execution": {
            "executionArn": "arn:aws:states:us-east-1:111122223333:execution:machine:run",
            "stateMachineArn": machine, "name": "run", "status": status,
            "startDate": "2026-01-01T00:00:00Z", "input": input.to_string(),
        },
        "definition": definition.to_string(),
        "events": numbered.map(event).collect::<Vec<_>>(),
    })
}

/// A machine of these states.
fn machine(start: &str, states: &Value) -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": start, "States": states})
}

/// The events of one chain, each with the one before it.
fn chain(events: &[(&'static str, Value)]) -> Vec<Line> {
    let before = |id: u64| if id == 2 { 0 } else { id - 1 };
    (2..).zip(events).map(|(id, (kind, details))| (before(id), *kind, details.clone())).collect()
}

fn entered(name: &str, input: &Value) -> Value {
    json!({"name": name, "input": input.to_string()})
}

fn exited(name: &str, output: &Value) -> Value {
    json!({"name": name, "output": output.to_string()})
}

/// The variables as JSON in strings.
fn assigned(name: &str, output: &Value, variables: &Value) -> Value {
    let text = |(name, value): (&String, &Value)| (name.clone(), json!(value.to_string()));
    let variables: Value = variables.as_object().unwrap().iter().map(text).collect();
    json!({"name": name, "output": output.to_string(), "assignedVariables": variables})
}

fn scheduled(arguments: &Value) -> Value {
    json!({"parameters": arguments.to_string()})
}

fn output(value: &Value) -> Value {
    json!({"output": value.to_string()})
}

fn failed(error: &str, cause: &str) -> Value {
    json!({"error": error, "cause": cause})
}

fn replayed(engine: &Engine, recording: &Value) -> anyhow::Result<Replayed> {
    let recording: Recording = serde_json::from_value(recording.clone())?;
    walk::replay(engine, &recording)
}
