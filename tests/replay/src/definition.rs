//! Owns what a definition consists of: its states, its expressions, and whether the replay supports
//! all of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::difference::{child, join};

/// The fields that the replay knows, by the type of the state. A field that it does not know would
/// be left out in silence.
const FIELDS: [(&str, &[&str]); 7] = [
    ("Task", &["Resource", "TimeoutSeconds", "Arguments", "Retry", "Catch", "Assign", "Output"]),
    ("Pass", &["Assign", "Output"]),
    ("Choice", &["Choices", "Default", "Assign", "Output"]),
    ("Wait", &["Seconds", "Assign", "Output"]),
    (
        "Map",
        &[
            "Items",
            "ItemSelector",
            "ItemBatcher",
            "ItemProcessor",
            "Label",
            "MaxConcurrency",
            "ToleratedFailurePercentage",
            "Retry",
            "Catch",
            "Assign",
            "Output",
        ],
    ),
    ("Succeed", &["Output"]),
    ("Fail", &["Error", "Cause"]),
];
/// Those of every state.
const COMMON_FIELDS: [&str; 4] = ["Type", "Comment", "Next", "End"];
/// Those that must be constants, because no event shows what an expression made of them.
const CONSTANTS: [&str; 3] = ["TimeoutSeconds", "MaxConcurrency", "ToleratedFailurePercentage"];

/// The place of an expression: the state, and the field in it.
pub(crate) type Place = (String, String);

/// The text between the delimiters, if it is an expression.
pub(crate) fn expression(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

/// The states, those of a Map's iterations too, by their names.
pub(crate) fn states(definition: &Value) -> BTreeMap<&str, &Value> {
    let mut found = BTreeMap::new();
    let mut open = vec![definition];
    while let Some(scope) = open.pop() {
        for (name, state) in scope["States"].as_object().into_iter().flatten() {
            open.extend(state.get("ItemProcessor"));
            found.insert(name.as_str(), state);
        }
    }
    found
}

/// Every expression with its place.
pub(crate) fn expressions(definition: &Value) -> BTreeMap<Place, String> {
    let mut found = BTreeMap::new();
    for (name, state) in states(definition) {
        let fields = state.as_object().into_iter().flatten();
        for (field, value) in fields.filter(|(field, _)| *field != "ItemProcessor") {
            collect(value, field, &mut |place, text| {
                found.insert((name.to_owned(), place), text.to_owned());
            });
        }
    }
    found
}

fn collect(value: &Value, place: &str, found: &mut impl FnMut(String, &str)) {
    match value {
        Value::String(text) if expression(text).is_some() => found(place.to_owned(), text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &join(place, &index.to_string()), found);
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                collect(value, &join(place, field), found);
            }
        }
        _ => {}
    }
}

/// Whether an expression is in it.
pub(crate) fn has_expressions(template: &Value) -> bool {
    let mut has = false;
    collect(template, "", &mut |_, _| has = true);
    has
}

/// What is at this place of a state.
pub(crate) fn at<'a>(state: &'a Value, place: &str) -> Option<&'a Value> {
    place.split('.').try_fold(state, child)
}

/// Whether this is what the other is after its template's parameters are put in for `${…}`.
pub(crate) fn is_deployed_from(deployed: &Value, committed: &Value) -> bool {
    match (deployed, committed) {
        (_, Value::String(text)) if text.contains("${") => deployed.is_string(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_deployed_from(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let is_same = |(field, a)| b.get(field).is_some_and(|b| is_deployed_from(a, b));
            a.len() == b.len() && a.iter().all(is_same)
        }
        (a, b) => a == b,
    }
}

/// Whether the iterations of this processor are executions with recordings of their own.
pub(crate) fn is_distributed(processor: &Value) -> bool {
    processor["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
}

/// What executions run by this definition: itself, and the iterations of its Distributed Maps, which
/// the local AWS records with the processor as their definition.
pub(crate) fn machines(definition: &Value) -> Vec<Value> {
    let iterations = states(definition).into_values().filter_map(|state| {
        let mut processor = state.get("ItemProcessor").filter(|it| is_distributed(it))?.clone();
        processor["QueryLanguage"] = definition["QueryLanguage"].clone();
        Some(processor)
    });
    std::iter::once(definition.clone()).chain(iterations).collect()
}

/// Refuses a definition with anything in it that the replay would do otherwise than Step Functions.
pub(crate) fn check(definition: &Value) -> Result<()> {
    ensure!(definition["QueryLanguage"] == "JSONata", "only JSONata is supported");
    for (name, state) in states(definition) {
        let kind = state["Type"].as_str().unwrap_or_default();
        let known = FIELDS.iter().find(|(known, _)| *known == kind);
        let (_, fields) =
            known.with_context(|| format!("{name}: type {kind:?} is not supported"))?;
        for (field, value) in state.as_object().into_iter().flatten() {
            let field = field.as_str();
            let is_known = COMMON_FIELDS.contains(&field) || fields.contains(&field);
            ensure!(is_known, "{name}: the field {field} of a {kind} state is not supported");
            let is_constant = !CONSTANTS.contains(&field) || value.is_number();
            ensure!(is_constant, "{name}: {field} must be a number");
        }
        if let Some(processor) = state.get("ItemProcessor").filter(|it| !is_distributed(it)) {
            let mode = &processor["ProcessorConfig"]["Mode"];
            ensure!(mode.is_null() || mode == "INLINE", "{name}: the mode {mode} is not supported");
            let nested = states(processor).into_iter().find(|(_, inner)| inner["Type"] == "Map");
            ensure!(nested.is_none(), "{name}: a Map within a Map is not supported");
        }
    }
    Ok(())
}
