//! The demo: the two patterns, and for comparison the usual script, which leaves a stack drifted.
//! In each of the three stacks, a new image of the running instance is promoted and the instance is
//! killed. The result is which image heals, and what drift CloudFormation reports.

mod demo_run;
mod html;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use harness::driftless::Prefixes;
use harness::emulator::{self, Emulator, Lifetime, WAIT_SCALE};
use harness::progress::ProgressLines;
use harness::{Cloud, Driftless, paths};
use tokio::sync::Mutex;

use demo_run::{DemoRun, Method};

/// How to print the result.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// The same cells for programs.
    Json,
}

/// The states of the executions, which `cargo xtask generate` draws.
const PICTURE: &str = "docs/promote-ami.svg";

/// The prefixes of the demo's names, which Driftless may write.
const PREFIXES: Prefixes<'_> = Prefixes { parameter: "/demo/", stack: "demo-" };

/// Runs all three in a local AWS of their own, and writes a page about it if there is a path for
/// that. Returns whether both patterns healed into the
/// promoted image, with their stacks in sync.
pub(crate) async fn run(format: Format, page: Option<&Path>) -> Result<bool> {
    let progress = ProgressLines::start();
    let folder = emulator::scratch_folder()?;
    let started = Emulator::start(&folder, Lifetime::Attached, WAIT_SCALE);
    let emulator = progress.during("Starting a local AWS", started).await?;
    let cloud = Cloud::local(&emulator.endpoint);
    let (driftless, runs) = tokio::try_join!(
        progress.during("Deploying template.yaml", Driftless::deploy(&cloud, &folder, PREFIXES)),
        progress.during(
            "Deploying three stacks, backing up their instances",
            DemoRun::set_up_all(&cloud)
        ),
    )?;
    let demo = demo_run::Demo { driftless, progress: &progress, call_log_lock: Mutex::new(()) };
    let [naive, parameter, stack] = &runs;
    // They take the lock in this order.
    let (naive, parameter, stack) =
        tokio::join!(demo.run(naive), demo.run(parameter), demo.run(stack));
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (method, outcome) in
        [(Method::Parameter, parameter), (Method::Stack, stack), (Method::Naive, naive)]
    {
        match outcome {
            Ok(row) => rows.push(row),
            Err(error) => failed.push(format!("{method}: {error:#}")),
        }
    }
    print!("{}", table::printed(&rows, format)?);
    if let Some(path) = page {
        let picture = paths::root().join(PICTURE);
        let picture = fs::read_to_string(&picture)
            .with_context(|| format!("reading {}", picture.display()))?;
        let written = fs::write(path, html::page(&rows, &picture));
        written.with_context(|| format!("writing {}", path.display()))?;
        progress.line(&format!("{} shows it", path.display()));
    }
    if !failed.is_empty() {
        eprintln!("\nThe last lines of the local AWS's log:\n{}\n", emulator.log_tail());
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    let patterns = rows.iter().filter(|row| row.method != Method::Naive);
    let is_proven = patterns.clone().count() == 2 && patterns.clone().all(|row| row.is_proven);
    progress.line(if is_proven {
        "Both patterns healed into the promoted image, and their stacks are in sync"
    } else {
        "FAILED: a pattern did not heal into the promoted image, or its stack is not in sync"
    });
    Ok(is_proven)
}
