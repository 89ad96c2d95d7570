//! Any bytes as what starts the workflow: a request, or refused by name and in few words.
#![no_main]

// The two modules instead of their crate: EC2's SDK, which they do without, takes many minutes
// and gigabytes to compile with a fuzzer's instrumentation.
#[allow(dead_code)]
#[path = "../../src/decide.rs"]
mod decide;
#[path = "../../src/request.rs"]
mod request;

use contract::{ErrorName, Named};
use libfuzzer_sys::fuzz_target;

use crate::request::{Request, request};

fuzz_target!(|bytes: &[u8]| {
    // Step Functions passes on nothing but JSON.
    let Ok(input) = serde_json::from_slice(bytes) else { return };
    let said = match request(input) {
        Ok(Request::Skip(reason)) => reason,
        Ok(_) => return,
        Err(error) => {
            assert_eq!(error.name(), ErrorName::InvalidInput);
            error.to_string()
        }
    };
    assert!(said.chars().count() < 1_000, "{said}");
});
