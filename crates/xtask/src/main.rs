//! `cargo xtask`: owns setting up, building, and handing over to what does the work. It has no
//! AWS SDK, so it is there in seconds and can show the progress of the builds that take minutes.

mod asl;
mod build;
mod burners;
mod checks;
mod command;
mod deny;
mod failures;
mod generate;
mod paths;
mod progress;
mod setup;
mod stream;
mod suite;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

use crate::paths::Paths;

/// Sets up, builds, shows and tests Driftless. Everything needed is fetched on the first run and
/// kept under the target directory; later runs work offline.
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
    /// Build the Lambda functions and the harness (after `setup`).
    Build,
    /// Promote an image in a local AWS, kill the instances, and show what heals.
    Demo {
        /// How to print the result; progress goes to stderr either way.
        #[arg(long, value_enum, default_value_t = Table::Table)]
        format: Table,
    },
    /// Send many events at once to a local AWS that throttles, and count what is lost or done twice.
    ///
    /// The events come twice and in the wrong order. The exit status is 1 when anything was lost,
    /// done twice, or failed, or when a stack was updated more often than it has to be.
    Chaos {
        /// How many events to send, all in the same second.
        #[arg(long, default_value_t = 200)]
        events: usize,
        /// How many targets they are for: half of them parameters, half of them groups of stacks.
        #[arg(long, default_value_t = 50)]
        targets: usize,
        /// The part of all calls to AWS that is throttled, in per cent.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..100))]
        throttle: u8,
        /// How to print the result; progress goes to stderr either way.
        #[arg(long, value_enum, default_value_t = Table::Table)]
        format: Table,
    },
    /// Start a local AWS with Driftless deployed, and print what a client needs to use it.
    ///
    /// It runs until `cargo xtask down`. For a shell: eval "$(cargo xtask up)".
    Up {
        /// How to print what a client needs; progress goes to stderr either way.
        #[arg(long, value_enum, default_value_t = Exports::Shell)]
        format: Exports,
        /// SSM parameters that Driftless may write: those whose names begin like this.
        #[arg(long, default_value = "/")]
        parameter_prefix: String,
        /// Stacks that Driftless may update: those whose names begin like this.
        #[arg(long, default_value = "")]
        stack_prefix: String,
    },
    /// Stop what `up` started.
    Down,
    /// Run again what did not happen: the messages of a deployed Driftless's dead-letter queue.
    ///
    /// It talks to the AWS that the AWS CLI would talk to. It may be run twice: a message is
    /// started once. What cannot be started stays in the queue, and the exit status is 1.
    Redrive {
        /// The stack that Driftless was deployed as.
        #[arg(long, default_value = "driftless")]
        stack: String,
        /// Only say what would be run.
        #[arg(long)]
        dry_run: bool,
        /// How to print the result; progress goes to stderr either way.
        #[arg(long, value_enum, default_value_t = Table::Table)]
        format: Table,
    },
    /// Run every test there is: of the crates, of the workflow, of the local AWS.
    ///
    /// At the end is what failed, and what runs each of those alone.
    Test(suite::Options),
    /// Write what is generated from the catalogue of errors: retries, catchers, docs/errors.md.
    Generate {
        /// Only say whether a file would change; the exit status is 1 then.
        #[arg(long)]
        check: bool,
    },
    /// Check what Driftless is built from: licences, duplicates, sources, known vulnerabilities.
    Deny,
    /// What has to pass before a change is merged: formatting, lints, `deny`, `test --load`.
    Ci,
}

#[derive(Clone, Copy, ValueEnum)]
enum Table {
    /// A table for people.
    Table,
    /// The same cells for programs.
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Exports {
    /// `export NAME=value` lines.
    Shell,
    /// One object.
    Json,
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
        Task::Demo { format } => {
            build::run(&paths)?;
            return harness(&paths, &["demo", "--format", &word(format)]);
        }
        Task::Chaos { events, targets, throttle, format } => {
            build::run(&paths)?;
            let numbers = [events.to_string(), targets.to_string(), throttle.to_string()];
            let [events, targets, throttle] = numbers.each_ref().map(String::as_str);
            let load = ["--events", events, "--targets", targets, "--throttle", throttle];
            return harness(&paths, &[&["chaos", "--format", &word(format)], &load[..]].concat());
        }
        Task::Up { format, parameter_prefix, stack_prefix } => {
            build::run(&paths)?;
            let prefixes =
                ["--parameter-prefix", &parameter_prefix, "--stack-prefix", &stack_prefix];
            return harness(&paths, &[&["up", "--format", &word(format)], &prefixes[..]].concat());
        }
        Task::Down => {
            // What has started it can stop it; sources that do not compile must not be in the way.
            if !paths.harness().exists() {
                build::run(&paths)?;
            }
            return harness(&paths, &["down"]);
        }
        Task::Redrive { stack, dry_run, format } => {
            build::run(&paths)?;
            let dry_run = if dry_run { &["--dry-run"][..] } else { &[] };
            let options = ["redrive", "--stack", &stack, "--format", &word(format)];
            return harness(&paths, &[&options[..], dry_run].concat());
        }
        Task::Test(options) => return suite::test(&paths, &options),
        Task::Generate { check } => return generate::run(&paths, check),
        Task::Deny => return deny::run(&paths),
        Task::Ci => return checks::ci(&paths),
    }
    Ok(ExitCode::SUCCESS)
}

/// What an option's value is called on the command line, for handing it on.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Becomes the harness: its exit status is this program's, and a Ctrl-C reaches it.
fn harness(paths: &Paths, arguments: &[&str]) -> Result<ExitCode> {
    let program = paths.harness();
    let mut command = Command::new(&program);
    paths.hand_on(&mut command).args(arguments);
    let error = command.exec();
    Err(error).with_context(|| format!("starting {}", program.display()))
}
