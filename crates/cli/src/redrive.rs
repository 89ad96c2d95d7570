//! `driftless redrive`: starts an execution for each message in the dead-letter queue, and then
//! deletes the message.

pub(crate) mod dead_letter;
pub(crate) mod show;

use std::collections::HashSet;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::Message;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use self::dead_letter::{DeadLetter, Failure, Trigger};
use crate::client::Called;
use crate::deployment::{self, Deployment, Where};
use crate::output::{self, Format};

/// How long a received message is invisible to other consumers. A message that starts no execution
/// reappears afterwards.
const VISIBILITY_TIMEOUT_SECONDS: i32 = 120;
/// How long SQS waits for a message: without a wait it does not query all of its servers.
const WAIT_TIME_SECONDS: i32 = 1;
/// The maximum number of messages that SQS returns at once.
const MAX_MESSAGES: i32 = 10;
/// The exit status if a message stays in the queue.
const MESSAGES_REMAIN: u8 = 1;
/// Why a message is left in the queue.
const FINAL: &str = "a re-run would fail in the same way; --all starts it nevertheless";

pub(crate) const HELP: &str = "\
Examples:
  driftless redrive --dry-run   list the messages, and what failed in each
  driftless redrive             run them again, after fixing the cause
  driftless redrive --all       also those that a re-run cannot mend

Exit status:
  0  every message started an execution (with --dry-run: could), or the queue is empty
  1  at least one message stays in the queue; the result has the reason
  2  wrong usage, or a call to AWS failed; the error message names the call";

/// The arguments.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// List the messages and start nothing.
    #[arg(long)]
    dry_run: bool,
    /// Also start the inputs that are wrong themselves, and so fail again (`InvalidInput`).
    #[arg(long)]
    all: bool,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// What to start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choice {
    /// Start nothing.
    pub dry_run: bool,
    /// Start the messages that a re-run cannot mend, too.
    pub all: bool,
}

/// One message and its result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Redriven {
    /// The message.
    pub message_id: String,
    /// The kind of message; absent when it cannot be read.
    pub trigger: Option<Trigger>,
    /// What the message is about.
    pub subject: Option<String>,
    /// The image or the targets that did not get one, if the message names them.
    pub about: Option<String>,
    /// When it happened.
    pub time: Option<String>,
    /// The error, if the message has it.
    pub error: Option<String>,
    /// The failures in the execution, if the message has them.
    pub failures: Vec<Failure>,
    /// The execution that did not succeed, if there was one.
    pub failed_execution: Option<String>,
    /// The input of the new execution, if the message has it.
    pub input: Option<Value>,
    /// The result.
    pub result: Outcome,
    /// The execution that runs it again.
    pub execution: Option<String>,
    /// Why the message stays in the queue; absent if it does not, or would not.
    pub failure: Option<String>,
}

/// The result for a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// An execution runs it again.
    Started,
    /// A dry run: an execution would run it again.
    WouldStart,
    /// No re-run can mend it.
    Left,
    /// No execution could be started.
    #[default]
    NotStarted,
}

impl Redrive {
    /// Redrives the queue and prints the result.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self { dry_run, all, format, place } = self;
        let (_, deployment) = place.find().await?;
        eprintln!("Reading {}", deployment.parts.queue);
        let mut redriven = Vec::new();
        let done = run(&deployment, Choice { dry_run, all }, &mut redriven).await;
        // Print the messages that were started before a call failed, too.
        if done.is_ok() || !redriven.is_empty() {
            output::print(&show::result(&deployment.parts, dry_run, &redriven, format)?)?;
        }
        done?;
        Ok(status(&redriven).into())
    }
}

/// The exit status.
pub(crate) fn status(redriven: &[Redriven]) -> u8 {
    if redriven.iter().any(|one| one.failure.is_some()) { MESSAGES_REMAIN } else { 0 }
}

/// Starts an execution for each message in the queue, or only lists the messages. `redriven`
/// collects each message with its result.
///
/// It may run twice: an execution is named after its message, and Step Functions accepts a name
/// only once. An execution that fails again meanwhile becomes a new message, which stays.
///
/// # Errors
/// The queue cannot be read. A failure of one message is in its [`Redriven`].
pub(crate) async fn run(
    deployment: &Deployment,
    choice: Choice,
    redriven: &mut Vec<Redriven>,
) -> Result<()> {
    let mut kept = Vec::new();
    let read = read_all(deployment, choice, redriven, &mut kept).await;
    // Continue after a failed call; the first failure is returned.
    read.and(make_visible(deployment, &kept).await)
}

