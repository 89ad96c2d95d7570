//! Owns the demo: the two patterns and, beside them, the way that leaves a stack drifted. Each gets
//! a new image of its running instance and loses that instance; what comes back, and what
//! CloudFormation reports about the stack, is the result.

mod play;
mod table;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use harness::driftless::Prefixes;
use harness::emulator::{self, Emulator, Life, WAIT_SCALE};
use harness::{Cloud, Driftless};
use tokio::sync::Mutex;

use crate::live::Live;
use play::{Play, Way};

/// How to print the result.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// The same cells for programs.
    Json,
}

/// What Driftless may write here; the demo's names begin like this.
const PREFIXES: Prefixes<'_> = Prefixes { parameter: "/demo/", stack: "demo-" };

/// Plays all three in a local AWS of the demo's own. Whether both patterns healed into the
/// promoted image, in sync.
pub(crate) async fn run(format: Format) -> Result<bool> {
    let live = Live::new();
    let folder = emulator::scratch_folder()?;
    let started = Emulator::start(&folder, Life::Attached, WAIT_SCALE);
    let emulator = live.during("Starting a local AWS", started).await?;
    let cloud = Cloud::local(&emulator.endpoint);
    let (driftless, plays) = tokio::try_join!(
        live.during("Deploying template.yaml", Driftless::deploy(&cloud, &folder, PREFIXES)),
        live.during("Deploying three stacks, backing up their instances", Play::set_all(&cloud)),
    )?;
    let stage = play::Stage { driftless, live: &live, turn: Mutex::new(()) };
    let [naive, parameter, stack] = &plays;
    // In this order: the first to ask gets the first turn.
    let (naive, parameter, stack) =
        tokio::join!(stage.play(naive), stage.play(parameter), stage.play(stack));
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (way, outcome) in [(Way::Parameter, parameter), (Way::Stack, stack), (Way::Naive, naive)] {
        match outcome {
            Ok(row) => rows.push(row),
            Err(error) => failed.push(format!("{way}: {error:#}")),
        }
    }
    print!("{}", table::printed(&rows, format)?);
    if !failed.is_empty() {
        eprintln!("\nThe log of the local AWS ends:\n{}\n", emulator.log_tail());
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    let patterns = rows.iter().filter(|row| row.way != Way::Naive);
    let is_proven = patterns.clone().count() == 2 && patterns.clone().all(|row| row.is_proven);
    live.line(if is_proven {
        "Both patterns healed into the promoted image, in sync"
    } else {
        "NOT both patterns healed into the promoted image, in sync"
    });
    Ok(is_proven)
}
