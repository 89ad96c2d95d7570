//! Fuzzes the input of the workflow: it is a request, or refused with `InvalidInput` and a short message.
#![no_main]

// The two modules instead of their crate, which needs EC2's SDK: that takes many minutes and gigabytes
// to compile with a fuzzer's instrumentation.
#[allow(dead_code)]
#[path = "../../src/decide.rs"]
mod decide;
#[path = "../../src/request.rs"]
mod request;

use contract::{ErrorName, Named};
use libfuzzer_sys::fuzz_target;

use crate::request::{Request, request};

fuzz_target!(|bytes: &[u8]| {
    // Step Functions passes on only JSON.
    let Ok(input) = serde_json::from_slice(bytes) else { return };
    let message = match request(input) {
        Ok(Request::Skip(reason)) => reason,
        Ok(_) => return,
        Err(error) => {
            assert_eq!(error.name(), ErrorName::InvalidInput);
            error.to_string()
        }
    };
    assert!(message.chars().count() < 1_000, "{message}");
});
