//! Owns `cargo xtask demo`, `load-test`, `up` and `down` once everything is built: their arguments,
//! and that a Ctrl-C cleans up before it ends the program.

#![allow(clippy::indexing_slicing, reason = "JSON without a field has null there")]

mod demo;
mod live;
mod load;
mod up;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::Notify;

/// What a shell expects of a program that a Ctrl-C ended.
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
    },
    /// Send many events at once to a local AWS that throttles, and count lost and repeated writes.
    ///
    /// The events come twice and in the wrong order. The exit status is 1 when anything was lost,
    /// done twice, or failed, or when a stack was updated more often than necessary.
    LoadTest {
        #[command(flatten)]
        load: load::Load,
        /// How to print the result; progress always goes to stderr.
        #[arg(long, value_enum, default_value_t)]
        format: demo::Format,
    },
    /// Start a local AWS with Driftless deployed, and print what a client needs to use it.
    ///
    /// It runs until `cargo xtask down`. For a shell: eval "$(cargo xtask up)".
    Up {
        /// How to print what a client needs; progress goes to stderr either way.
        #[arg(long, value_enum, default_value_t)]
        format: up::Format,
        /// Driftless may write SSM parameters whose names begin with this.
        #[arg(long, default_value = "/")]
        parameter_prefix: String,
        /// Driftless may update stacks whose names begin with this.
        #[arg(long, default_value = "")]
        stack_prefix: String,
    },
    /// Stop what `up` started.
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
            // The task is dropped, and with it all that it has started.
            () = interrupted.notified() => {
                eprintln!("interrupted");
                Ok(INTERRUPTED.into())
            }
        }
    })
}

/// Notified when the user or the system wants this program to end.
fn caught_interrupts() -> Result<Arc<Notify>> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("catching signals")?;
    let interrupted = Arc::new(Notify::new());
    let notify = Arc::clone(&interrupted);
    std::thread::spawn(move || signals.forever().for_each(|_| notify.notify_one()));
    Ok(interrupted)
}

async fn perform(task: Task) -> Result<ExitCode> {
    let is_done = match task {
        Task::Demo { format } => Box::pin(demo::run(format)).await?,
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
