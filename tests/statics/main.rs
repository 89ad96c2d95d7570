//! The rules of the repository as tests: what must agree between the crates, the catalogue of
//! errors, the state machine, the template and the documentation, without running any of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what several tests share"
)]
#![allow(unreachable_pub, reason = "in a test program, `pub` is what other modules use")]

mod answers;
mod carried;
mod definition;
mod errors;
mod events;
mod expressions;
mod histories;
mod history;
mod last_release;
mod machine;
mod observed;
mod papers;
mod quotas;
mod release;
mod simplex;
mod supply_chain;
mod template;
mod time;
mod translation;
mod versions;
mod workspace;

use std::fmt::Display;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Fails with every problem on a line of its own.
#[track_caller]
fn none<T: Display>(problems: impl IntoIterator<Item = T>) {
    let problems: Vec<_> = problems.into_iter().map(|problem| format!("\n  {problem}")).collect();
    assert!(problems.is_empty(), "{}\n", problems.concat());
}

/// A file's text, by its path from the top of the repository.
fn text(path: impl AsRef<Path>) -> String {
    let path = harness::paths::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a Python program of this folder: JSON in, JSON out.
fn python(script: &str, input: &Value) -> Value {
    let script = harness::paths::root().join("tests/statics").join(script);
    let mut python = Command::new(harness::paths::venv_program("python").unwrap())
        .arg(&script)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(python.stdin.take().unwrap(), input).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{} failed: {}", script.display(), output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
