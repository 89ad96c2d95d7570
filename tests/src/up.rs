//! Owns the local AWS that stays: one for each target directory, with Driftless deployed, from
//! `up` to `down`.
//!
//! It holds the lock on a file as long as it lives. Whoever gets the lock knows that none runs.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use harness::driftless::Prefixes;
use harness::emulator::{self, Emulator, Life};
use harness::{Cloud, Driftless, paths};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::live::Live;

/// How long another `up` may take to start its local AWS, and how often to look.
const OTHER_UP: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// How to print what a client needs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// `export NAME=value` lines.
    Shell,
    /// One object.
    Json,
}

/// What is known of the one that runs.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    pid: u32,
    endpoint: String,
}

/// Starts it if it does not run yet, deploys Driftless as it is built now, and prints what a
/// client needs.
pub async fn run(format: Format, parameter_prefix: &str, stack_prefix: &str) -> Result<()> {
    let live = Live::new();
    let prefixes = Prefixes { parameter: parameter_prefix, stack: stack_prefix };
    let deploy = async |endpoint: &str| {
        let deployed = async {
            let folder = folder().join("deploy");
            fs::create_dir_all(&folder).context("making the folder for the template")?;
            Driftless::deploy(&Cloud::local(endpoint), &folder, prefixes).await
        };
        live.during("Deploying template.yaml", deployed).await
    };
    let (driftless, endpoint) = match lock()? {
        Some(lock) => {
            // One that did not end by `down` leaves it behind.
            let _ = fs::remove_file(state_file());
            let own = folder().join("aws");
            let started = Emulator::start(&own, Life::Detached(lock));
            let emulator = live.during("Starting the local AWS", started).await?;
            write_state(&State { pid: emulator.pid(), endpoint: emulator.endpoint.clone() })?;
            let driftless = deploy(&emulator.endpoint).await?;
            let endpoint = emulator.endpoint.clone();
            emulator.leave();
            (driftless, endpoint)
        }
        None => {
            let State { endpoint, .. } = state_of_the_other().await?;
            live.line(&format!("A local AWS runs already, at {endpoint}; Driftless is updated"));
            (deploy(&endpoint).await?, endpoint)
        }
    };
    live.line(&format!("Driftless runs in a local AWS at {endpoint} until `cargo xtask down`"));
    print!("{}", printed(&variables(&driftless), format)?);
    Ok(())
}

/// Stops it, and says whether there was one.
pub fn down() -> Result<()> {
    if lock()?.is_none() {
        let state = read_state().context("`cargo xtask up` is just starting one; try again")?;
        emulator::stop(state.pid);
        eprintln!("Stopped the local AWS at {}", state.endpoint);
    } else {
        eprintln!("No local AWS was running");
    }
    fs::remove_dir_all(folder()).context("removing what the local AWS wrote")
}

/// The lock, unless a local AWS holds it.
fn lock() -> Result<Option<File>> {
    fs::create_dir_all(folder()).context("making the local AWS's folder")?;
    let file = File::create(folder().join("lock")).context("opening the lock file")?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("locking the lock file"),
    }
}

fn write_state(state: &State) -> Result<()> {
    // In one piece: another `up` may be reading it.
    let unfinished = folder().join("state.new");
    fs::write(&unfinished, serde_json::to_vec(state)?).context("writing the state file")?;
    fs::rename(&unfinished, state_file()).context("renaming the state file")
}

fn read_state() -> Result<State> {
    let text = fs::read(state_file()).context("reading the state file")?;
    serde_json::from_slice(&text).context("reading the state file")
}

/// The state of the one that runs; an `up` that is just starting it has not written it yet.
async fn state_of_the_other() -> Result<State> {
    let looked = std::time::Instant::now();
    loop {
        match read_state() {
            Ok(state) => return Ok(state),
            Err(_) if looked.elapsed() < OTHER_UP => tokio::time::sleep(LOOK).await,
            Err(error) => return Err(error).context("another `cargo xtask up` is starting one"),
        }
    }
}

fn folder() -> PathBuf {
    paths::own().join("up")
}

fn state_file() -> PathBuf {
    folder().join("state.json")
}

/// Everything a client needs, as environment variables.
fn variables(driftless: &Driftless) -> Vec<(&'static str, String)> {
    let mut variables = driftless.cloud().variables();
    variables.extend([
        ("DRIFTLESS_STATE_MACHINE_ARN", driftless.state_machine.clone()),
        ("DRIFTLESS_EVENT_BUS", driftless.event_bus.clone()),
        ("DRIFTLESS_RULE", driftless.rule.clone()),
        ("DRIFTLESS_DEAD_LETTER_QUEUE_URL", driftless.dead_letters.clone()),
        ("DRIFTLESS_PARAMETER_PREFIX", driftless.parameter_prefix.clone()),
        ("DRIFTLESS_STACK_PREFIX", driftless.stack_prefix.clone()),
    ]);
    variables
}

fn printed(variables: &[(&str, String)], format: Format) -> Result<String> {
    match format {
        Format::Shell => {
            // A user's session token would go with the local AWS's key, and a profile's settings
            // with both.
            let mut text = "unset AWS_SESSION_TOKEN AWS_PROFILE\n".to_owned();
            for (name, value) in variables {
                if value.contains('\'') {
                    bail!("{name} has a quotation mark in it: {value}");
                }
                text += &format!("export {name}='{value}'\n");
            }
            Ok(text)
        }
        Format::Json => {
            let object: Map<_, _> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
                .collect();
            Ok(serde_json::to_string_pretty(&object)? + "\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_quoted_and_an_object_is_one() {
        let variables = [("A", "b c".to_owned()), ("D", String::new())];
        let shell = printed(&variables, Format::Shell).unwrap();
        assert!(shell.ends_with("\nexport A='b c'\nexport D=''\n"), "{shell}");
        let json = printed(&variables, Format::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json, serde_json::json!({ "A": "b c", "D": "" }));
    }
}
