//! What `cargo xtask demo`, `chaos`, `up`, `down` and `redrive` come to once everything is built. This file owns the
//! arguments, and that a Ctrl-C cleans up before it ends the program.

mod chaos;
mod demo;
mod live;
mod redriven;
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
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// `cargo xtask --help` says what each is for.
#[derive(Subcommand)]
enum Task {
    Demo {
        #[arg(long, value_enum)]
        format: demo::Format,
    },
    Chaos {
        #[command(flatten)]
        load: chaos::Load,
        #[arg(long, value_enum)]
        format: demo::Format,
    },
    Up {
        #[arg(long, value_enum)]
        format: up::Format,
        #[arg(long)]
        parameter_prefix: String,
        #[arg(long)]
        stack_prefix: String,
    },
    Down,
    Redrive {
        #[arg(long)]
        stack: String,
        #[arg(long)]
        dry_run: bool,
        #[arg(long, value_enum)]
        format: demo::Format,
    },
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
        Task::Demo { format } => demo::run(format).await?,
        Task::Chaos { load, format } => chaos::run(load, format).await?,
        Task::Redrive { stack, dry_run, format } => redriven::run(&stack, dry_run, format).await?,
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
