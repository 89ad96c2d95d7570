//! The paths that the harness reads and writes.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Cargo's target directory: `CARGO_TARGET_DIR` (xtask sets it), else `target`.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |set| root().join(set))
}

/// The harness's own folder under the target directory.
#[must_use]
pub fn own() -> PathBuf {
    target().join("driftless")
}

/// The program of a function that `cargo xtask build` has built for this machine. It is not where
/// `template.yaml` has its `CodeUri`, so `sam deploy` never takes a development build.
#[must_use]
pub fn function(name: &str) -> PathBuf {
    own().join("functions").join(name).join("bootstrap")
}

/// A program of the release build, which `cargo xtask bench` makes.
#[must_use]
pub fn released(name: &str) -> PathBuf {
    own().join("release").join(name)
}

/// A program of the Python environment that `cargo xtask setup` creates.
pub fn venv_program(name: &str) -> Result<PathBuf> {
    let program = own().join("venv").join("bin").join(name);
    program
        .try_exists()
        .ok()
        .filter(|found| *found)
        .with_context(|| format!("{} is missing: run `cargo xtask setup`", program.display()))?;
    Ok(program)
}

/// Templates for users to copy. They are fixtures too, so every test of a pattern tests them.
pub const TEMPLATES: &str = "docs/templates";

/// A fixture's text, by its path under `tests/fixtures`; of a stack also by the name of a template
/// to copy.
pub fn fixture(path: &str) -> Result<String> {
    let copied = path.strip_prefix("stacks/").map(|name| root().join(TEMPLATES).join(name));
    let path = match copied.filter(|path| path.exists()) {
        Some(path) => path,
        None => root().join("tests/fixtures").join(path),
    };
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}
