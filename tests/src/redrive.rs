//! Owns running again what did not happen: the messages of the dead-letter queue, each started
//! as an execution and then taken out of the queue.
//!
//! A message is an event that could not start an execution (EventBridge user guide, "Using
//! dead-letter queues to process undelivered events"), or the event of an execution that did not
//! succeed (Step Functions developer guide, "Automating Step Functions event delivery with
//! EventBridge").

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use aws_sdk_sqs::types::Message;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cloud::Called;
use crate::{Driftless, Execution};

/// What is taken is out of sight for others for so long; what is not started is back after it.
const OUT_OF_SIGHT_SECONDS: i32 = 120;
/// How long to wait for a message: a short look does not see all of a queue.
const PATIENCE_SECONDS: i32 = 1;
/// The most that SQS gives at once.
const AT_ONCE: i32 = 10;

/// One message and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// The message.
    pub message_id: String,
    /// What did not happen.
    pub what: String,
    /// Why, as far as the message says.
    pub why: String,
    /// What to run again; absent when the message does not say.
    pub input: Option<Value>,
    /// The execution that runs it again; absent when none was started, and the message is in the
    /// queue still.
    pub execution: Option<String>,
    /// Why none was started.
    pub error: Option<String>,
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
struct Letter {
    what: String,
    why: String,
    /// Absent where the event was too long to carry it; the execution has it still.
    input: Option<Value>,
    execution: Option<String>,
}

/// Starts all that is in the queue, or says what would be started. `tell` hears of each message
/// as soon as something has come of it.
///
/// It may be run twice: an execution has its message's name, and Step Functions takes a name once.
/// What fails again meanwhile is a new message, and is left.
///
/// # Errors
/// The queue cannot be read. What is wrong with one message is in its [`Redriven`].
pub async fn run(
    driftless: &Driftless,
    dry_run: bool,
    mut tell: impl FnMut(&Redriven),
) -> Result<Vec<Redriven>> {
    let mut redriven: Vec<Redriven> = Vec::new();
    let (mut seen, mut left) = (HashSet::new(), Vec::new());
    loop {
        let messages = receive(driftless).await?;
        let is_new = |message: &Message| seen.insert(message.message_id.clone());
        let mut new = messages.into_iter().filter(is_new).peekable();
        if new.peek().is_none() {
            break;
        }
        for message in new {
            let receipt = message.receipt_handle.clone().context("a message without a receipt")?;
            let letter = read(&message);
            let failed = letter.as_ref().ok().and_then(|letter| letter.execution.as_ref());
            if failed
                .is_some_and(|arn| redriven.iter().any(|one| one.execution.as_ref() == Some(arn)))
            {
                left.push(receipt);
                continue;
            }
            let one = redrive(driftless, dry_run, &message, letter).await;
            if one.execution.is_some() {
                delete(driftless, &receipt).await?;
            } else {
                left.push(receipt);
            }
            tell(&one);
            redriven.push(one);
        }
    }
    for receipt in left {
        show_again(driftless, &receipt).await?;
    }
    Ok(redriven)
}

/// Starts one, unless this is a dry run.
async fn redrive(
    driftless: &Driftless,
    dry_run: bool,
    message: &Message,
    letter: Result<Letter>,
) -> Redriven {
    let message_id = message.message_id.clone().unwrap_or_default();
    let mut one = Redriven { message_id, ..Redriven::default() };
    let start = async {
        let letter = letter?;
        (one.what, one.why) = (letter.what, letter.why);
        let input = match (letter.input, letter.execution) {
            (Some(input), _) => input,
            (None, Some(arn)) => Execution::named(driftless.cloud(), &arn).input().await?,
            (None, None) => bail!("the message does not say what to run"),
        };
        one.input = Some(input.clone());
        if !dry_run {
            let name = format!("redrive-{}", one.message_id);
            one.execution = Some(driftless.start_named(&name, &input).await?.arn);
        }
        anyhow::Ok(())
    };
    one.error = start.await.err().map(|error| format!("{error:#}"));
    one
}

