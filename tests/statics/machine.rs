//! The state machines as graphs.

use std::sync::LazyLock;

use serde_json::{Map, Value};

/// The definition of what tells of executions that have ended.
pub const ANNOUNCE: &str = "statemachine/announce.asl.json";
/// The files of the definitions.
pub const PATHS: [&str; 3] =
    ["statemachine/promote-ami.asl.json", "statemachine/reconcile.asl.json", ANNOUNCE];

static MACHINES: LazyLock<[Value; 3]> =
    LazyLock::new(|| PATHS.map(|path| serde_json::from_str(&crate::text(path)).expect(path)));

/// The whole definitions, each with its file.
pub fn definitions() -> impl Iterator<Item = (&'static str, &'static Value)> {
    PATHS.into_iter().zip(MACHINES.iter())
}

/// States with one start: those of the machine, or those in a Map or Parallel state.
pub struct Scope {
    pub start: &'static str,
    pub states: Vec<State>,
    /// The state that holds them.
    pub within: Option<State>,
}

#[derive(Clone, Copy)]
pub struct State {
    /// The file of its definition.
    pub machine: &'static str,
    pub name: &'static str,
    pub body: &'static Map<String, Value>,
}

/// A transition from one state to another.
pub struct Edge {
    pub from: &'static str,
    pub to: &'static str,
    /// What is assigned on the way.
    pub assign: Option<&'static Map<String, Value>>,
    /// The input that the way makes for the next state.
    pub output: Option<&'static Value>,
    /// A Choice rule's condition.
    pub condition: Option<&'static str>,
}

/// Every scope, an outer one before its inner ones.
pub fn scopes() -> Vec<Scope> {
    let mut scopes = Vec::new();
    let mut open: Vec<_> = definitions().map(|(file, all)| (file, all, None)).collect();
    while let Some((machine, scope, within)) = open.pop() {
        let states: Vec<_> = scope["States"]
            .as_object()
            .expect("States")
            .iter()
            .map(|(name, body)| State { machine, name, body: body.as_object().expect(name) })
            .collect();
        for state in &states {
            let branches = state.body.get("Branches").and_then(Value::as_array);
            let inner =
                state.body.get("ItemProcessor").into_iter().chain(branches.into_iter().flatten());
            open.extend(inner.map(|inner| (machine, inner, Some(*state))));
        }
        scopes.push(Scope { start: scope["StartAt"].as_str().expect("StartAt"), states, within });
    }
    scopes
}

/// Every state.
pub fn states() -> Vec<State> {
    scopes().into_iter().flat_map(|scope| scope.states).collect()
}

/// Every Task state that invokes a step's function.
pub fn steps() -> Vec<State> {
    let invokes = |state: &State| state.body["Resource"] == "arn:aws:states:::lambda:invoke";
    tasks().into_iter().filter(invokes).collect()
}

/// Every Task state.
pub fn tasks() -> Vec<State> {
    states().into_iter().filter(|state| state.kind() == "Task").collect()
}

impl State {
    pub fn kind(&self) -> &'static str {
        self.body["Type"].as_str().expect("Type")
    }

    /// A list of objects such as `Retry`; empty where there is none.
    pub fn list(&self, field: &str) -> &'static [Value] {
        self.body.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The transitions from this state.
    pub fn edges(&self) -> Vec<Edge> {
        let from = self.name;
        let edge = |to: &'static Value, of: &'static Map<String, Value>| Edge {
            from,
            to: to.as_str().expect("the name of a state"),
            assign: of.get("Assign").and_then(Value::as_object),
            output: of.get("Output"),
            condition: of.get("Condition").and_then(Value::as_str),
        };
        let straight = ["Next", "Default"].into_iter().filter_map(|field| self.body.get(field));
        let ruled = self.list("Choices").iter().chain(self.list("Catch"));
        straight
            .map(|to| edge(to, self.body))
            .chain(ruled.map(|rule| edge(&rule["Next"], rule.as_object().expect("a rule"))))
            .collect()
    }

    /// Every text in the state itself, with its path: `Assign.polls`, `Catch[0].Output`.
    pub fn texts(&self) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        for (field, value) in self.body {
            if field != "ItemProcessor" && field != "Branches" {
                collect(field.clone(), value, &mut found);
            }
        }
        found
    }
}

fn collect(path: String, value: &'static Value, found: &mut Vec<(String, &'static str)>) {
    match value {
        Value::String(text) => found.push((path, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(format!("{path}[{index}]"), item, found);
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                collect(format!("{path}.{field}"), value, found);
            }
        }
        _ => {}
    }
}

/// The names in `${…}` that the template must fill in, anywhere in a definition's text.
pub fn substitutions(machine: &str) -> Vec<&'static str> {
    let states = states().into_iter().filter(|state| state.machine == machine);
    let texts = states.flat_map(|state| state.texts());
    let rests = texts.flat_map(|(_, text)| text.split("${").skip(1));
    rests.filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// The names that a retrier or a catcher is for.
pub fn error_equals(rule: &Value) -> Vec<&str> {
    rule["ErrorEquals"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
