//! The results of checks, and how they are printed: whether each passed, how long it took, and what
//! failed in it.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::failures::Failure;
use crate::paths::Paths;

/// One check and its result.
pub(crate) struct Check {
    name: String,
    outcome: Outcome,
    seconds: u64,
    /// The failed tests in it, if it reports them.
    failures: Vec<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

impl Check {
    /// A check that began at `began` and has ended now.
    pub(crate) fn ended(name: &str, began: Instant, passed: bool, failures: Vec<Failure>) -> Self {
        let seconds = began.elapsed().as_secs();
        let outcome = if passed { Outcome::Passed } else { Outcome::Failed };
        Self { name: name.to_owned(), outcome, seconds, failures }
    }

    /// A check that this machine cannot run.
    pub(crate) fn skipped(name: &str) -> Self {
        Self { name: name.to_owned(), outcome: Outcome::Skipped, seconds: 0, failures: Vec::new() }
    }

    /// Sets the command that runs this check alone, if it failed and reports no failed tests.
    pub(crate) fn runs_alone(&mut self, command: &str) {
        if self.outcome == Outcome::Failed && self.failures.is_empty() {
            self.failures.push(Failure { command: command.to_owned() });
        }
    }
}

/// Runs one check and passes its output through.
pub(crate) fn check(paths: &Paths, name: &str, command: &mut Command) -> Result<Check> {
    let began = Instant::now();
    let status = paths
        .with_paths(command)
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    Ok(Check::ended(name, began, status.success(), Vec::new()))
}

/// Prints all results.
pub(crate) fn summary(checks: &[Check]) -> ExitCode {
    print!("\n{}", printed(checks));
    let has_failed = checks.iter().any(|check| check.outcome == Outcome::Failed);
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn printed(checks: &[Check]) -> String {
    let verdict = |check: &Check| {
        let verdict = match check.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        };
        format!("{verdict:<8} {:>7}  {}\n", check.seconds, check.name)
    };
    let mut commands = Vec::new();
    for failure in checks.iter().flat_map(|check| &check.failures) {
        if !commands.contains(&&failure.command) {
            commands.push(&failure.command);
        }
    }
    let rows: String = checks.iter().map(verdict).collect();
    let mut text = format!("result   seconds  check\n{rows}");
    if !commands.is_empty() {
        text += "\nWhat failed, and the command that runs it alone:\n";
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
    fn each_failure_is_printed_once_at_the_end() {
        let failure = |command: &str| Failure { command: command.to_owned() };
        let check = |name, failures: &[Failure]| {
            Check::ended(name, Instant::now(), failures.is_empty(), failures.to_vec())
        };
        let (a, again) = (failure("cargo xtask test a"), failure("cargo xtask test a"));
        let b = failure("cargo xtask test b");
        let mut deny = Check::ended("deny", Instant::now(), false, Vec::new());
        deny.runs_alone("cargo xtask ci deny");
        let checks = [
            check("crates", &[]),
            Check::skipped("known vulnerabilities"),
            check("run 1", &[a]),
            check("run 2", &[b, again]),
            deny,
        ];
        let expected = "result   seconds  check
passed         0  crates
skipped        0  known vulnerabilities
FAILED         0  run 1
FAILED         0  run 2
FAILED         0  deny

What failed, and the command that runs it alone:
  cargo xtask test a
  cargo xtask test b
  cargo xtask ci deny
";
        assert_eq!(printed(&checks), expected);
    }
}