async fn read_all(
    deployment: &Deployment,
    choice: Choice,
    redriven: &mut Vec<Redriven>,
    kept: &mut Vec<String>,
) -> Result<()> {
    let mut seen = HashSet::new();
    loop {
        let messages = receive(deployment).await?;
        let is_new = |message: &Message| seen.insert(message.message_id.clone());
        let mut new = messages.into_iter().filter(is_new).peekable();
        if new.peek().is_none() {
            return Ok(());
        }
        for message in new {
            let receipt = message.receipt_handle.clone().context("a message without a receipt")?;
            let letter = DeadLetter::read(&message);
            if letter.as_ref().is_ok_and(|letter| is_of_this_run(letter, redriven)) {
                kept.push(receipt);
                continue;
            }
            let mut one = redrive(deployment, choice, &message, letter).await;
            if one.execution.is_none() {
                kept.push(receipt);
            } else if let Err(error) = delete(deployment, &receipt).await {
                one.failure = Some(format!("{error:#}; the next redrive deletes the message"));
            }
            redriven.push(one);
        }
    }
}

/// Whether this is an execution that was started here and has failed already.
fn is_of_this_run(letter: &DeadLetter, redriven: &[Redriven]) -> bool {
    let failed = letter.failed_execution.as_ref();
    failed.is_some_and(|arn| redriven.iter().any(|one| one.execution.as_ref() == Some(arn)))
}

/// Starts one message's execution, unless this is a dry run or it would fail in the same way.
async fn redrive(
    deployment: &Deployment,
    choice: Choice,
    message: &Message,
    letter: Result<DeadLetter>,
) -> Redriven {
    let message_id = message.message_id.clone().unwrap_or_default();
    let mut one = Redriven { message_id, ..Redriven::default() };
    let start = async {
        let letter = letter?;
        let is_left = letter.is_final() && !choice.all;
        one.describe(&letter);
        let (machine, input) = again(deployment, letter).await?;
        one.input = Some(input.clone());
        if is_left {
            one.result = Outcome::Left;
            bail!(FINAL);
        }
        one.result = Outcome::WouldStart;
        if !choice.dry_run {
            one.result = Outcome::NotStarted;
            let name = format!("redrive-{}", one.message_id);
            one.execution = Some(start(deployment, &machine, &name, &input).await?);
            one.result = Outcome::Started;
        }
        anyhow::Ok(())
    };
    one.failure = start.await.err().map(|error| format!("{error:#}"));
    one
}

impl Redriven {
    fn describe(&mut self, letter: &DeadLetter) {
        self.trigger = Some(letter.trigger);
        self.subject = Some(letter.subject.clone());
        self.about.clone_from(&letter.about);
        self.time.clone_from(&letter.time);
        self.error = Some(letter.error.clone());
        self.failures.clone_from(&letter.failures);
        self.failed_execution.clone_from(&letter.failed_execution);
    }
}

/// The state machine and the input that run a message again.
async fn again(deployment: &Deployment, letter: DeadLetter) -> Result<(String, Value)> {
    let parts = &deployment.parts;
    if letter.trigger == Trigger::Schedule {
        let (machine, input) = parts.reconcile(false, false);
        return Ok((machine.to_owned(), input));
    }
    let input = match (letter.input, &letter.failed_execution) {
        (Some(input), _) => input,
        (None, Some(arn)) => input_of(deployment, arn).await?,
        (None, None) => bail!("the message has no input"),
    };
    Ok((letter.state_machine.unwrap_or_else(|| parts.state_machine.clone()), input))
}

/// Starts an execution with this name, or returns the existing one.
async fn start(
    deployment: &Deployment,
    machine: &str,
    name: &str,
    input: &Value,
) -> Result<String> {
    let request = deployment.sfn.start_execution().state_machine_arn(machine);
    match request.name(name).input(input.to_string()).send().await {
        Err(error) if error.code() == Some("ExecutionAlreadyExists") => {
            Ok(deployment::execution(machine, name))
        }
        answer => Ok(answer.called("states:StartExecution")?.execution_arn),
    }
}

/// The input of an execution.
async fn input_of(deployment: &Deployment, arn: &str) -> Result<Value> {
    let found = deployment.sfn.describe_execution().execution_arn(arn).send().await;
    let input = found.called("states:DescribeExecution")?.input;
    let input = input.context("the execution has no input")?;
    serde_json::from_str(&input).context("the execution's input is not JSON")
}

async fn receive(deployment: &Deployment) -> Result<Vec<Message>> {
    let request = deployment.sqs.receive_message().queue_url(&deployment.parts.queue);
    let request = request.max_number_of_messages(MAX_MESSAGES).message_attribute_names("All");
    let request = request.visibility_timeout(VISIBILITY_TIMEOUT_SECONDS);
    let answer = request.wait_time_seconds(WAIT_TIME_SECONDS).send().await;
    Ok(answer.called("sqs:ReceiveMessage")?.messages.unwrap_or_default())
}

async fn delete(deployment: &Deployment, receipt: &str) -> Result<()> {
    let request = deployment.sqs.delete_message().queue_url(&deployment.parts.queue);
    request.receipt_handle(receipt).send().await.called("sqs:DeleteMessage").map(drop)
}

async fn make_visible(deployment: &Deployment, receipts: &[String]) -> Result<()> {
    for receipt in receipts {
        let request = deployment.sqs.change_message_visibility();
        let request = request.queue_url(&deployment.parts.queue).receipt_handle(receipt);
        let answer = request.visibility_timeout(0).send().await;
        answer.called("sqs:ChangeMessageVisibility")?;
    }
    Ok(())
}
