//! `driftless follow`: follows an execution until it ends, and prints its report.

pub(crate) mod ended;
pub(crate) mod trace;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::HistoryEvent;
use clap::Args;
use indicatif::ProgressBar;
use signal_hook::consts::SIGINT;

use self::ended::Ended;
use self::trace::Trace;
use crate::client::Called;
use crate::deployment::{self, Where};
use crate::output::{self, Format};

/// The first pause between two polls, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often a pause looks for Ctrl-C, and how often the spinner turns.
const TICK: Duration = Duration::from_millis(100);
/// The largest page (`GetExecutionHistory`, `maxResults`).
const PAGE: i32 = 1_000;
/// The exit status after Ctrl-C, as of a shell's command that it ends.
const INTERRUPTED: u8 = 130;

pub(crate) const HELP: &str = "\
Examples:
  driftless follow promote-2026-01-02T03-04-05Z-1a2b3c4d
  driftless follow arn:aws:states:eu-west-1:111122223333:execution:driftless-promote-ami:…";

/// The exit statuses of every command that follows an execution.
pub(crate) const EXIT_STATUS: &str = "
Exit status:
  0    promoted, unchanged or planned
  1    the execution failed, timed out or was stopped
  2    wrong usage, or a call to AWS failed; the error message names the call
  3    unproven: the images are in place, but it is not proved that every group boots its image
  4    skipped: the input has no targets
  130  Ctrl-C: the execution goes on";

/// The arguments.
#[derive(Debug, Args)]
pub(crate) struct Follow {
    /// The execution's ARN, or the name of one that promotes.
    execution: String,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Where,
}

impl Follow {
    /// Follows the execution.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let (_, deployment) = self.place.find().await?;
        let arn = if self.execution.starts_with("arn:") {
            self.execution
        } else {
            deployment::execution(&deployment.parts.state_machine, &self.execution)
        };
        to_end(&deployment.sfn, &arn, &self.place, self.format).await
    }
}

/// Follows an execution to its end and prints its report. Ctrl-C ends this program only.
///
/// # Errors
/// A call failed.
pub(crate) async fn to_end(
    sfn: &Client,
    arn: &str,
    place: &Where,
    format: Format,
) -> Result<ExitCode> {
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted)).context("watching for Ctrl-C")?;
    let Some(ended) = follow(sfn, arn, &interrupted).await? else {
        eprintln!(
            "The execution goes on; `driftless follow {arn}{}` follows it again",
            place.flags()
        );
        return Ok(INTERRUPTED.into());
    };
    output::print(&match format {
        Format::Text => ended.sentences(),
        Format::Json => output::json(&ended)?,
    })?;
    Ok(ended.exit_status().into())
}

/// Prints each state as it is entered. `None` after Ctrl-C.
async fn follow(sfn: &Client, arn: &str, interrupted: &AtomicBool) -> Result<Option<Ended>> {
    let (mut trace, mut pause) = (Trace::default(), FIRST_PAUSE);
    // It shows nothing unless stderr is a terminal.
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(TICK);
    loop {
        // The status first: a history that is read after the end is complete.
        let found = sfn.describe_execution().execution_arn(arn).send().await;
        let found = found.called("states:DescribeExecution")?;
        let events = new_events(sfn, arn, trace.seen()).await?;
        pause = next_pause(pause, events.is_empty());
        for event in &events {
            let seconds = event.timestamp.as_secs_f64() - found.start_date.as_secs_f64();
            if let Some(line) = trace.add(event) {
                spinner.suspend(|| eprintln!("{seconds:6.1} s  {line}"));
            }
        }
        let line = match trace.map_run() {
            Some(run) => targets_done(sfn, run).await.and_then(|done| trace.count(done)),
            None => None,
        };
        if let Some(line) = line {
            spinner.suspend(|| eprintln!("          {line}"));
        }
        spinner.set_message(trace.now());
        if let Some(ended) = Ended::of(&found) {
            spinner.finish_and_clear();
            return Ok(Some(ended));
        }
        if is_interrupted(pause, interrupted).await {
            spinner.finish_and_clear();
            return Ok(None);
        }
    }
}

/// Polls soon after something has happened, and less and less often while nothing does.
pub(crate) fn next_pause(pause: Duration, is_quiet: bool) -> Duration {
    if is_quiet { (pause * 3 / 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE }
}

/// How many targets of a Distributed Map have ended. Without the permission to ask, an operator sees
/// no progress, and the report nevertheless.
async fn targets_done(sfn: &Client, map_run: &str) -> Option<i64> {
    let found = sfn.describe_map_run().map_run_arn(map_run).send().await.ok()?;
    let counts = found.item_counts?;
    Some(counts.succeeded + counts.failed + counts.timed_out + counts.aborted)
}

/// Pauses; whether Ctrl-C came meanwhile.
async fn is_interrupted(pause: Duration, interrupted: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    while Instant::now() < until && !interrupted.load(Relaxed) {
        tokio::time::sleep(TICK).await;
    }
    interrupted.load(Relaxed)
}

/// The events after this one, oldest first. They are read from the end, so that a long history is
/// not read again with every poll.
async fn new_events(sfn: &Client, arn: &str, seen: i64) -> Result<Vec<HistoryEvent>> {
    let request = sfn.get_execution_history().execution_arn(arn).reverse_order(true);
    // The inputs and outputs of states are not needed, and are long.
    let request = request.include_execution_data(false).max_results(PAGE);
    let mut pages = request.into_paginator().send();
    let mut new = Vec::new();
    while let Some(page) = pages.next().await {
        let events = page.called("states:GetExecutionHistory")?.events;
        let before = new.len() + events.len();
        new.extend(events.into_iter().take_while(|event| event.id > seen));
        if new.len() < before {
            break;
        }
    }
    new.reverse();
    Ok(new)
}
