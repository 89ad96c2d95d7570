//! Owns what decides whether a change is good, and how it is told: each check, and of those that
//! failed how it is run alone. A failure does not keep the rest from running.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::failures::Failure;
use crate::paths::{self, Paths};
use crate::{build, deny, suite};

/// One check and how it went.
pub struct Check {
    name: String,
    passed: bool,
    seconds: u64,
    /// What in it failed, where it says so.
    failures: Vec<Failure>,
}

impl Check {
    /// One that began then, and has ended now.
    pub fn ended(name: &str, began: Instant, passed: bool, failures: Vec<Failure>) -> Self {
        let seconds = began.elapsed().as_secs();
        Self { name: name.to_owned(), passed, seconds, failures }
    }
}

/// Formatting, lints, what it is built from, every test.
pub fn ci(paths: &Paths) -> Result<ExitCode> {
    let mut format = Command::new(paths::cargo());
    format.args(["fmt", "--all", "--check"]);
    let mut checks = vec![check(paths, "formatting", &mut format)?];
    let began = Instant::now();
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let linted = build::cargo(paths, "Lints", &lints);
    if let Err(error) = &linted {
        eprintln!("error: {error:#}");
    }
    checks.push(Check::ended("lints", began, linted.is_ok(), Vec::new()));
    checks.extend(deny::checks(paths)?);
    checks.extend(suite::run(paths, &suite::Options::under_load())?);
    Ok(summary(&checks))
}

/// Runs one check with its output as it comes.
pub fn check(paths: &Paths, name: &str, command: &mut Command) -> Result<Check> {
    let began = Instant::now();
    let status = paths
        .hand_on(command)
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    Ok(Check::ended(name, began, status.success(), Vec::new()))
}

/// Prints how all went.
pub fn summary(checks: &[Check]) -> ExitCode {
    print!("\n{}", told(checks));
    if checks.iter().all(|check| check.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn told(checks: &[Check]) -> String {
    let verdict = |check: &Check| {
        let verdict = if check.passed { "passed" } else { "FAILED" };
        format!("{verdict}  {} ({} s)\n", check.name, check.seconds)
    };
    let mut commands = Vec::new();
    for failure in checks.iter().flat_map(|check| &check.failures) {
        if !commands.contains(&&failure.command) {
            commands.push(&failure.command);
        }
    }
    let mut text: String = checks.iter().map(verdict).collect();
    if !commands.is_empty() {
        text += "\nWhat failed, and what runs it alone:\n";
    }
    for command in commands {
        text += &format!("  {command}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_at_the_end_and_once() {
        let failure = |command: &str| Failure { command: command.to_owned() };
        let check = |name, failures: &[Failure]| {
            Check::ended(name, Instant::now(), failures.is_empty(), failures.to_vec())
        };
        let (a, again) = (failure("cargo xtask test a"), failure("cargo xtask test a"));
        let b = failure("cargo xtask test b");
        let checks = [check("crates", &[]), check("run 1", &[a]), check("run 2", &[b, again])];
        let told = told(&checks);
        let expected = "passed  crates (0 s)\nFAILED  run 1 (0 s)\nFAILED  run 2 (0 s)\n
What failed, and what runs it alone:\n  cargo xtask test a\n  cargo xtask test b\n";
        assert_eq!(told, expected);
    }
}
