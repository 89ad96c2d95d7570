//! Implements `cargo xtask demo`, `load-test`, `up` and `down`, which xtask starts once everything
//! is built. Parses their arguments, and cleans up after Ctrl-C.

#![allow(clippy::indexing_slicing, reason = "indexing JSON returns null for a missing field")]

mod demo;
mod load;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::Notify;

/// The exit status of a program that Ctrl-C ended, by convention.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_STATUS)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

const EXIT_STATUS: &str = "Exit status: 0 success, 1 failure, 2 wrong usage.";

#[derive(Subcommand)]
enum Task {
    /// Promote images in a local AWS, kill the instances, and show what they heal into.
    Demo {
        /// How to print the result; progress always goes to stderr.
        #[arg(long, value_enum, default_value_t)]
        format: demo::Format,
        /// Write a page that shows the result, the way that each execution took, and the drift.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Send many events at once to a local AWS that throttles, and count lost and repeated writes.
    ///
    /// Events come twice and in the wrong order. The exit status is 1 if an event was lost, an
    /// image was promoted twice, an execution failed, or a stack was updated more than twice.
    LoadTest {
        #[command(flatten)]
        load: load::Load,
        /// How to print the result; progress always goes to stderr.
        #[arg(long, value_enum, default_value_t)]
        format: demo::Format,
    },
    /// Start a local AWS with Driftless deployed, and print the environment variables for a client.
    ///
    /// It runs until `cargo xtask down`. For a shell: eval "$(cargo xtask up)".
    Up {
        /// How to print the environment variables; progress always goes to stderr.
        #[arg(long, value_enum, default_value_t)]
        format: up::Format,
        /// Driftless may write SSM parameters whose names begin with this.
        #[arg(long, default_value = "/")]
        parameter_prefix: String,
        /// Driftless may update stacks whose names begin with this.
        #[arg(long, default_value = "")]
        stack_prefix: String,
    },
    /// Stop the local AWS that `up` started.
    Down,
}

fn main() -> ExitCode {
    run(Arguments::parse().task).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let interrupted = caught_interrupts()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = perform(task) => done,
            // Dropping the task ends everything that it has started.
            () = interrupted.notified() => {
                eprintln!("interrupted");
                Ok(INTERRUPTED.into())
            }
        }
    })
}

/// Is notified when a signal asks this program to end.
fn caught_interrupts() -> Result<Arc<Notify>> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("catching signals")?;
    let interrupted = Arc::new(Notify::new());
    let notify = Arc::clone(&interrupted);
    std::thread::spawn(move || signals.forever().for_each(|_| notify.notify_one()));
    Ok(interrupted)
}

async fn perform(task: Task) -> Result<ExitCode> {
    let is_done = match task {
        Task::Demo { format, html } => Box::pin(demo::run(format, html.as_deref())).await?,
        Task::LoadTest { load, format } => load::run(load, format).await?,
        Task::Up { format, parameter_prefix, stack_prefix } => {
            up::run(format, &parameter_prefix, &stack_prefix).await?;
            true
        }
        Task::Down => {
            up::down()?;
            true
        }
    };
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
