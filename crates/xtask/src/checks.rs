//! Owns what decides whether a change is good: formatting, lints, and every test there is. A
//! failure does not keep the rest from running.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::paths::{self, Paths};
use crate::{build, deny};

/// One check and how it went.
pub struct Check {
    name: &'static str,
    passed: bool,
    seconds: u64,
}

/// Every test.
pub fn test(paths: &Paths) -> Result<ExitCode> {
    let checks = tests(paths)?;
    Ok(summary(&checks))
}

/// Formatting, lints, what it is built from, every test.
pub fn ci(paths: &Paths) -> Result<ExitCode> {
    let mut format = Command::new(paths::cargo());
    format.args(["fmt", "--all", "--check"]);
    let mut checks = vec![check(paths, "formatting", &mut format)?];
    let started = Instant::now();
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let linted = build::cargo(paths, "Lints", &lints);
    if let Err(error) = &linted {
        eprintln!("error: {error:#}");
    }
    let seconds = started.elapsed().as_secs();
    checks.push(Check { name: "lints", passed: linted.is_ok(), seconds });
    checks.extend(deny::checks(paths)?);
    checks.extend(tests(paths)?);
    Ok(summary(&checks))
}

fn tests(paths: &Paths) -> Result<Vec<Check>> {
    build::run(paths)?;
    build::tests(paths)?;
    let mut rust = Command::new(paths::cargo());
    rust.args(["test", "--workspace", "--no-fail-fast"]);
    let mut emulator = Command::new(paths.venv_program("python"));
    emulator.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    emulator.args(["tests/emulator/contract"]);
    // The environment is Python's own; sources are not to be littered with byte code.
    emulator.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(vec![
        check(paths, "crates and workflow", &mut rust)?,
        check(paths, "the local AWS", &mut emulator)?,
    ])
}

/// Runs one check with its output as it comes.
pub fn check(paths: &Paths, name: &'static str, command: &mut Command) -> Result<Check> {
    let started = Instant::now();
    let status = paths
        .hand_on(command)
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    Ok(Check { name, passed: status.success(), seconds: started.elapsed().as_secs() })
}

/// Prints how all went.
pub fn summary(checks: &[Check]) -> ExitCode {
    println!();
    for check in checks {
        let verdict = if check.passed { "passed" } else { "FAILED" };
        println!("{verdict}  {} ({} s)", check.name, check.seconds);
    }
    if checks.iter().all(|check| check.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
