//! Owns the replay: what the workflow tests' executions did, again, on the reference implementation
//! of JSONata.

use std::fs;
use std::io::ErrorKind;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::checks::{self, Check};
use crate::failures::Failure;
use crate::paths::{self, Paths};
use crate::{build, stream};

/// Where the local AWS reads the folder for its recordings.
pub(crate) const FOLDER_VARIABLE: &str = "OVERLAY_HISTORIES";
/// The definitions, from the top of the repository.
const DEFINITIONS: &str = "statemachine";
/// What it prints before the name of an execution that it replayed with another result.
const DIFFERS: &str = "DIFFERS ";
/// Part of the last line that it prints.
const RESULT: &str = " executions replayed, ";

/// Has a run of the workflow tests recorded, and forgets the run before.
pub(crate) fn record(paths: &Paths, tests: &mut Command) -> Result<()> {
    let folder = paths.histories();
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&folder),
    }
    .with_context(|| format!("emptying {}", folder.display()))?;
    tests.env(FOLDER_VARIABLE, folder);
    Ok(())
}

/// What to replay of the executions that the last run of the workflow tests recorded.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Replay only the executions whose names have this in them.
    filter: Option<String>,
    /// List the expressions that no execution evaluated, and fail if there are any.
    #[arg(long, conflicts_with = "filter")]
    complete: bool,
}

impl Options {
    /// Every execution of a run of all workflow tests, or of some.
    pub(crate) fn after(is_complete: bool) -> Self {
        Self { filter: None, complete: is_complete }
    }
}

/// Builds it and replays.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<ExitCode> {
    build::replay(paths)?;
    Ok(checks::summary(&[check(paths, options)?]))
}

/// Replays.
pub(crate) fn check(paths: &Paths, options: &Options) -> Result<Check> {
    let mut command = Command::new(paths.kept(paths::REPLAY));
    let complete = options.complete.then_some("--complete");
    paths.with_paths(&mut command).arg(paths.histories()).arg(DEFINITIONS);
    command.args(&options.filter).args(complete);
    let began = Instant::now();
    let (mut failures, mut name) = (Vec::new(), "replay".to_owned());
    let passed = stream::run(command, "", |line| {
        if let Some(execution) = line.strip_prefix(DIFFERS) {
            failures.push(Failure { command: format!("cargo xtask replay {execution}") });
        } else if line.contains(RESULT) {
            name = format!("replay: {line}");
        }
    })?;
    let mut check = Check::ended(&name, began, passed, failures);
    check.runs_alone(&["cargo xtask replay", complete.unwrap_or_default()].join(" "));
    Ok(check)
}
