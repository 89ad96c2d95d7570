//! `cargo xtask`: sets up, builds, and starts the programs that do the work. It uses no AWS SDK, so
//! it builds in seconds and can show the progress of the builds that take minutes.

mod asl;
mod build;
mod burners;
mod checks;
mod command;
mod deny;
mod durations;
mod failures;
mod gate;
mod generate;
mod graph;
mod layout;
mod paths;
mod picture;
mod progress;
mod replay;
mod sdk;
mod setup;
mod stream;
mod suite;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::paths::Paths;

/// Sets up, builds, demonstrates and tests Driftless. The first run downloads everything that it
/// needs into the target directory; later runs work offline.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_STATUS)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

const EXIT_STATUS: &str = "Exit status: 0 success, 1 failure, 2 wrong usage.";

#[derive(Subcommand)]
enum Task {
    /// Install the pinned local AWS and the AWS CLI into their own Python environment.
    Setup,
    /// Build the Lambda functions, the harness and `driftless` (after `setup`).
    Build,
    /// Promote images in a local AWS, kill the instances, and show what they heal into.
    #[command(disable_help_flag = true)]
    Demo(Handed),
    /// Send many events at once to a local AWS that throttles, and count lost and repeated writes.
    #[command(disable_help_flag = true)]
    LoadTest(Handed),
    /// Measure cold starts of the functions' release build: CPU time, memory, size.
    #[command(disable_help_flag = true)]
    Bench(Handed),
    /// Start a local AWS with Driftless deployed, and print the environment variables for a client.
    #[command(disable_help_flag = true)]
    Up(Handed),
    /// Stop the local AWS that `up` started.
    #[command(disable_help_flag = true)]
    Down(Handed),
    /// Run every test: of the crates, of the workflow and of the local AWS.
    ///
    /// The output ends with each failed test and the command that runs it alone.
    Test(suite::Options),
    /// Replay the executions of the last workflow tests on the reference implementation of JSONata.
    Replay(replay::Options),
    /// Generate retries, catchers, waits and docs/errors.md from the catalogue of errors, the pictures
    /// of the state machines, and the SDK crates in `sdk`.
    Generate {
        /// Write nothing; exit with status 1 if a file would change.
        #[arg(long)]
        check: bool,
    },
    /// Check the dependencies: licences, duplicate versions, sources, known vulnerabilities.
    Deny,
    /// Run the gate: the checks that every change must pass. Every step runs, even after a failure.
    #[command(after_help = gate::help())]
    Ci(gate::Options),
}

/// Arguments that are passed to the harness, including `--help`.
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
        Task::Bench(handed) => return bench(&paths, &handed),
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

/// Builds the harness and becomes it.
fn harness(paths: &Paths, task: &str, handed: &Handed) -> Result<ExitCode> {
    let program = paths.kept(paths::HARNESS);
    // For `down`, an existing program is enough, even if the sources no longer compile.
    if task != "down" || !program.exists() {
        build::run(paths)?;
    }
    let mut command = Command::new(program);
    command.arg(task).args(&handed.arguments);
    become_program(paths, command)
}

/// The same with the benchmark.
fn bench(paths: &Paths, handed: &Handed) -> Result<ExitCode> {
    let asks_for_help = |argument: &OsString| argument == "--help" || argument == "-h";
    let is = |name: &str| handed.arguments.first().is_some_and(|task| task == name);
    let is_scale = is("scale");
    if !handed.arguments.iter().any(asks_for_help) {
        setup::run(paths)?;
        if !is("build") {
            build::run(paths)?;
        }
        if is("cold") {
            build::release(paths)?;
        }
    }
    build::bench(paths)?;
    let mut command = Command::new(paths.kept(paths::BENCH));
    command.args(&handed.arguments);
    if is_scale {
        // The benchmark counts in the recordings of executions.
        command.env(replay::FOLDER_VARIABLE, paths.recordings_of_scale());
    } else {
        // The local AWS keeps what it answers, so that the benchmark can answer the same.
        command.env("OVERLAY_ANSWERS", "1");
    }
    become_program(paths, command)
}

/// Replaces this process, so that the program receives Ctrl-C and sets the exit status.
fn become_program(paths: &Paths, mut command: Command) -> Result<ExitCode> {
    let error = paths.with_paths(&mut command).exec();
    Err(error).with_context(|| format!("starting {}", command.get_program().display()))
}
