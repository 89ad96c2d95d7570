//! A state machine's states and transitions as a graph, as far as a picture shows them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::asl::Node;

/// How many states must catch their errors with the same state for this to be said once, beside
/// that state, and not drawn.
const COMMON: usize = 3;

/// The states of a state machine, or of a Map state's iteration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Graph {
    pub states: Vec<State>,
    pub transitions: Vec<Transition>,
    /// Transitions after errors that are not drawn, because too many lead to the same state.
    pub left_out: Vec<Transition>,
    /// The index of the first state.
    pub start: usize,
}

/// A state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub name: String,
    /// `Task`, `Choice`, …
    pub kind: String,
    /// What it is for.
    pub comment: String,
    /// The states of a Map state's iteration.
    pub inner: Option<Graph>,
    /// The errors after which the states around lead here, if their lines are left out.
    pub catches: Option<String>,
}

/// A transition between two states, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Transition {
    pub from: usize,
    pub to: usize,
    /// Whether an error causes it.
    pub is_catch: bool,
}

impl Graph {
    /// Reads a definition, or the processor of a Map state.
    ///
    /// # Errors
    /// It has no states, or a transition leads nowhere.
    pub(crate) fn of(scope: &Node) -> Result<Self> {
        let Some(Node::Object(states)) = scope.get("States") else {
            anyhow::bail!("the definition has no States")
        };
        let indices: BTreeMap<&str, usize> =
            states.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
        let index = |name: &str| {
            indices.get(name).copied().with_context(|| format!("there is no state {name}"))
        };
        let mut graph = Self {
            states: states
                .iter()
                .map(|(name, body)| State::of(name, body))
                .collect::<Result<_>>()?,
            transitions: Vec::new(),
            left_out: Vec::new(),
            start: index(text(scope, "StartAt"))?,
        };
        for (from, (_, body)) in states.iter().enumerate() {
            for (to, is_catch) in next_states(body) {
                graph.transitions.push(Transition { from, to: index(to)?, is_catch });
            }
        }
        graph.transitions.sort_unstable();
        graph.transitions.dedup();
        for (index, (name, _)) in states.iter().enumerate() {
            let is_caught = |it: &Transition| it.is_catch && it.to == index;
            // A line from every task to the same state would hide all others.
            if graph.transitions.iter().filter(|it| is_caught(it)).count() >= COMMON {
                graph.left_out.extend(graph.transitions.extract_if(.., |it| is_caught(it)));
                let errors = states.iter().flat_map(|(_, body)| caught(body, name));
                let errors: BTreeSet<_> = errors.collect();
                let errors = errors.into_iter().collect::<Vec<_>>().join(", ");
                if let Some(state) = graph.states.get_mut(index) {
                    state.catches = Some(errors.replace("States.ALL", "any error"));
                }
            }
        }
        Ok(graph)
    }
}

/// The errors after which a state leads to this one.
fn caught<'a>(body: &'a Node, to: &str) -> Vec<&'a str> {
    let Some(Node::Array(catchers)) = body.get("Catch") else { return Vec::new() };
    let here = catchers.iter().filter(|catcher| text(catcher, "Next") == to);
    let errors = here.filter_map(|catcher| match catcher.get("ErrorEquals")? {
        Node::Array(errors) => Some(errors.iter().filter_map(Node::as_str)),
        _ => None,
    });
    errors.flatten().collect()
}

impl State {
    /// The text in the picture.
    pub(crate) fn label(&self) -> String {
        let catches = self.catches.as_ref().map(|errors| format!(" ← {errors}"));
        format!("{}{}", self.name, catches.unwrap_or_default())
    }

    fn of(name: &str, body: &Node) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            kind: text(body, "Type").to_owned(),
            comment: text(body, "Comment").to_owned(),
            inner: body.get("ItemProcessor").map(Graph::of).transpose()?,
            catches: None,
        })
    }
}

/// The states that may follow, and whether an error leads there.
fn next_states(body: &Node) -> Vec<(&str, bool)> {
    let of = |field: &str| match body.get(field) {
        Some(Node::Array(rules)) => {
            rules.iter().filter_map(|rule| rule.get("Next")?.as_str()).collect()
        }
        _ => Vec::new(),
    };
    let field = |field: &str| body.get(field).and_then(Node::as_str);
    let mut next: Vec<_> = of("Choices").into_iter().map(|name| (name, false)).collect();
    next.extend(field("Default").map(|name| (name, false)));
    next.extend(field("Next").map(|name| (name, false)));
    next.extend(of("Catch").into_iter().map(|name| (name, true)));
    next
}

fn text<'a>(node: &'a Node, field: &str) -> &'a str {
    node.get(field).and_then(Node::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = r#"{"StartAt": "A", "States": {
        "A": {"Type": "Task", "Next": "B", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]},
        "B": {"Type": "Task", "Next": "C", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]},
        "C": {"Type": "Task", "Next": "D", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Z"}, {"Next": "A"}]},
        "D": {"Type": "Choice", "Choices": [{"Next": "A"}, {"Next": "A"}], "Default": "E"},
        "E": {"Type": "Map", "Next": "Z", "ItemProcessor": {"StartAt": "X", "States": {
            "X": {"Type": "Pass", "End": true}}}},
        "Z": {"Type": "Fail"}}}"#;

    #[test]
    fn transitions_are_read_once_and_common_catches_are_left_out() {
        let graph = Graph::of(&serde_json::from_str(MACHINE).unwrap()).unwrap();
        let name = |index: usize| graph.states[index].name.as_str();
        let drawn = graph.transitions.iter().map(|it| {
            format!("{}{}{}", name(it.from), if it.is_catch { "!" } else { "" }, name(it.to))
        });
        assert_eq!(drawn.collect::<Vec<_>>(), ["AB", "BC", "C!A", "CD", "DA", "DE", "EZ"]);
        let labels: Vec<_> = graph.states.iter().map(State::label).collect();
        assert_eq!(labels, ["A", "B", "C", "D", "E", "Z ← any error"]);
        assert_eq!(graph.left_out.len(), 3);
        assert_eq!(graph.states[4].inner.as_ref().unwrap().states[0].name, "X");
    }

    #[test]
    fn a_transition_to_nowhere_is_an_error() {
        let definition = MACHINE.replace("\"Default\": \"E\"", "\"Default\": \"Q\"");
        let error = Graph::of(&serde_json::from_str(&definition).unwrap()).unwrap_err();
        assert!(error.to_string().contains("no state Q"), "{error}");
    }
}
