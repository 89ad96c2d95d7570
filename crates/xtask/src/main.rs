//! `cargo xtask`: owns setting up, building, and starting the programs that do the work. It uses no
//! AWS SDK, so it builds in seconds and can show the progress of the builds that take minutes.

mod asl;
mod build;
mod burners;
mod checks;
mod command;
mod deny;
mod failures;
mod gate;
mod generate;
mod paths;
mod progress;
mod replay;
mod setup;
mod stream;
mod suite;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::paths::Paths;

/// Sets up, builds, shows and tests Driftless. The first run fetches everything that it needs and
/// keeps it under the target directory; later runs work offline.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_STATUS)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

const EXIT_STATUS: &str = "Exit status: 0 done, 1 something failed, 2 wrong usage.";

#[derive(Subcommand)]
enum Task {
    /// Get the pinned local AWS and cargo-lambda into a Python environment of their own.
    Setup,
    /// Build the Lambda functions, the harness and `driftless` (after `setup`).
    Build,
    /// Promote an image in a local AWS, kill the instances, and show what heals.
    #[command(disable_help_flag = true)]
    Demo(Handed),
    /// Send many events at once to a local AWS that throttles, and count what is lost or done twice.
    #[command(disable_help_flag = true)]
    LoadTest(Handed),
    /// Start a local AWS with Driftless deployed, and print what a client needs to use it.
    #[command(disable_help_flag = true)]
    Up(Handed),
    /// Stop what `up` started.
    #[command(disable_help_flag = true)]
    Down(Handed),
    /// Run every test there is: of the crates, of the workflow, of the local AWS.
    ///
    /// At the end is what failed, and what runs each of those alone.
    Test(suite::Options),
    /// Run the executions of the last workflow tests again, on the reference implementation of JSONata.
    Replay(replay::Options),
    /// Write what is generated from the catalogue of errors: retries, catchers, docs/errors.md.
    Generate {
        /// Only say whether a file would change; the exit status is 1 then.
        #[arg(long)]
        check: bool,
    },
    /// Check what Driftless is built from: licences, duplicates, sources, known vulnerabilities.
    Deny,
    /// Run the gate: what every change must pass. A step that fails stops none of the others.
    #[command(after_help = gate::help())]
    Ci(gate::Options),
}

/// Arguments that the harness declares; `--help` is one of them.
#[derive(Args)]
struct Handed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let paths = Paths::find()?;
    match task {
        Task::Setup => setup::run(&paths)?,
        Task::Build => build::run(&paths)?,
        Task::Demo(handed) => return harness(&paths, "demo", &handed),
        Task::LoadTest(handed) => return harness(&paths, "load-test", &handed),
        Task::Up(handed) => return harness(&paths, "up", &handed),
        Task::Down(handed) => return harness(&paths, "down", &handed),
        Task::Test(options) => return suite::test(&paths, &options),
        Task::Replay(options) => return replay::run(&paths, &options),
        Task::Generate { check } => return generate::run(&paths, check),
        Task::Deny => return deny::run(&paths),
        Task::Ci(options) => return Ok(gate::run(&paths, &options)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the harness and becomes it: its exit status is this program's, and a Ctrl-C reaches it.
fn harness(paths: &Paths, task: &str, handed: &Handed) -> Result<ExitCode> {
    let program = paths.kept(paths::HARNESS);
    // The existing program can stop what `up` has started, even if the sources do not compile.
    if task != "down" || !program.exists() {
        build::run(paths)?;
    }
    let mut command = Command::new(&program);
    paths.hand_on(&mut command).arg(task).args(&handed.arguments);
    let error = command.exec();
    Err(error).with_context(|| format!("starting {}", program.display()))
}
