//! Runs the tests: those of the crates, then those of the workflow, once or more often, and in
//! parallel with these the contract tests of the local AWS.

use std::process::{Command, ExitCode};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::burners::Burners;
use crate::checks::{self, Check};
use crate::failures::{self, Failure};
use crate::paths::{self, Paths};
use crate::{build, replay, stream};

/// Where the local AWS's own tests are.
const CONTRACT_TESTS: &str = "tests/emulator/contract";
/// What the workflow tests print before their seed.
const SEED: &str = "--seed ";

/// Which tests to run, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How many times to run the workflow tests.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Keep every processor busy while the workflow tests run: no test may depend on speed.
    #[arg(long)]
    load: bool,
    /// Run the workflow tests in the order of this seed, which every run prints. With --repeat,
    /// each further run uses the next number. Without a seed, every run has a new order.
    #[arg(long)]
    seed: Option<u64>,
    /// Run only the workflow tests whose names contain this.
    filter: Option<String>,
}

impl Options {
    /// Every test once, the workflow tests under load.
    pub(crate) fn under_load() -> Self {
        Self { repeat: 1, load: true, seed: None, filter: None }
    }
}

/// Runs them and prints the results.
pub(crate) fn test(paths: &Paths, options: &Options) -> Result<ExitCode> {
    Ok(checks::summary(&run(paths, options)?))
}

/// Builds everything, then runs the tests.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<Vec<Check>> {
    build::run(paths)?;
    build::tests(paths)?;
    if options.filter.is_some() {
        return workflow(paths, options);
    }
    let mut checks = crates(paths)?;
    // The contract tests spend most of their time waiting.
    let (beside, workflow) = thread::scope(|scope| {
        let beside = scope.spawn(|| local_aws(paths));
        let workflow = workflow(paths, options);
        (beside.join(), workflow)
    });
    checks.extend(workflow?);
    checks.push(beside.map_err(|_| anyhow!("running the local AWS's tests panicked"))??);
    Ok(checks)
}

/// Everything that needs no AWS.
fn crates(paths: &Paths) -> Result<Vec<Check>> {
    let targets: [(&str, &[&str]); 2] =
        [("crates", &["--lib", "--bins", "--test", "statics"]), ("doctests", &["--doc"])];
    let check = |(name, targets): (&str, &[&str])| {
        cargo(paths, name, &[&["--no-fail-fast"], targets].concat())
    };
    targets.into_iter().map(check).collect()
}

/// The workflow tests, as often as requested, and what they did on another engine.
fn workflow(paths: &Paths, options: &Options) -> Result<Vec<Check>> {
    let _burners = options.load.then(Burners::start);
    let mut checks = Vec::new();
    for run in 0..options.repeat {
        checks.push(one_workflow(paths, options, run)?);
        checks.push(replay::check(paths, &replay::Options::after(options.filter.is_none()))?);
    }
    Ok(checks)
}

fn one_workflow(paths: &Paths, options: &Options, run: u16) -> Result<Check> {
    let seed = options.seed.map(|seed| seed.wrapping_add(run.into()).to_string());
    let mut arguments = vec!["--test", "workflow", "--"];
    if let Some(seed) = &seed {
        arguments.extend(["--seed", seed]);
    }
    arguments.extend(options.filter.as_deref());
    let began = Instant::now();
    let mut cargo = failures::Cargo::default();
    let mut seed = None;
    let mut tests = cargo_test(paths, &arguments);
    replay::record(paths, &mut tests)?;
    let passed = stream::run(tests, "", |line| {
        cargo.read(line);
        seed = seed.take().or_else(|| seed_in(line));
    })?;
    let mut name = "workflow".to_owned();
    if options.repeat > 1 {
        name += &format!(", {} of {}", run + 1, options.repeat);
    }
    name += if options.load { ", under load" } else { "" };
    name += &seed.map(|seed| format!(", {SEED}{seed}")).unwrap_or_default();
    Ok(Check::ended(&name, began, passed, cargo.failures()))
}

/// The seed, if the line has it.
fn seed_in(line: &str) -> Option<String> {
    let (_, after) = line.split_once(SEED)?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

fn cargo(paths: &Paths, name: &str, arguments: &[&str]) -> Result<Check> {
    let began = Instant::now();
    let mut cargo = failures::Cargo::default();
    let passed = stream::run(cargo_test(paths, arguments), "", |line| cargo.read(line))?;
    Ok(Check::ended(name, began, passed, cargo.failures()))
}

/// Always tests the whole workspace: for a part of it cargo may choose other features, and compile
/// everything again.
fn cargo_test(paths: &Paths, arguments: &[&str]) -> Command {
    let mut command = Command::new(paths::cargo());
    paths.with_paths(&mut command).args(["test", "--workspace"]).args(arguments);
    command
}

/// The local AWS's own tests.
fn local_aws(paths: &Paths) -> Result<Check> {
    let python = paths.venv_program("python");
    let shown = python.strip_prefix(&paths.root).unwrap_or(&python).display().to_string();
    let mut command = Command::new(&python);
    // Keep byte code out of the source folders.
    paths.with_paths(&mut command).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(["-m", "pytest", "-q", "-r", "fE", "-p", "no:cacheprovider", CONTRACT_TESTS]);
    let began = Instant::now();
    let mut failures: Vec<Failure> = Vec::new();
    let passed = stream::run(command, "the local AWS: ", |line| {
        failures.extend(failures::of_pytest(line, &shown));
    })
    .context("the local AWS's tests")?;
    Ok(Check::ended("the local AWS", began, passed, failures))
}

#[cfg(test)]
mod tests {
    use super::seed_in;

    #[test]
    fn a_seed_is_read_where_it_is_named() {
        assert_eq!(seed_in("The order of these tests: --seed 71"), Some("71".to_owned()));
        assert_eq!(seed_in("The order was --seed 71; the slowest: x"), Some("71".to_owned()));
        assert_eq!((seed_in("test seed ... ok"), seed_in("--seed ")), (None, None));
    }
}
