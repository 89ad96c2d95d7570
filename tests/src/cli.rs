//! Runs `driftless`, the operators' program, as an operator would: with the account's credentials
//! in its environment. This machine's own AWS configuration is ignored.

use std::env;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use crate::{Driftless, paths};

/// The program, where `cargo xtask build` keeps it.
const PROGRAM: &str = "driftless";

/// What `driftless redrive --format json` prints.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redrive {
    /// The requested stack.
    pub stack: String,
    /// Its account.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// Every message.
    pub messages: Vec<Redriven>,
}

/// One message and its result.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redriven {
    /// The message.
    pub message_id: String,
    /// `event`, `schedule`, `execution`.
    pub trigger: Option<String>,
    /// What the message is about.
    pub subject: Option<String>,
    /// The image or the targets that did not get one.
    pub about: Option<String>,
    /// When it happened.
    pub time: Option<String>,
    /// The error.
    pub error: Option<String>,
    /// What failed in the execution.
    pub failures: Vec<Value>,
    /// The execution that did not succeed.
    pub failed_execution: Option<String>,
    /// The input of the new execution.
    pub input: Option<Value>,
    /// `started`, `wouldStart`, `left`, `notStarted`.
    pub result: String,
    /// The execution that runs it again.
    pub execution: Option<String>,
    /// Why the message stays in the queue.
    pub failure: Option<String>,
}

/// Runs the program with these arguments against this Driftless.
///
/// # Errors
/// It has not been built.
pub async fn run(driftless: &Driftless, arguments: &[&str]) -> Result<Output> {
    let place = ["--deployment", &driftless.stack];
    let output = command(driftless, &[arguments, &place].concat()).output().await;
    output.with_context(|| format!("{PROGRAM} (`cargo xtask build` builds it)"))
}

/// Runs the program, which prints JSON, and returns that and the exit status.
///
/// # Errors
/// It has not been built, or does not print JSON.
pub async fn json(driftless: &Driftless, arguments: &[&str]) -> Result<(Value, i32)> {
    let output = run(driftless, &[arguments, &["--format", "json"]].concat()).await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{arguments:?}: {}: {errors}", output.status))?;
    Ok((printed, output.status.code().context("it was killed")?))
}

/// The program with these arguments and the credentials of the account of this Driftless.
#[must_use]
pub fn command(driftless: &Driftless, arguments: &[&str]) -> Command {
    let program = paths::own().join(PROGRAM);
    let mut command = Command::new(&program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs(driftless.cloud().variables()).args(arguments);
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.kill_on_drop(true);
    command
}

/// Redrives the queue. The exit status must agree with whether anything stays in it.
///
/// # Errors
/// The program failed, or its exit status does not match its output.
pub async fn redrive(driftless: &Driftless, flags: &[&str]) -> Result<Redrive> {
    let arguments = [&["redrive", "--format", "json"], flags].concat();
    let output = run(driftless, &arguments).await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let redrive: Redrive = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{arguments:?}: {}: {errors}", output.status))?;
    let stays = redrive.messages.iter().any(|one| one.failure.is_some());
    let expected = i32::from(stays);
    ensure!(output.status.code() == Some(expected), "{}, not {expected}: {errors}", output.status);
    Ok(redrive)
}
