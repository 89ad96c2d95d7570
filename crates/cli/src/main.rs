//! `driftless`, the program for operators of a deployed Driftless: its commands. Each is a module
//! with its arguments, its examples and its exit statuses.

mod client;
mod deployment;
mod doctor;
mod follow;
mod inventory;
mod output;
mod promote;
mod reconcile;
mod redrive;
mod rollback;
mod run;
mod status;
mod target;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The exit status if a call failed; clap's for wrong usage is the same.
const FAILED: u8 = 2;

/// Operates a deployed Driftless.
#[derive(Parser)]
#[command(name = "driftless", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what each target's groups boot, and whether that is the newest image, in sync, and lasts.
    #[command(after_help = status::HELP)]
    Status(status::StatusArguments),
    /// Check whether groups are ready for Driftless, and say what to change where they are not.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Doctor),
    /// Promote an image, or the newest image of a target.
    #[command(after_help = with_exit_status(promote::HELP))]
    Promote(promote::Promote),
    /// Report what a promotion would do, and write nothing.
    #[command(after_help = with_exit_status(promote::PLAN_HELP))]
    Plan(promote::Plan),
    /// Put an older image back.
    #[command(after_help = with_exit_status(rollback::HELP))]
    Rollback(rollback::Rollback),
    /// Promote the newest image of every tagged target.
    #[command(after_help = with_exit_status(reconcile::HELP))]
    Reconcile(reconcile::Reconcile),
    /// Follow an execution to its end.
    #[command(after_help = with_exit_status(follow::HELP))]
    Follow(follow::Follow),
    /// Start an execution for each message in the dead-letter queue.
    ///
    /// A message is deleted from the queue once its execution has started, and stays in the queue
    /// if none can be started, or if a re-run would fail in the same way. It is safe to run this
    /// twice: a message starts at most one execution. If that execution fails again, it becomes a
    /// new message.
    #[command(after_help = redrive::HELP)]
    Redrive(redrive::Redrive),
}

fn with_exit_status(help: &str) -> String {
    format!("{help}\n{}", follow::EXIT_STATUS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Arguments::parse().command.run().await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        FAILED.into()
    })
}

impl Command {
    async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Status(command) => command.run().await,
            Self::Doctor(command) => command.run().await,
            Self::Promote(command) => command.run().await,
            Self::Plan(command) => command.run().await,
            Self::Rollback(command) => command.run().await,
            Self::Reconcile(command) => command.run().await,
            Self::Follow(command) => command.run().await,
            Self::Redrive(command) => command.run().await,
        }
    }
}
