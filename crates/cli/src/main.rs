//! `driftless`, the program for operators of a deployed Driftless: its commands, their arguments
//! and their exit statuses.

mod aws;
mod dead_letter;
mod deployment;
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
    /// Start an execution for each message in the dead-letter queue.
    ///
    /// A message is deleted from the queue once its execution has started, and stays in the queue
    /// if none can be started. It is safe to run this twice: a message starts at most one
    /// execution. If that execution fails again, it becomes a new message.
    #[command(after_help = EXIT_STATUS)]
    Redrive(Redrive),
}

/// The exit status if a message stays in the queue.
const MESSAGES_REMAIN: u8 = 1;
/// The exit status if a call failed; clap's for wrong usage is the same.
const FAILED: u8 = 2;

const EXIT_STATUS: &str = "\
Exit status:
  0  every message started an execution (with --dry-run: could), or the queue is empty
  1  at least one message stays in the queue; the result has the reason
  2  wrong usage, or a call to AWS failed; the error message names the call";

#[derive(Args)]
struct Redrive {
    /// The name of the stack that Driftless is deployed in.
    #[arg(long, default_value = "driftless")]
    stack: String,
    /// List the messages and start nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to print the result; progress always goes to stderr.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    access: Access,
}

/// The account and Region; without these flags, those that the AWS CLI would use.
#[derive(Args)]
struct Access {
    /// The profile in the AWS configuration files.
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
        FAILED.into()
    })
}

impl Redrive {
    async fn run(self) -> Result<ExitCode> {
        let Self { stack, dry_run, format, access } = self;
        let config = aws::config(access.profile.as_deref(), access.region).await?;
        let deployment = Deployment::find(&config, &stack).await?;
        eprintln!("Reading {}", deployment.parts.queue);
        let mut redriven = Vec::new();
        let report = |one: &Redriven| eprintln!("{}", show::line(one));
        let done = redrive::run(&deployment, dry_run, &mut redriven, report).await;
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
    if redriven.iter().any(|one| one.failure.is_some()) { MESSAGES_REMAIN } else { 0 }
}
