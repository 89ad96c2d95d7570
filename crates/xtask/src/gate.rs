//! The gate: the steps that every change must pass. `cargo xtask ci --help` prints this table, and
//! CONTRIBUTING.md has the same.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::checks::{self, Check};
use crate::paths::{self, Paths};
use crate::{build, deny, generate, setup, suite};

/// One step.
struct Step {
    name: &'static str,
    /// The command, as for a shell.
    command: &'static str,
    rejects: &'static str,
    how: How,
}

/// The program that runs a step's command.
enum How {
    /// cargo, with its output passed through.
    Cargo,
    /// cargo, with a bar, because it compiles.
    Build,
    /// A program of the Python environment, in the local AWS's folder.
    Python,
    /// This program itself.
    Here(fn(&Paths) -> Result<Vec<Check>>),
}

/// The fast ones first.
const STEPS: [Step; 9] = [
    Step {
        name: "format",
        command: "cargo fmt --all --check",
        rejects: "unformatted Rust",
        how: How::Cargo,
    },
    Step {
        name: "generated",
        command: "cargo xtask generate --check",
        rejects: "a definition, `docs/errors.md`, a table in `docs/operations.md` or a picture that differs from the \
                  catalogue of errors and the definitions; an SDK crate in `sdk` with more or less than the \
                  workspace uses of the published one",
        how: How::Here(|paths| {
            let began = Instant::now();
            let passed = generate::run(paths, true)? == ExitCode::SUCCESS;
            Ok(vec![Check::ended("generated", began, passed, Vec::new())])
        }),
    },
    Step {
        name: "ruff",
        command: "ruff check --no-cache .",
        rejects: "any ruff finding in `tests/emulator`",
        how: How::Python,
    },
    Step {
        name: "mypy",
        command: "mypy --cache-dir=/dev/null",
        rejects: "type errors in `tests/emulator`",
        how: How::Python,
    },
    Step {
        name: "facts",
        command: "python -B -m overlay.facts --check",
        rejects: "a `FACTS.md` or `README.md` in `tests/emulator` that differs from the docstrings",
        how: How::Python,
    },
    Step {
        name: "lints",
        command: "cargo clippy --workspace --all-targets -- -D warnings",
        rejects: "any Clippy finding; `unsafe`; an item without documentation",
        how: How::Build,
    },
    Step {
        name: "rustdoc",
        command: "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items",
        rejects: "a broken link in the documentation",
        how: How::Build,
    },
    Step {
        name: "deny",
        command: "cargo xtask deny",
        rejects: "a dependency with a licence that is not allowed, two versions, an unknown source or a known vulnerability",
        how: How::Here(deny::checks),
    },
    Step {
        name: "tests",
        command: "cargo xtask test --load",
        rejects: "a test that fails; an execution of the workflow tests that another JSONata engine \
                  replays with another result; an expression that no execution evaluates",
        how: How::Here(|paths| suite::run(paths, &suite::Options::under_load())),
    },
];

/// Which steps to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these steps.
    #[arg(value_parser = PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    #[arg(value_name = "STEP", hide_possible_values = true)]
    steps: Vec<String>,
}

/// Runs every step, even after one has failed, and prints all results.
pub(crate) fn run(paths: &Paths, options: &Options) -> ExitCode {
    let is_wanted = |step: &&Step| {
        options.steps.is_empty() || options.steps.iter().any(|name| name == step.name)
    };
    let checks: Vec<_> = STEPS.iter().filter(is_wanted).flat_map(|step| step.run(paths)).collect();
    checks::summary(&checks)
}

/// The steps for `--help`.
pub(crate) fn help() -> String {
    let row = |step: &Step| {
        let Step { name, command, rejects, .. } = step;
        format!("  {name:<10} {command}\n{:13}rejects {}\n", "", rejects.replace('`', ""))
    };
    let rows: String = STEPS.iter().map(row).collect();
    format!("Steps:\n{rows}\nruff, mypy and facts run in tests/emulator.")
}

impl Step {
    /// A step that could not be run has failed too.
    fn run(&self, paths: &Paths) -> Vec<Check> {
        let began = Instant::now();
        println!("\n{}: {}", self.name, self.command);
        let mut checks = self.checks(paths).unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            vec![Check::ended(self.name, began, false, Vec::new())]
        });
        let alone = format!("cargo xtask ci {}", self.name);
        for check in &mut checks {
            check.runs_alone(&alone);
        }
        checks
    }

    fn checks(&self, paths: &Paths) -> Result<Vec<Check>> {
        let began = Instant::now();
        let mut command = match self.how {
            How::Here(run) => return run(paths),
            How::Cargo | How::Build => self.command(|_| paths::cargo())?,
            How::Python => {
                setup::run(paths)?;
                self.command(|name| paths.venv_program(name))?
            }
        };
        let passed = if matches!(self.how, How::Build) {
            build::with_bar(paths, self.name, &mut command)?;
            true
        } else {
            let python = matches!(self.how, How::Python).then(|| paths.emulator());
            let folder = python.as_ref().unwrap_or(&paths.root);
            let status = paths.with_paths(&mut command).current_dir(folder).status();
            status.with_context(|| format!("starting {}", self.command))?.success()
        };
        Ok(vec![Check::ended(self.name, began, passed, Vec::new())])
    }

    /// The command as a process; `program` finds what its first word names.
    fn command(&self, program: impl Fn(&str) -> std::path::PathBuf) -> Result<Command> {
        let mut words = self.command.split_whitespace().peekable();
        let mut variables = Vec::new();
        while let Some(variable) = words.next_if(|word| word.contains('=')) {
            variables.extend(variable.split_once('='));
        }
        let name = words.next().context("a step without a command")?;
        let mut command = Command::new(program(name));
        command.args(words).envs(variables);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributing_has_the_same_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../CONTRIBUTING.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, table) = text.split_once("|---|---|---|\n").unwrap();
        let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
        let row =
            |step: &Step| format!("| {} | `{}` | {} |", step.name, step.command, step.rejects);
        assert_eq!(rows, STEPS.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn variables_before_a_command_are_its_environment() {
        let rustdoc = STEPS.iter().find(|step| step.name == "rustdoc").unwrap();
        let command = rustdoc.command(|name| name.into()).unwrap();
        assert_eq!(command.get_program(), "cargo");
        assert_eq!(command.get_args().next().unwrap(), "doc");
        let flags = ("RUSTDOCFLAGS".as_ref(), Some("-Dwarnings".as_ref()));
        assert_eq!(command.get_envs().collect::<Vec<_>>(), [flags]);
    }
}
