//! `replay`: runs recorded executions again, on the reference implementation of JSONata.
//!
//! The local AWS evaluates the state machine's definition with one implementation of JSONata, AWS
//! with another. So the local AWS records the executions of the workflow tests, and this program
//! replays each: by the definition that it ran by, with the recorded results of its tasks. The states
//! that are entered, the arguments of tasks, outputs, variables and the execution's end must be the
//! recorded ones.

#![allow(clippy::indexing_slicing, reason = "JSON without a field has null there")]

mod coverage;
mod data;
mod definition;
mod difference;
mod jsonata;
mod recording;
mod walk;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Parser;

use crate::coverage::Coverage;
use crate::jsonata::Engine;
use crate::recording::Recording;

/// Runs recorded executions again, on the reference implementation of JSONata.
#[derive(Parser)]
struct Arguments {
    /// The folder of the recordings.
    recordings: PathBuf,
    /// The folder of the committed definitions.
    definitions: PathBuf,
    /// Replay only the recordings whose names contain this.
    filter: Option<String>,
    /// Fail if an expression of a definition was not evaluated.
    #[arg(long)]
    complete: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every execution was replayed without a difference and, if that is wanted, every
/// expression was evaluated.
fn run(arguments: &Arguments) -> Result<bool> {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let recordings = recordings(&arguments.recordings, filter)?;
    let coverage = Mutex::new(Coverage::of(&arguments.definitions)?);
    let differences = side_by_side(&recordings, &coverage)?;
    for difference in &differences {
        print!("DIFFERS {difference}");
    }
    let coverage = coverage.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (evaluated, total) = coverage.counts();
    if arguments.complete {
        for missing in coverage.missing() {
            println!("NEVER EVALUATED {missing}");
        }
    }
    let count = recordings.len();
    println!("{count} executions replayed, {evaluated} of {total} expressions evaluated");
    Ok(differences.is_empty() && (evaluated == total || !arguments.complete))
}

/// Replays on every processor; the differences, in order.
fn side_by_side(
    recordings: &[(String, PathBuf)],
    coverage: &Mutex<Coverage>,
) -> Result<Vec<String>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let engine = Engine::start()?;
        let mut differences = Vec::new();
        while let Some((name, path)) = recordings.get(next.fetch_add(1, Relaxed)) {
            let recording = Recording::read(path)?;
            let replayed = walk::replay(&engine, &recording).with_context(|| name.clone())?;
            differences.extend(replayed.difference.map(|found| format!("{name}\n{found}")));
            let mut coverage = coverage.lock().unwrap_or_else(PoisonError::into_inner);
            coverage.add(&recording.definition, replayed.evaluated);
        }
        anyhow::Ok(differences)
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut differences = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .map(|done| done.map_err(|_| anyhow!("a replay panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?
    .concat();
    differences.sort();
    Ok(differences)
}

/// The recordings with their names, in order.
fn recordings(folder: &Path, filter: &str) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|ending| ending == "json") && name.contains(filter) {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}
