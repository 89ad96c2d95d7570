//! Whoever wants to hear of an execution that has ended is told: programs by an event that the
//! published schema describes, people by a mail. Nobody who cannot be told fails a promotion.

use std::sync::Mutex;

use anyhow::{Context, Error, Result, bail, ensure};
use contract::announcement::{
    FinishedOutcome, PROMOTION_FINISHED, PromotionFinished, RECONCILE_FINISHED, ReconcileFinished,
};
use contract::report::{Outcome, TargetOutcome};
use contract::target::TAG_PARAMETER_NAME;
use harness::cloud::{Called, Cloud};
use harness::{Scenario, Stack, paths, unique, wait};
use serde_json::{Value, json};

use crate::support::{control, expect, promotable, promote};

trials![
    ;
    only here, "it needs a Driftless and a topic of its own":
    every_end_is_announced,
    a_topic_that_is_gone_fails_no_promotion_and_is_seen,
];

/// A topic, and what came from it and over the event bus.
pub struct Listener {
    cloud: Cloud,
    /// The topic's ARN.
    pub topic: String,
    mails: Inbox,
    events: Inbox,
}

/// A queue, and the messages that came from it.
struct Inbox {
    queue: String,
    received: Mutex<Vec<Value>>,
}

/// A mail as SNS delivers it.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mail {
    subject: String,
    message: String,
}

impl Listener {
    pub async fn new(cloud: &Cloud) -> Result<Self> {
        let stack = Stack::create(cloud, &unique("listener"), "listener", &[]).await?;
        let outputs = stack.outputs().await?;
        let output = |name: &str| -> Result<String> {
            let found = outputs.iter().find(|(key, _)| key == name);
            Ok(found.with_context(|| format!("no output {name}"))?.1.clone())
        };
        let inbox =
            |name| Ok::<_, Error>(Inbox { queue: output(name)?, received: Mutex::default() });
        let (mails, events) = (inbox("Mails")?, inbox("Events")?);
        Ok(Self { cloud: cloud.clone(), topic: output("Topic")?, mails, events })
    }

    /// All messages of a queue so far.
    async fn received(&self, inbox: &Inbox) -> Result<Vec<Value>> {
        let request = self.cloud.sqs.receive_message().queue_url(&inbox.queue);
        let answer = request.max_number_of_messages(10).send().await;
        let messages = answer.called("sqs:ReceiveMessage")?.messages;
        let bodies = messages.into_iter().flatten().filter_map(|message| message.body);
        let new = bodies.map(|body| serde_json::from_str(&body).context("a message is no JSON"));
        let new: Vec<_> = new.collect::<Result<_>>()?;
        let mut all = inbox.received.lock().expect("no test has panicked");
        all.extend(new);
        Ok(all.clone())
    }

    /// The event about this execution, which the schema must describe.
    pub async fn event(&self, s: &Scenario, execution: &str) -> Result<Value> {
        let what = format!("the event about {execution}");
        let event = wait::until(&self.cloud, wait::START, &what, async || {
            let found = self.received(&self.events).await?;
            let found = found.into_iter().find(|event| event["detail"]["execution"] == execution);
            if found.is_none() {
                refused(s).await?;
            }
            Ok(found)
        })
        .await?;
        is_described(&event)?;
        ensure!(event["resources"][0] == execution, "{event:#}");
        Ok(event)
    }

    /// The mail about this execution.
    async fn mail(&self, s: &Scenario, execution: &str) -> Result<Mail> {
        let what = format!("the mail about {execution}");
        let name = execution.rsplit(':').next().unwrap_or_default();
        wait::until(&self.cloud, wait::START, &what, async || {
            for found in self.received(&self.mails).await? {
                let mail: Mail = serde_json::from_value(found)?;
                if mail.message.contains(name) {
                    return Ok(Some(mail));
                }
            }
            refused(s).await?;
            Ok(None)
        })
        .await
    }
}

/// Fails with the cause if an announcement has failed.
async fn refused(s: &Scenario) -> Result<()> {
    let sfn = &s.cloud().sfn;
    for execution in announcements(s).await? {
        if execution.status.as_str() == "FAILED" {
            let arn = &execution.execution_arn;
            let found = sfn.describe_execution().execution_arn(arn).send().await;
            let found = found.called("states:DescribeExecution")?;
            bail!("{}: {}", found.error.unwrap_or_default(), found.cause.unwrap_or_default());
        }
    }
    Ok(())
}

/// What `Announce` did. On AWS only its log knows, as it is an Express workflow.
async fn announcements(s: &Scenario) -> Result<Vec<aws_sdk_sfn::types::ExecutionListItem>> {
    let announce = Stack::by_name(s.cloud(), &s.driftless.stack).resource("Announce").await?;
    let request = s.cloud().sfn.list_executions().state_machine_arn(announce);
    Ok(request.send().await.called("states:ListExecutions")?.executions)
}

fn is_described(event: &Value) -> Result<()> {
    let schema = std::fs::read_to_string(paths::root().join("docs/events.schema.json"))?;
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
    let wrong: Vec<_> = schema.iter_errors(event).map(|error| error.to_string()).collect();
    ensure!(wrong.is_empty(), "the schema does not describe {event:#}: {wrong:#?}");
    Ok(())
}

/// In an account of its own: with a topic, of which it sends every mail.
pub async fn told(s: &Scenario, parameters: &[(&str, &str)]) -> Result<(Scenario, Listener)> {
    let cloud = s.cloud().fresh_account().context("only a local AWS has further accounts")?;
    let listener = Listener::new(&cloud).await?;
    let mails = [("NotificationTopicArn", listener.topic.as_str()), ("NotifyOn", "all")];
    let s = s.alone_in(&cloud, &[parameters, &mails].concat()).await?;
    Ok((s, listener))
}

