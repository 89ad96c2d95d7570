//! Parses a message of the dead-letter queue: what failed, why, and the input that runs it again.
//!
//! A message is an event that could not start an execution (EventBridge user guide, "Using
//! dead-letter queues to process undelivered events"), or the event of an execution that did not
//! succeed (Step Functions developer guide, "Automating Step Functions event delivery with
//! EventBridge").

#![expect(clippy::indexing_slicing, reason = "indexing JSON returns null for a missing field")]

use anyhow::{Context, Result};
use aws_sdk_sqs::types::Message;
use contract::error_name::is_of_the_input;
use contract::report::Report;
use serde::Serialize;
use serde_json::Value;

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Trigger {
    /// An event that could not start an execution.
    Event,
    /// A schedule that could not start an execution.
    Schedule,
    /// An execution that did not succeed.
    Execution,
}

/// A parsed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// The kind of message.
    pub trigger: Trigger,
    /// What it is about: the event's image, the schedule's rule, the execution's name.
    pub subject: String,
    /// The image or the targets that did not get one, if the message names them.
    pub about: Option<String>,
    /// When the event happened.
    pub time: Option<String>,
    /// Why no execution started, or how it ended.
    pub error: String,
    /// The failures in the execution.
    pub failures: Vec<Failure>,
    /// The execution that did not succeed.
    pub failed_execution: Option<String>,
    /// Its state machine.
    pub state_machine: Option<String>,
    /// The input; absent if the event was too long to contain it, but the execution still has it.
    pub input: Option<Value>,
}

/// One failure of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    /// The target; absent if the execution failed before it had targets.
    pub target: Option<String>,
    /// The state that failed.
    pub step: Option<String>,
    /// The error's name.
    pub name: String,
    /// What was found and what to do.
    pub message: String,
}

impl DeadLetter {
    /// Reads a message.
    ///
    /// # Errors
    /// It is not an event.
    pub(crate) fn read(message: &Message) -> Result<Self> {
        let attribute = |name: &str| {
            let attributes = message.message_attributes.as_ref()?;
            attributes.get(name)?.string_value.clone()
        };
        let body = message.body.as_deref().unwrap_or_default();
        let event =
            serde_json::from_str(body).context("the message is not an event: it is not JSON")?;
        let refusal = [attribute("ERROR_CODE"), attribute("ERROR_MESSAGE")];
        Self::of(event, &refusal.into_iter().flatten().collect::<Vec<_>>().join(": "))
    }

    /// Parses an event, which EventBridge could not deliver for this reason, if there is one.
    ///
    /// # Errors
    /// It is not an event.
    pub(crate) fn of(event: Value, refusal: &str) -> Result<Self> {
        let kind = text(&event["detail-type"]);
        let kind = kind.context("the message is not an event: it has no detail-type")?;
        let error = if refusal.is_empty() { "unknown" } else { refusal }.to_owned();
        let letter = Self {
            trigger: Trigger::Event,
            subject: resources(&event).unwrap_or_else(|| kind.clone()),
            about: resources(&event),
            time: text(&event["time"]),
            error,
            failures: Vec::new(),
            failed_execution: None,
            state_machine: None,
            input: None,
        };
        match kind.as_str() {
            "Step Functions Execution Status Change" => letter.of_execution(&event["detail"]),
            // The execution would have got the rule's own input, which is not in the message.
            "Scheduled Event" => {
                let about = Some("every target".to_owned());
                Ok(Self { trigger: Trigger::Schedule, about, ..letter })
            }
            _ => Ok(Self { input: Some(event), ..letter }),
        }
    }

    fn of_execution(self, detail: &Value) -> Result<Self> {
        let arn = text(&detail["executionArn"])
            .context("the event of an execution has no executionArn")?;
        let input = text(&detail["input"]).map(|input| serde_json::from_str(&input));
        let input = input.transpose().context("the execution's input is not JSON")?;
        let name = text(&detail["error"]);
        let error = name.or_else(|| text(&detail["status"])).unwrap_or(self.error);
        let failures: Vec<Failure> =
            text(&detail["cause"]).map(|it| failures(&error, &it)).unwrap_or_default();
        Ok(Self {
            trigger: Trigger::Execution,
            subject: last(&arn).to_owned(),
            about: targets(&failures).or_else(|| named_in(input.as_ref()?)),
            failures,
            error,
            input,
            failed_execution: Some(arn),
            state_machine: text(&detail["stateMachineArn"]),
            ..self
        })
    }

    /// Whether a re-run fails in the same way, whatever has been corrected meanwhile.
    pub(crate) fn is_final(&self) -> bool {
        !self.failures.is_empty() && self.failures.iter().all(Failure::is_final)
    }
}

impl Failure {
    /// Whether the input itself is wrong.
    fn is_final(&self) -> bool {
        is_of_the_input(&self.name, &self.message)
    }
}

/// The targets that failed.
fn targets(failures: &[Failure]) -> Option<String> {
    let names: Vec<_> = failures.iter().filter_map(|failure| failure.target.as_deref()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The image or the target that an input names.
fn named_in(input: &Value) -> Option<String> {
    let names = ["parameterName", "stackName"];
    let of_target = |run: &Value| names.iter().find_map(|name| text(&run[*name]));
    text(&input["imageId"])
        .or_else(|| of_target(&input["target"]))
        .or_else(|| of_target(&input["rollback"]))
        .or_else(|| resources(input))
}

/// The failures in a cause: each failed target, if the cause is a report, else the cause itself.
fn failures(error: &str, cause: &str) -> Vec<Failure> {
    let Ok(report) = serde_json::from_str::<Report>(cause) else {
        let (name, message) = (error.to_owned(), cause.to_owned());
        return vec![Failure { target: None, step: None, name, message }];
    };
    let failed = report.targets.into_iter().filter_map(|target| {
        let error = target.error?;
        let (target, step) = (Some(target.name), Some(error.step));
        Some(Failure { target, step, name: error.name, message: error.message })
    });
    failed.collect()
}

/// The last parts of the ARNs of the resources that an event is about.
fn resources(event: &Value) -> Option<String> {
    let names = event["resources"].as_array()?.iter().filter_map(Value::as_str).map(last);
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// `arn:aws:ec2:eu-west-1::image/ami-1` is `ami-1`, an execution's ARN its name.
fn last(arn: &str) -> &str {
    arn.rsplit([':', '/']).next().unwrap_or(arn)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
