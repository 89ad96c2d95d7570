//! Runs `sdk/trim`, which cuts AWS's SDK crates down to what the workspace uses.

use std::process::Command;

use anyhow::{Context, Result};

use crate::build;
use crate::paths::{self, Paths};

/// The program.
const PROGRAM: &str = "sdk-trim";

/// Writes `sdk`, or with `check` prints which crates would change. Whether none would.
pub(crate) fn trim(paths: &Paths, check: bool) -> Result<bool> {
    build::cargo(paths, "Building sdk-trim", &["build", "--package", PROGRAM])?;
    let mut trim = Command::new(paths.built(PROGRAM));
    trim.arg("--root").arg(&paths.root).env("CARGO", paths::cargo());
    if check {
        trim.arg("--check");
    }
    let status = paths.with_paths(&mut trim).status().context("starting sdk-trim")?;
    Ok(status.success())
}
