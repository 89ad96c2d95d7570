//! `driftless`: owns the commands for operators of a deployed Driftless: their arguments and their
//! exit statuses.

mod aws;
mod deployment;
mod letter;
mod redrive;
mod show;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::deployment::Deployment;
use crate::redrive::Redriven;
use crate::show::Format;

/// Operates a deployed Driftless.
#[derive(Parser)]
#[command(name = "driftless", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the messages of the dead-letter queue again.
    ///
    /// Each message becomes an execution of the state machine. A message leaves the queue as soon
    /// as its execution has started. It is safe to run this twice: a message is started once. What
    /// cannot be started stays in the queue. An execution that fails again is a new message.
    #[command(after_help = EXIT_STATUS)]
    Redrive(Redrive),
}

/// A message that stays in the queue.
const SOMETHING_STAYS: u8 = 1;
/// The same as clap's for wrong usage.
const CANNOT_WORK: u8 = 2;

const EXIT_STATUS: &str = "\
Exit status:
  0  every message was started (with --dry-run: can be), or the queue is empty
  1  at least one message stays in the queue; the result says why
  2  wrong usage, or AWS refused or did not answer; the error says which call";

#[derive(Args)]
struct Redrive {
    /// The stack that Driftless was deployed as.
    #[arg(long, default_value = "driftless")]
    stack: String,
    /// Only list what would be started.
    #[arg(long)]
    dry_run: bool,
    /// How to print the result; progress goes to stderr either way.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    access: Access,
}

/// Which account and Region; without these flags, those that the AWS CLI would use.
#[derive(Args)]
struct Access {
    /// The profile of the AWS configuration files.
    #[arg(long)]
    profile: Option<String>,
    /// The Region.
    #[arg(long)]
    region: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Command::Redrive(command) = Arguments::parse().command;
    command.run().await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        CANNOT_WORK.into()
    })
}

impl Redrive {
    async fn run(self) -> Result<ExitCode> {
        let Self { stack, dry_run, format, access } = self;
        let config = aws::config(access.profile.as_deref(), access.region).await?;
        let deployment = Deployment::find(&config, &stack).await?;
        eprintln!("Reading {}", deployment.parts.queue);
        let mut redriven = Vec::new();
        let tell = |one: &Redriven| eprintln!("{}", show::line(one));
        let done = redrive::run(&deployment, dry_run, &mut redriven, tell).await;
        // Print the messages that were started before a call failed, too.
        if done.is_ok() || !redriven.is_empty() {
            let text = show::result(&deployment.parts, dry_run, &redriven, format)?;
            io::stdout().write_all(text.as_bytes()).context("printing the result")?;
        }
        done?;
        Ok(status(&redriven).into())
    }
}

fn status(redriven: &[Redriven]) -> u8 {
    if redriven.iter().any(|one| one.failure.is_some()) { SOMETHING_STAYS } else { 0 }
}
