//! Tests of `driftless doctor`.

mod backups;
mod checks;
mod template;

use std::fs;

/// A fixture stack's template, or one to copy.
fn fixture(name: &str) -> String {
    let read = |folder: &str| {
        fs::read_to_string(format!("{}/../../{folder}/{name}.yaml", env!("CARGO_MANIFEST_DIR")))
    };
    read("docs/templates").or_else(|_| read("tests/fixtures/stacks")).unwrap()
}
