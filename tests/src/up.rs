//! `cargo xtask up` and `down`: a local AWS with Driftless deployed, one for each target directory,
//! that runs until it is stopped.
//!
//! It holds the lock on a file while it runs, and the file contains its address. A process that
//! gets the lock knows that none is running.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use harness::driftless::Prefixes;
use harness::emulator::{self, Emulator, Lifetime, Running, WAIT_SCALE};
use harness::progress::ProgressLines;
use harness::{Cloud, Driftless, paths};
use serde_json::Map;

/// How long another `up` may take to start its local AWS, and how often to poll.
const OTHER_UP: Duration = Duration::from_mins(5);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How to print the environment variables.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// `export NAME=value` lines.
    #[default]
    Shell,
    /// One object.
    Json,
}

/// Starts it unless it is running, deploys the current build of Driftless, and prints the
/// environment variables for a client.
pub(crate) async fn run(format: Format, parameter_prefix: &str, stack_prefix: &str) -> Result<()> {
    let progress = ProgressLines::start();
    let prefixes = Prefixes { parameter: parameter_prefix, stack: stack_prefix };
    let deploy = async |endpoint: &str| {
        let deployed = async {
            let folder = folder().join("deploy");
            fs::create_dir_all(&folder).context("creating the folder for the template")?;
            Driftless::deploy(&Cloud::local(endpoint), &folder, prefixes).await
        };
        progress.during("Deploying template.yaml", deployed).await
    };
    let (driftless, endpoint) = if let Some(lock) = lock()? {
        let own = folder().join("aws");
        let started = Emulator::start(&own, Lifetime::Detached(lock), WAIT_SCALE);
        let emulator = progress.during("Starting the local AWS", started).await?;
        let driftless = deploy(&emulator.endpoint).await?;
        let endpoint = emulator.endpoint.clone();
        emulator.leave();
        (driftless, endpoint)
    } else {
        let Running { endpoint, .. } = of_another_up().await?;
        progress.line(&format!("A local AWS is already running at {endpoint}; updating Driftless"));
        (deploy(&endpoint).await?, endpoint)
    };
    progress.line(&format!(
        "Driftless is running in a local AWS at {endpoint}; `cargo xtask down` stops it"
    ));
    print!("{}", printed(&variables(&driftless), format)?);
    Ok(())
}

/// Stops it, if it is running.
pub(crate) fn down() -> Result<()> {
    if lock()?.is_none() {
        let Running { pid, endpoint } = running()?;
        // Do not wait for the process to disappear: until its parent reads its exit status, it
        // never does.
        emulator::stop(pid, || lock().is_ok_and(|lock| lock.is_some()));
        eprintln!("Stopped the local AWS at {endpoint}");
    } else {
        eprintln!("No local AWS was running");
    }
    fs::remove_dir_all(folder()).context("removing the local AWS's folder")
}

/// The lock, unless a local AWS holds it.
fn lock() -> Result<Option<File>> {
    fs::create_dir_all(folder()).context("creating the local AWS's folder")?;
    // Do not truncate: the file may belong to a running one.
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(lock_file());
    let file = file.context("opening the lock file")?;
    match file.try_lock() {
        Ok(()) => {
            // It may contain the address of one that was killed.
            file.set_len(0).context("emptying the lock file")?;
            Ok(Some(file))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("locking the lock file"),
    }
}

/// The contents of the file.
fn running() -> Result<Running> {
    let text = fs::read(lock_file()).context("reading the lock file")?;
    serde_json::from_slice(&text).context("another `cargo xtask up` is starting one")
}

/// Waits until the running one responds: another `up` may be starting it.
async fn of_another_up() -> Result<Running> {
    let started = Instant::now();
    loop {
        let found = running();
        let control = found.as_ref().ok().and_then(|it| Cloud::local(&it.endpoint).control());
        let is_there = match control {
            Some(control) => control.is_healthy().await,
            None => false,
        };
        if is_there || started.elapsed() > OTHER_UP {
            let unreachable = "the local AWS does not respond; `cargo xtask down` stops it";
            return found.and_then(|found| is_there.then_some(found).context(unreachable));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn folder() -> PathBuf {
    paths::own().join("up")
}

fn lock_file() -> PathBuf {
    folder().join("running.json")
}

/// The environment variables for a client.
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
            // Otherwise a client would use the user's session token with the local AWS's key, or
            // the user's profile.
            let mut text = "unset AWS_SESSION_TOKEN AWS_PROFILE\n".to_owned();
            for (name, value) in variables {
                if value.contains('\'') {
                    bail!("{name} contains a quotation mark: {value}");
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
