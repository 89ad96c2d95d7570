//! Owns which expressions of the committed definitions some execution has evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::definition::{self, Place};

/// The ending of a definition's file.
const ENDING: &str = ".asl.json";

/// The committed definitions, and what has been evaluated of each.
#[derive(Debug)]
pub(crate) struct Coverage {
    machines: Vec<Machine>,
}

#[derive(Debug)]
struct Machine {
    name: String,
    definition: Value,
    expressions: BTreeMap<Place, String>,
    evaluated: BTreeSet<Place>,
}

impl Coverage {
    /// Of all definitions in this folder.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let mut machines = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(name) = name.strip_suffix(ENDING) {
                let text = fs::read(&path).with_context(|| path.display().to_string())?;
                let definition = serde_json::from_slice(&text);
                machines.push(Machine::new(name, definition.with_context(|| name.to_owned())?));
            }
        }
        machines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { machines })
    }

    /// Adds what one execution has evaluated. One that ran by another definition, which a test made,
    /// adds nothing.
    pub(crate) fn add(&mut self, deployed: &Value, evaluated: BTreeSet<Place>) {
        let is_it = |one: &&mut Machine| {
            let machines = definition::machines(&one.definition);
            machines.iter().any(|machine| definition::is_deployed_from(deployed, machine))
        };
        if let Some(machine) = self.machines.iter_mut().find(is_it) {
            machine.evaluated.extend(evaluated);
        }
    }

    /// How many expressions have been evaluated, and how many there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let total: usize = self.machines.iter().map(|machine| machine.expressions.len()).sum();
        (total - self.missing().len(), total)
    }

    /// Each that no execution has evaluated, in a line.
    pub(crate) fn missing(&self) -> Vec<String> {
        let of = |machine: &Machine| -> Vec<String> {
            let expressions = machine.expressions.iter();
            let missing = expressions.filter(|(place, _)| !machine.evaluated.contains(*place));
            missing
                .map(|((state, place), text)| format!("{}: {state}, {place}: {text}", machine.name))
                .collect()
        };
        self.machines.iter().flat_map(of).collect()
    }
}

impl Machine {
    fn new(name: &str, definition: Value) -> Self {
        let expressions = definition::expressions(&definition);
        Self { name: name.to_owned(), definition, expressions, evaluated: BTreeSet::new() }
    }

    #[cfg(test)]
    fn only(definition: Value) -> Coverage {
        Coverage { machines: vec![Self::new("machine", definition)] }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(name: &str) -> Value {
        json!({"StartAt": "A", "States": {"A": {
            "Type": "Map",
            "Items": "{% $x %}",
            "ItemProcessor": {"StartAt": "B", "States": {"B": {
                "Type": "Choice",
                "Choices": [{"Condition": format!("{{% $y = '{name}' %}}"), "Next": "C"}],
            }}},
        }}})
    }

    fn place(state: &str, place: &str) -> Place {
        (state.to_owned(), place.to_owned())
    }

    #[test]
    fn what_no_execution_evaluates_is_named() {
        let mut coverage = Machine::only(definition("${Name}"));
        coverage.add(&definition("a"), BTreeSet::from([place("A", "Items")]));
        assert_eq!(coverage.counts(), (1, 2));
        let missing = ["machine: B, Choices.0.Condition: {% $y = '${Name}' %}"];
        assert_eq!(coverage.missing(), missing);
        coverage.add(&definition("b"), BTreeSet::from([place("B", "Choices.0.Condition")]));
        assert_eq!((coverage.counts(), coverage.missing()), ((2, 2), Vec::new()));
    }

    #[test]
    fn another_definition_counts_for_nothing() {
        let mut coverage = Machine::only(definition("${Name}"));
        let mut other = definition("a");
        other["TimeoutSeconds"] = json!(5);
        coverage.add(&other, BTreeSet::from([place("A", "Items")]));
        assert_eq!(coverage.counts(), (0, 2));
    }
}
