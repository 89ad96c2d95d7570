//! The definition's waits are expressions: the reference implementation evaluates them to the
//! contract's seconds, as the static tests show of the local AWS's.

use std::fs;
use std::path::Path;

use contract::bounds::loops;
use serde_json::{Value, json};

use crate::jsonata::{Answer, Engine};

#[test]
fn each_wait_pauses_for_the_seconds_of_the_contract() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine/promote-ami.asl.json");
    let definition: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let engine = Engine::start().unwrap();
    for poll in loops() {
        let seconds = seconds(&definition, poll.wait).unwrap();
        let polls = u32::from(!poll.waits_first)..poll.max_polls;
        let found = polls.map(|polls| {
            engine.bind(&json!({poll.counter: polls}).to_string()).unwrap();
            engine.evaluate(seconds).unwrap()
        });
        let expected = poll.waits().map(|seconds| Answer::Value(json!(seconds)));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{}", poll.wait);
    }
}

/// The expression of a Wait state, at whatever depth.
fn seconds<'d>(scope: &'d Value, wait: &str) -> Option<&'d str> {
    if let Some(text) = scope["States"][wait]["Seconds"].as_str() {
        return Some(text.trim_start_matches("{%").trim_end_matches("%}").trim());
    }
    let states = scope["States"].as_object()?.values();
    states.map(|state| &state["ItemProcessor"]).find_map(|inner| seconds(inner, wait))
}
