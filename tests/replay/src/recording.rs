//! Owns what is recorded of an execution, and which events belong to which chain of states.
//!
//! The local AWS writes the files, in the format of the API.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::difference::{Difference, Stop};

/// A history has no more events (Step Functions quotas); an execution that needs more fails.
const MAX_EVENTS: usize = 25_000;

/// A recorded execution.
#[derive(Debug, Deserialize)]
pub(crate) struct Recording {
    pub(crate) execution: Execution,
    /// What it ran by: template parameters are replaced in it.
    #[serde(deserialize_with = "embedded")]
    pub(crate) definition: Value,
    pub(crate) events: Vec<Event>,
}

/// What `DescribeExecution` answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Execution {
    pub(crate) execution_arn: String,
    pub(crate) state_machine_arn: String,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) start_date: Value,
    #[serde(deserialize_with = "embedded")]
    pub(crate) input: Value,
}

/// An event of the history.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) id: u64,
    #[serde(default)]
    previous_event_id: u64,
    #[serde(rename = "type")]
    kind: String,
    pub(crate) timestamp: Value,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// JSON in a string.
fn embedded<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Value, D::Error> {
    let text = String::deserialize(text)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no recording", path.display()))
    }

    /// Whether it was ended from outside, in whatever state it was.
    fn is_cut(&self) -> bool {
        ["ABORTED", "TIMED_OUT"].contains(&self.execution.status.as_str())
            || self.events.len() >= MAX_EVENTS
    }

    /// The events of the execution's own chain, and those of each iteration of a Map: by the event
    /// that started the Map, and the index. A Map within a Map is not supported.
    pub(crate) fn trails(&self) -> Trails<'_> {
        let mut trails = Trails { is_cut: self.is_cut(), chains: HashMap::new() };
        let mut map = 0;
        let mut chains = HashMap::new();
        for event in &self.events {
            let before = chains.get(&event.previous_event_id).copied().flatten();
            let chain = match event.kind.as_str() {
                "MapIterationStarted" | "MapIterationFailed" | "MapIterationAborted" => {
                    event.details()["index"].as_u64().map(|index| (map, index))
                }
                // AWS links what follows the iterations to an event of one of them.
                kind if kind.starts_with("MapState") || kind.starts_with("Execution") => None,
                _ => before,
            };
            if event.kind == "MapStateStarted" {
                map = event.id;
            }
            // The same in every state: it is the iteration that was aborted.
            if !event.kind.ends_with("StateAborted") {
                chains.insert(event.id, chain);
                trails.chains.entry(chain).or_default().push(event);
            }
        }
        trails
    }
}

impl Event {
    fn details(&self) -> &Value {
        let mut rest = self.rest.iter();
        rest.find(|(name, _)| name.ends_with("EventDetails"))
            .map_or(&Value::Null, |(_, found)| found)
    }

    /// What happened: the type, and the state and the iteration if the event names them.
    fn label(&self) -> String {
        let [name, index] = ["name", "index"].map(|field| match self.field(field) {
            Value::Null => String::new(),
            Value::String(text) => format!(" {text}"),
            other => format!(" {other}"),
        });
        self.kind.clone() + &name + &index
    }

    pub(crate) fn field(&self, name: &str) -> &Value {
        &self.details()[name]
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.field(name).as_str().unwrap_or_default()
    }

    /// A field that is JSON in a string.
    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).unwrap_or_default()
    }
}

/// The execution's own chain, or an iteration's.
type Chain = Option<(u64, u64)>;

/// The events by their chain.
#[derive(Debug)]
pub(crate) struct Trails<'r> {
    is_cut: bool,
    chains: HashMap<Chain, Vec<&'r Event>>,
}

impl<'r> Trails<'r> {
    /// The execution's own.
    pub(crate) fn root(&self) -> Trail<'r> {
        let events = self.chains.get(&None).cloned().unwrap_or_default();
        // `ExecutionStarted` is no state's.
        Trail { is_cut: self.is_cut, events, at: 1 }
    }

    /// That of an iteration, if it was started.
    pub(crate) fn iteration(&self, map: u64, index: u64) -> Option<Trail<'r>> {
        let events = self.chains.get(&Some((map, index)))?.clone();
        Some(Trail { is_cut: self.is_cut, events, at: 0 })
    }
}

/// The events of one chain of states, from the next on.
#[derive(Debug)]
pub(crate) struct Trail<'r> {
    is_cut: bool,
    events: Vec<&'r Event>,
    at: usize,
}

impl<'r> Trail<'r> {
    /// Whether an event of this type is next.
    pub(crate) fn is_next(&self, kind: &str) -> bool {
        self.events.get(self.at).is_some_and(|event| event.kind == kind)
    }

    /// The first event of those that follow that is this one.
    pub(crate) fn ahead(&self, wanted: &str) -> Option<&'r Event> {
        self.events.iter().skip(self.at).copied().find(|event| event.label() == wanted)
    }

    /// The next event, which must be this one: its type, and what it names.
    pub(crate) fn expect(&mut self, state: &str, wanted: &str) -> Result<&'r Event, Stop> {
        let Some(event) = self.events.get(self.at).copied() else {
            return Err(self.ended(state, wanted));
        };
        if event.label() == wanted {
            self.at += 1;
            return Ok(event);
        }
        let is_end = event.kind.starts_with("Execution");
        if event.kind == "MapIterationAborted" || (is_end && self.is_cut) {
            return Err(Stop::Cut);
        }
        Err(self.differs(state, wanted, &format!("{} {}", event.label(), event.details())))
    }

    /// The recording ends where this had to come. Only what was ended from outside may.
    pub(crate) fn ended(&self, state: &str, wanted: &str) -> Stop {
        if self.is_cut { Stop::Cut } else { self.differs(state, wanted, &self.shown()) }
    }

    /// The recording goes another way.
    fn differs(&self, state: &str, replayed: &str, recorded: &str) -> Stop {
        Difference {
            state: state.to_owned(),
            event: self.latest(),
            place: "the way".to_owned(),
            expression: None,
            recorded: recorded.to_owned(),
            replayed: replayed.to_owned(),
        }
        .into()
    }

    /// The number of the event that was read last.
    pub(crate) fn latest(&self) -> u64 {
        self.at.checked_sub(1).and_then(|at| self.events.get(at)).map_or(0, |event| event.id)
    }

    /// An expression was not evaluated to a value, which the recording must say too.
    pub(crate) fn expect_failed(&mut self, state: &str, what: &str) -> Result<&'r Event, Stop> {
        match self.expect(state, "EvaluationFailed") {
            Err(Stop::Differs(_)) => Err(self.differs(state, what, &self.shown())),
            other => other,
        }
    }

    /// What is next, for a reader.
    fn shown(&self) -> String {
        let next = self.events.get(self.at);
        next.map_or_else(|| "the end of the history".to_owned(), |event| event.label())
    }
}
