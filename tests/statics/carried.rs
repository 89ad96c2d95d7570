//! Variables that a state machine carries through the input of a scope's first state: the first time
//! they have a constant, later what they had before, or one more.
//!
//! A way back to the first state of a scope goes through its input, because a variable that no state
//! has assigned yet cannot be read. [`desugared`] says the same with assignments alone.

use serde_json::{Map, Value, json};

/// The state that assigns the constants.
const BEGIN: &str = "Begin";

/// The definition with a state before the first one of each scope that assigns the constants, and
/// without the assignments that carry a variable.
pub fn desugared(definition: &Value) -> Value {
    let mut definition = definition.clone();
    scope(&mut definition, &Value::Null);
    definition
}

fn scope(scope: &mut Value, selector: &Value) {
    let start = scope["StartAt"].as_str().unwrap_or_default().to_owned();
    let Some(states) = scope["States"].as_object_mut() else { return };
    for state in states.values_mut() {
        let selector = state.get("ItemSelector").cloned().unwrap_or_default();
        if let Some(processor) = state.get_mut("ItemProcessor") {
            self::scope(processor, &selector);
        }
    }
    let constants = constants(&states[&start]["Assign"], selector);
    if constants.is_empty() {
        return;
    }
    for (name, state) in states.iter_mut() {
        if *name == start {
            forget(state, &constants);
        }
        count(state, &start, &constants);
    }
    states.insert(BEGIN.to_owned(), json!({"Type": "Pass", "Assign": constants, "Next": start}));
    scope["StartAt"] = json!(BEGIN);
}

/// The variables that the first state takes from its input, each with its first value: what the
/// Map's `ItemSelector` gives, or what the state takes without an input.
fn constants(assign: &Value, selector: &Value) -> Map<String, Value> {
    let mut constants = Map::new();
    for (name, value) in assign.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let given = selector.get(name).filter(|given| !given.to_string().contains("{%"));
        if text == format!("{{% $states.input.{name} %}}") {
            constants.extend(given.map(|given| (name.clone(), given.clone())));
        }
        let first = text.strip_suffix(" %}").and_then(|text| {
            let (condition, otherwise) = text.rsplit_once(" : ")?;
            let carries = condition.starts_with("{% $exists($states.input.")
                && condition.ends_with(&format!(".{name}"));
            carries.then(|| serde_json::from_str(otherwise).ok()).flatten()
        });
        constants.extend(first.map(|first: Value| (name.clone(), first)));
    }
    constants
}

/// Removes the assignments, those of catchers too.
fn forget(state: &mut Value, constants: &Map<String, Value>) {
    each_rule(state, &mut |rule| {
        if let Some(assign) = rule.get_mut("Assign").and_then(Value::as_object_mut) {
            let is_carried = |value: &Value| value.to_string().contains("$states.input.");
            assign.retain(|name, value| !(constants.contains_key(name) && is_carried(value)));
        }
    });
}

/// What leads back and makes one more of a variable assigns that.
fn count(state: &mut Value, start: &str, constants: &Map<String, Value>) {
    each_rule(state, &mut |rule| {
        let leads_back = ["Next", "Default"].iter().any(|field| rule[*field] == start);
        for name in constants.keys() {
            let more = json!(format!("{{% ${name} + 1 %}}"));
            if leads_back && has(&rule["Output"], name, &more) {
                rule["Assign"][name] = more;
            }
        }
    });
}

/// The state itself, its Choice rules and its catchers: all that may assign something.
fn each_rule(state: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    visit(state);
    for field in ["Choices", "Catch"] {
        let rules = state.get_mut(field).and_then(Value::as_array_mut);
        rules.into_iter().flatten().for_each(&mut *visit);
    }
}

/// Whether the value has this member with this content, at any depth.
fn has(value: &Value, name: &str, content: &Value) -> bool {
    let Some(fields) = value.as_object() else { return false };
    fields.get(name) == Some(content) || fields.values().any(|inner| has(inner, name, content))
}

#[test]
fn a_carried_counter_becomes_an_assigned_one() {
    let carried = json!({"StartAt": "Map", "States": {"Map": {
        "ItemSelector": {"item": "{% $x %}", "tries": 1},
        "ItemProcessor": {"StartAt": "Try", "States": {
            "Try": {"Assign": {"tries": "{% $states.input.tries %}", "other": 1}, "Next": "More"},
            "More": {"Choices": [{"Output": {"tries": "{% $tries + 1 %}"}, "Next": "Try"}]},
        }},
    }}});
    let processor = &desugared(&carried)["States"]["Map"]["ItemProcessor"];
    assert_eq!(processor["StartAt"], BEGIN);
    let states = &processor["States"];
    assert_eq!(states[BEGIN]["Assign"], json!({"tries": 1}));
    assert_eq!(states["Try"]["Assign"], json!({"other": 1}));
    assert_eq!(states["More"]["Choices"][0]["Assign"], json!({"tries": "{% $tries + 1 %}"}));
}