/// Reads a message.
fn read(message: &Message) -> Result<Letter> {
    let attribute = |name: &str| {
        let attributes = message.message_attributes.as_ref()?;
        attributes.get(name)?.string_value.clone()
    };
    let body = message.body.as_deref().unwrap_or_default();
    let event: Value = serde_json::from_str(body).context("the message is no event: no JSON")?;
    let refusal = [attribute("ERROR_CODE"), attribute("ERROR_MESSAGE")];
    letter(event, &refusal.into_iter().flatten().collect::<Vec<_>>().join(": "))
}

/// What an event says, which EventBridge could not deliver for this reason, if there is one.
fn letter(event: Value, refusal: &str) -> Result<Letter> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let kind = text(&event["detail-type"]).context("the message is no event: no detail-type")?;
    let why = if refusal.is_empty() { "unknown" } else { refusal }.to_owned();
    let (detail, what) = (&event["detail"], kind.clone());
    Ok(match kind.as_str() {
        "Step Functions Execution Status Change" => {
            let arn = text(&detail["executionArn"]).context("an execution without an ARN")?;
            let why = text(&detail["error"]).or_else(|| text(&detail["status"])).unwrap_or(why);
            let input = text(&detail["input"]).map(|input| serde_json::from_str(&input));
            let input = input.transpose().context("the execution's input is no JSON")?;
            let name = arn.rsplit(':').next().unwrap_or_default();
            Letter { what: format!("execution {name}"), why, input, execution: Some(arn) }
        }
        // The rule's own input was to be the execution's, and is not in the message.
        "Scheduled Event" => {
            Letter { what, why, input: Some(json!({"reconcile": true})), execution: None }
        }
        _ => Letter { what, why, input: Some(event), execution: None },
    })
}

async fn receive(driftless: &Driftless) -> Result<Vec<Message>> {
    let request = driftless.cloud().sqs.receive_message().queue_url(&driftless.dead_letters);
    let request = request.max_number_of_messages(AT_ONCE).message_attribute_names("All");
    let request = request.visibility_timeout(OUT_OF_SIGHT_SECONDS);
    let answer = request.wait_time_seconds(PATIENCE_SECONDS).send().await;
    Ok(answer.called("sqs:ReceiveMessage")?.messages.unwrap_or_default())
}

async fn delete(driftless: &Driftless, receipt: &str) -> Result<()> {
    let request = driftless.cloud().sqs.delete_message().queue_url(&driftless.dead_letters);
    request.receipt_handle(receipt).send().await.called("sqs:DeleteMessage").map(drop)
}

async fn show_again(driftless: &Driftless, receipt: &str) -> Result<()> {
    let request = driftless.cloud().sqs.change_message_visibility();
    let request = request.queue_url(&driftless.dead_letters).receipt_handle(receipt);
    let answer = request.visibility_timeout(0).send().await;
    answer.called("sqs:ChangeMessageVisibility").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_started_nothing_is_the_input() {
        let event =
            json!({"detail-type": "Backup Job State Change", "detail": {"state": "COMPLETED"}});
        let letter = letter(event.clone(), "NO_PERMISSIONS: no").unwrap();
        assert_eq!((letter.why.as_str(), letter.input), ("NO_PERMISSIONS: no", Some(event)));
    }

    #[test]
    fn a_schedule_that_started_nothing_is_a_reconcile() {
        let letter = letter(json!({"detail-type": "Scheduled Event", "detail": {}}), "").unwrap();
        assert_eq!(letter.input, Some(json!({"reconcile": true})));
    }

    #[test]
    fn an_execution_that_failed_has_its_input_or_can_be_asked_for_it() {
        let kind = "Step Functions Execution Status Change";
        let of = |input: Value| {
            let detail =
                json!({"executionArn": "arn:x:run-1", "status": "TIMED_OUT", "input": input});
            letter(json!({"detail-type": kind, "detail": detail}), "").unwrap()
        };
        let letter = of(json!(r#"{"imageId": "ami-1"}"#));
        assert_eq!((letter.what.as_str(), letter.why.as_str()), ("execution run-1", "TIMED_OUT"));
        assert_eq!(letter.input, Some(json!({"imageId": "ami-1"})));
        let letter = of(Value::Null);
        assert_eq!((letter.input, letter.execution.as_deref()), (None, Some("arn:x:run-1")));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert!(letter(json!({"hello": 1}), "").is_err() && letter(json!(1), "").is_err());
    }
}
