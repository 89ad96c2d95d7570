//! Quotas of Step Functions and Lambda (developer guides, "Service quotas"): every definition stays
//! within them, with a margin, in the worst case.

use std::fmt::Write;

use contract::ErrorName;
use contract::bounds::MAX_TARGETS;
use serde_json::{Value, from_str};

use crate::history::{Longest, longest};
use crate::none;

/// Events of an execution's history.
const MAX_EVENTS: f64 = 25_000.0;
/// The part of it that an execution may use.
const MARGIN: f64 = 0.5;
/// A definition's size (1 MB).
const MAX_DEFINITION_BYTES: usize = 1 << 20;
/// A state's name (Amazon States Language, "States").
const MAX_STATE_NAME_CHARS: usize = 80;
/// An error's name (`StopExecution`, `SendTaskFailure`: error).
const MAX_ERROR_CHARS: usize = 256;

/// How many targets a page of a reconcile has (`ItemBatcher`).
const PAGE: f64 = 25.0;

/// How many items a Map has at most. `MaxConcurrency` says only how many there are at once.
fn items(map: &str) -> Option<f64> {
    match map {
        // The input bounds them, so ResolveTags does.
        "PromoteTargets" => Some(f64::from(MAX_TARGETS)),
        "PromotePage" => Some(PAGE),
        _ => None,
    }
}

/// Every definition, with its file's name.
fn definitions() -> Vec<(String, String)> {
    let folder = harness::paths::root().join("statemachine");
    let files = folder.read_dir().expect("statemachine").map(|file| file.expect("a file").path());
    let files = files.filter(|path| path.to_string_lossy().ends_with(".asl.json"));
    let name =
        |path: &std::path::Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    files.map(|path| (name(&path), crate::text(&path))).collect()
}

#[test]
fn no_execution_reaches_the_end_of_its_history() {
    none(definitions().into_iter().flat_map(|(file, text)| {
        let definition: Value = from_str(&text).expect("JSON");
        let all = match longest(&definition, &items) {
            Ok(all) => all,
            Err(error) => return vec![format!("{file}: {error}")],
        };
        let told: String = all.iter().map(told).collect();
        println!("{file}{told}");
        let is_too_long = |one: &&Longest| one.is_execution && one.events > MAX_EVENTS * MARGIN;
        let too_long = all.iter().filter(is_too_long);
        too_long.map(|one| format!("{file} {}: {} events{told}", one.of, one.events)).collect()
    }));
}

fn told(longest: &Longest) -> String {
    let mut text = format!("\n  {} {}", longest.of, longest.events);
    for (state, times, events) in &longest.visits {
        let _ = write!(text, "\n    {state}: {times:.1} times {events}");
    }
    text
}

#[test]
fn a_page_is_a_batch() {
    let states = crate::machine::states();
    let batches = states.iter().filter_map(|state| state.body.get("ItemBatcher"));
    let sizes: Vec<_> = batches.map(|batch| batch["MaxItemsPerBatch"].as_f64()).collect();
    assert_eq!(sizes, [Some(PAGE)]);
}

#[test]
fn definitions_and_names_are_short_enough() {
    none(definitions().iter().flat_map(|(file, text)| {
        let is_too_long = text.len() > MAX_DEFINITION_BYTES / 2;
        let size = is_too_long.then(|| format!("{file} has {} bytes", text.len()));
        let mut names = Vec::new();
        collect_names(&from_str(text).expect("JSON"), &mut names);
        names.retain(|name| name.chars().count() > MAX_STATE_NAME_CHARS);
        size.into_iter().chain(names).collect::<Vec<_>>()
    }));
    none(ErrorName::ALL.iter().filter(|name| name.as_str().len() > MAX_ERROR_CHARS));
}

/// The names of all states, at whatever depth.
fn collect_names(value: &Value, names: &mut Vec<String>) {
    let Some(fields) = value.as_object() else {
        return value.as_array().into_iter().flatten().for_each(|item| collect_names(item, names));
    };
    if let Some(states) = fields.get("States").and_then(Value::as_object) {
        names.extend(states.keys().cloned());
    }
    fields.values().for_each(|inner| collect_names(inner, names));
}