/// An execution that fails because its input is wrong is announced like any other.
pub async fn a_wrong_input_is_announced(s: &Scenario, listener: &Listener) -> Result<()> {
    let ended = s.driftless.start(&json!({"image": "ami-1"})).await?.ended().await?;
    let event = listener.event(s, &ended.arn).await?;
    ensure!(event["detail"]["error"]["name"] == "InvalidInput", "{event:#}");
    let mail = listener.mail(s, &ended.arn).await?;
    ensure!(mail.subject.contains("InvalidInput") && !mail.message.contains("redrive"), "{mail:?}");
    Ok(())
}

/// Whether an execution that ends starts an announcement. Nothing says why none was started: the rule
/// has no dead-letter queue, and its metric is not the local AWS's.
pub async fn an_end_starts_something(s: &Scenario) -> Result<()> {
    let before = announcements(s).await?.len();
    s.driftless.start(&json!({"image": "ami-1"})).await?.ended().await?;
    let started = wait::until(s.cloud(), wait::STOP, "an announcement", async || {
        Ok((announcements(s).await?.len() > before).then_some(()))
    });
    started.await.context("the rule's role is not authorized to start it")
}

async fn every_end_is_announced(s: &Scenario) -> Result<()> {
    let (s, listener) = &told(s, &[]).await?;
    let promotion = async |arn: &str| -> Result<PromotionFinished> {
        let event = listener.event(s, arn).await?;
        ensure!(event["detail-type"] == PROMOTION_FINISHED, "{event:#}");
        Ok(serde_json::from_value(event["detail"].clone())?)
    };

    let (parameter, image) = promotable(s).await?;
    let ended = promote(s, &image).await?;
    let promoted = promotion(&ended.arn).await?;
    ensure!(promoted.execution.outcome == FinishedOutcome::Promoted, "{promoted:#?}");
    let target = expect::only(promoted.targets)?;
    let in_place = expect::only(target.images)?;
    ensure!(target.name == parameter.name && in_place.after == image, "{in_place:#?}");
    ensure!(target.drift.iter().all(|stack| stack.status == "IN_SYNC"), "{:#?}", target.drift);
    let mail = listener.mail(s, &ended.arn).await?;
    ensure!(mail.subject.starts_with(&format!("Driftless: {} has ", parameter.name)), "{mail:?}");
    ensure!(mail.message.contains(&format!("boots {image}")), "{}", mail.message);

    let unknown = s.image(&[(TAG_PARAMETER_NAME, &format!("{}-none", parameter.name))]).await?;
    let ended = promote(s, &unknown).await?;
    expect::target(&ended, Outcome::Failed)?;
    let failed = promotion(&ended.arn).await?;
    ensure!(failed.execution.outcome == FinishedOutcome::Failed, "{failed:#?}");
    let target = expect::only(failed.targets)?;
    ensure!(target.outcome == TargetOutcome::Failed, "{target:#?}");
    let error = target.error.context("no error")?;
    ensure!(error.name == "ParameterNotFound", "{error:#?}");
    let mail = listener.mail(s, &ended.arn).await?;
    ensure!(mail.message.contains("What it means: "), "{}", mail.message);

    a_wrong_input_is_announced(s, listener).await?;

    let pending = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    control(s)?.adjust_image(&pending, &json!({"State": "pending"})).await?;
    let stopped = s.driftless.start(&json!({"imageId": pending})).await?;
    stopped.entered("ValidateAmi").await?;
    stopped.stop().await?;
    let told = promotion(&stopped.arn).await?;
    ensure!(told.execution.outcome == FinishedOutcome::Stopped, "{told:#?}");
    control(s)?.adjust_image(&pending, &json!({"State": "available"})).await?;

    let reconcile = s.driftless.reconcile(&json!({})).await?;
    reconcile.ended().await?;
    let event = listener.event(s, &reconcile.arn).await?;
    ensure!(event["detail-type"] == RECONCILE_FINISHED, "{event:#}");
    let reconciled: ReconcileFinished = serde_json::from_value(event["detail"].clone())?;
    ensure!(reconciled.counts.total() == reconciled.targets, "{reconciled:#?}");
    ensure!(reconciled.counts.promoted == 1, "{reconciled:#?}");
    let mail = listener.mail(s, &reconcile.arn).await?;
    ensure!(mail.subject.starts_with("Driftless: reconcile: "), "{mail:?}");
    Ok(())
}

async fn a_topic_that_is_gone_fails_no_promotion_and_is_seen(s: &Scenario) -> Result<()> {
    let cloud = s.cloud().fresh_account().context("only a local AWS has further accounts")?;
    let listener = Listener::new(&cloud).await?;
    let topic = format!("{}-gone", listener.topic);
    let gone = [("NotificationTopicArn", topic.as_str()), ("NotifyOn", "all")];
    let s = &s.alone_in(&cloud, &gone).await?;
    let (_, image) = promotable(s).await?;
    let ended = promote(s, &image).await?;
    expect::target(&ended, Outcome::Promoted)?;
    // What CloudWatch counts as ExecutionsFailed, which FailedAnnouncementsAlarm is about.
    let failed = wait::until(s.cloud(), wait::START, "a failed announcement", async || {
        Ok(refused(s).await.err())
    })
    .await?;
    ensure!(failed.to_string().starts_with("SNS."), "{failed:#}");
    Ok(())
}
