//! Reads the state machine's definition, so that the tests cover every state, including new ones.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use harness::paths;
use serde_json::Value;

const PATH: &str = "statemachine/promote-ami.asl.json";

/// Every state by its name, those inside of others too.
pub fn states() -> Result<BTreeMap<String, Value>> {
    let path = paths::root().join(PATH);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut found = BTreeMap::new();
    let mut open = vec![serde_json::from_str::<Value>(&text).context(PATH)?];
    while let Some(scope) = open.pop() {
        for (name, state) in scope["States"].as_object().context("no States")? {
            let branches = state["Branches"].as_array().into_iter().flatten();
            open.extend(state.get("ItemProcessor").into_iter().chain(branches).cloned());
            found.insert(name.clone(), state.clone());
        }
    }
    Ok(found)
}

/// The names of the states of this type.
pub fn of_type(kind: &str) -> Result<Vec<String>> {
    let of_kind = |(name, state): (String, Value)| (state["Type"] == kind).then_some(name);
    Ok(states()?.into_iter().filter_map(of_kind).collect())
}

/// Whether a Task state is entered again after this error: it is retried, or caught by its name.
pub fn recovers(task: &Value, error: &str) -> bool {
    let rules = ["Retry", "Catch"].into_iter().filter_map(|field| task[field].as_array()).flatten();
    let mut names = rules.filter_map(|rule| rule["ErrorEquals"].as_array()).flatten();
    names.any(|name| name == error)
}
