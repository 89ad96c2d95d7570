//! Checks the dependencies against `.cargo/deny.toml`, with a pinned cargo-deny.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::build;
use crate::checks::{self, Check};
use crate::paths::Paths;

/// cargo-deny's version. It is installed with the `Cargo.lock` that it was published with.
const VERSION: &str = "0.20.2";

/// Checks licences, duplicates and sources, and known vulnerabilities if their database can be
/// fetched.
pub(crate) fn run(paths: &Paths) -> Result<ExitCode> {
    Ok(checks::summary(&checks(paths)?))
}

/// The same, as a list of results.
pub(crate) fn checks(paths: &Paths) -> Result<Vec<Check>> {
    let program = install(paths).context("installing cargo-deny")?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments);
        command
    };
    let mut rules = deny(&["--locked", "check", "--deny", "warnings"]);
    rules.args(["bans", "licenses", "sources"]);
    let mut checks = vec![checks::check(paths, "dependencies", &mut rules)?];
    // The database is a repository on GitHub, which not every machine can reach.
    let fetched = paths.with_paths(&mut deny(&["fetch", "db"])).output().context("cargo deny")?;
    if fetched.status.success() {
        let mut advisories = deny(&["--locked", "check", "--disable-fetch", "advisories"]);
        checks.push(checks::check(paths, "known vulnerabilities", &mut advisories)?);
    } else {
        eprintln!("Known vulnerabilities are NOT checked: their database cannot be fetched.");
        eprint!("{}", String::from_utf8_lossy(&fetched.stderr));
        checks.push(Check::skipped("known vulnerabilities"));
    }
    Ok(checks)
}

/// Builds cargo-deny once, outside the workspace, and without optimisation, because compiling it
/// takes longer than running it.
fn install(paths: &Paths) -> Result<PathBuf> {
    let root = paths.tools().join(format!("cargo-deny-{VERSION}"));
    let program = root.join("bin").join("cargo-deny");
    if !program.exists() {
        let root = root.to_str().context("the target directory's path is not UTF-8")?;
        let arguments = ["install", "--locked", "--debug", "--version", VERSION, "cargo-deny"];
        let target_dir = ["--no-track", "--root", root, "--target-dir", &format!("{root}/build")];
        build::cargo(paths, "Building cargo-deny", &[&arguments[..], &target_dir].concat())?;
        std::fs::remove_dir_all(format!("{root}/build")).context("removing its build folder")?;
    }
    Ok(program)
}
