//! Starts an execution for an operator, and follows it to its end.

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use aws_sdk_sfn::primitives::{DateTime, DateTimeFormat};
use serde_json::Value;

use crate::client::Called;
use crate::deployment::{Deployment, Where};
use crate::follow;
use crate::output::Format;

/// Starts an execution of the state machine that promotes.
///
/// # Errors
/// A call failed.
pub(crate) async fn promote(
    place: &Where,
    command: &str,
    input: &Value,
    format: Format,
) -> Result<ExitCode> {
    let (_, deployment) = place.find().await?;
    start(&deployment, place, command, input, format).await
}

/// The same of a Driftless that was found already.
///
/// # Errors
/// A call failed.
pub(crate) async fn start(
    deployment: &Deployment,
    place: &Where,
    command: &str,
    input: &Value,
    format: Format,
) -> Result<ExitCode> {
    start_on(deployment, place, &deployment.parts.state_machine, (command, input), format).await
}

/// Starts an execution of this state machine, named after the command.
///
/// # Errors
/// A call failed.
pub(crate) async fn start_on(
    deployment: &Deployment,
    place: &Where,
    machine: &str,
    (command, input): (&str, &Value),
    format: Format,
) -> Result<ExitCode> {
    let request = deployment.sfn.start_execution().state_machine_arn(machine);
    let name = name(command, SystemTime::now(), RandomState::new().hash_one(()));
    // With a name, the SDK's own retry of a lost response starts no second execution.
    let answer = request.name(name).input(input.to_string()).send().await;
    let arn = answer.called("states:StartExecution")?.execution_arn;
    eprintln!("Started {arn}\nwith {input}");
    follow::to_end(&deployment.sfn, &arn, place, format).await
}

/// A unique name that sorts by time: `promote-2026-01-02T03-04-05Z-1a2b3c4d`.
pub(crate) fn name(command: &str, now: SystemTime, random: u64) -> String {
    let time = DateTime::from(now);
    let time = DateTime::from_secs(time.secs()).fmt(DateTimeFormat::DateTime).unwrap_or_default();
    format!("{command}-{}-{:08x}", time.replace(':', "-"), random & u64::from(u32::MAX))
}
