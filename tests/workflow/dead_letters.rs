//! Every event or execution that failed is in the dead-letter queue with its input, and `driftless
//! redrive` runs it again. An input by hand that is wrong itself is nobody's loss, and is not there.

use anyhow::{Context, Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use contract::ErrorName;
use contract::target::TAG_PARAMETER_NAME;
use harness::cli::{self, Redriven};
use harness::cloud::Called;
use harness::image::{self, Parameter};
use harness::{Execution, Scenario, wait};
use serde_json::{Value, json};

use crate::support::{control, event_of, expect, promotable, promote, schedule};

trials![
    ;
    only here, "it needs a queue of its own, and only a local AWS fails when it is told to":
    failed_promotions_are_run_again,
    an_execution_that_fails_again_is_a_new_message,
    a_wrong_event_is_left_unless_all_are_run_again,
    a_wrong_input_by_hand_is_no_dead_letter,
    a_missing_stack_is_named,
];

/// A local AWS shortens the waits, not the machine's own limit.
const LIMIT_SECONDS: u64 = 1;

/// How many messages are in the queue.
pub async fn letters(s: &Scenario) -> Result<usize> {
    let request = s.cloud().sqs.get_queue_attributes().queue_url(&s.driftless.dead_letters);
    let request = request.attribute_names(QueueAttributeName::ApproximateNumberOfMessages);
    let attributes = request.send().await.called("sqs:GetQueueAttributes")?.attributes;
    let attributes = attributes.context("no attributes")?;
    let count = attributes.get(&QueueAttributeName::ApproximateNumberOfMessages);
    count.context("no count")?.parse().context("the count is no number")
}

async fn arrive(s: &Scenario, count: usize) -> Result<()> {
    let what = format!("{count} dead letters");
    let poll = async || Ok((letters(s).await? == count).then_some(()));
    wait::until(s.cloud(), wait::START, &what, poll).await
}

pub async fn redriven(s: &Scenario, dry_run: bool) -> Result<Vec<Redriven>> {
    let flags: &[&str] = if dry_run { &["--dry-run"] } else { &[] };
    let redrive = cli::redrive(&s.driftless, flags).await?;
    ensure!(redrive.stack == s.driftless.stack && redrive.dry_run == dry_run, "{redrive:#?}");
    let (account, region) = (s.cloud().account(), s.cloud().region());
    ensure!(redrive.account == account && redrive.region == region, "{redrive:#?}");
    Ok(redrive.messages)
}

/// A promotion that did not happen.
struct Missed {
    parameter: Parameter,
    image: String,
    /// The message to run again.
    input: Value,
}

async fn failed_promotions_are_run_again(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[("ReconcileSchedule", "rate(1 day)")]).await?;
    let missed = [
        ("ERROR_FROM_TARGET", an_event_that_started_nothing(s).await?),
        ("PromotionFailed", an_execution_that_failed(s).await?),
        ("ABORTED", an_execution_that_was_stopped(s).await?),
        ("TIMED_OUT", an_execution_that_ran_out_of_time(s).await?),
    ];
    a_schedule_that_started_nothing(s).await?;
    let send = s.cloud().sqs.send_message().queue_url(&s.driftless.dead_letters);
    send.message_body("hello").send().await.called("sqs:SendMessage")?;
    let all = missed.len() + 2;
    arrive(s, all).await?;

    // A dry run lists what would be run, and leaves it in the queue.
    let planned = redriven(s, true).await?;
    for (why, Missed { input, .. }) in &missed {
        let is_it = |one: &&Redriven| one.input.as_ref() == Some(input);
        let one = planned.iter().find(is_it).with_context(|| format!("{why}: no {input}"))?;
        let error = one.error.as_deref().context("no error")?;
        ensure!(error.contains(why) && one.result == "wouldStart", "{one:#?}");
        ensure!(one.execution.is_none() && one.time.is_some(), "{one:#?}");
        let is_named = |failure: &Value| failure["name"] == "ParameterNotFound";
        ensure!(one.failures.iter().any(is_named) == (*why == "PromotionFailed"), "{one:#?}");
    }
    let scheduled = Some(json!({"dryRun": false, "verify": false}));
    ensure!(planned.iter().any(|one| one.input == scheduled), "{planned:#?}");
    ensure!(planned.len() == all && letters(s).await? == all, "{planned:#?}");

    let done = redriven(s, false).await?;
    ensure!(done.len() == all, "{done:#?}");
    for one in &done {
        let Some(arn) = &one.execution else { continue };
        ensure!(one.result == "started" && one.failure.is_none(), "{one:#?}");
        let ended = Execution::by_arn(s.cloud(), arn).ended().await?;
        ensure!(ended.status == "SUCCEEDED", "{one:#?}: {ended:#?}");
    }
    for (why, Missed { parameter, image, .. }) in &missed {
        let now = parameter.read().await?;
        ensure!(now.value == *image, "{why}: {now:?}, not {image}");
    }
    // A message that is not an event cannot be run, and every attempt reports that.
    ensure!(letters(s).await? == 1, "{} letters", letters(s).await?);
    let left = redriven(s, false).await?;
    let one = expect::only(left)?;
    ensure!(one.execution.is_none() && one.result == "notStarted", "{one:#?}");
    ensure!(one.failure.as_deref().unwrap_or_default().contains("not an event"), "{one:#?}");
    people_see_it_too(s).await
}

/// The table goes to stdout, and the exit status shows that something stays.
async fn people_see_it_too(s: &Scenario) -> Result<()> {
    let output = cli::run(&s.driftless, &["redrive"]).await?;
    let table = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(1) && table.contains("not an event"), "{table}");
    Ok(())
}

async fn missed(s: &Scenario) -> Result<Missed> {
    let (parameter, image) = promotable(s).await?;
    Ok(Missed { parameter, input: json!({"imageId": image}), image })
}

async fn an_event_that_started_nothing(s: &Scenario) -> Result<Missed> {
    let missed = missed(s).await?;
    let input = event_of(&missed.image)?;
    let fault = json!({
        "service": "states", "action": "StartExecution", "kind": "5xx", "rate": 1,
        "match": missed.image,
    });
    let fault = control(s)?.add_fault(&fault).await?;
    s.driftless.put(&input).await?;
    arrive(s, 1).await?;
    let tries = control(s)?.remove_fault(fault).await?;
    ensure!(tries > 1, "it was not tried again");
    // EventBridge fills in what the event was put without.
    let input = expect::only(redriven(s, true).await?)?.input.context("no event")?;
    ensure!(input["resources"] == event_of(&missed.image)?["resources"], "{input}");
    Ok(Missed { input, ..missed })
}

/// Its parameter does not exist, but does when it is run again.
async fn an_execution_that_failed(s: &Scenario) -> Result<Missed> {
    let (base, parameter) = (image::base(s.cloud()).await?, s.parameter_to_be());
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let input = json!({"imageId": image});
    let ended = s.driftless.start(&input).await?.ended().await?;
    ensure!(ended.status == "FAILED", "{ended:#?}");
    parameter.write(&base).await?;
    Ok(Missed { parameter, image, input })
}

/// An execution that waits for its image until something ends it.
async fn waiting(s: &Scenario, ends: impl AsyncFnOnce(&Execution) -> Result<()>) -> Result<Missed> {
    let missed = missed(s).await?;
    let control = control(s)?;
    control.adjust_image(&missed.image, &json!({"State": "pending"})).await?;
    let execution = s.driftless.start(&missed.input).await?;
    ends(&execution).await?;
    control.adjust_image(&missed.image, &json!({"State": "available"})).await?;
    Ok(missed)
}

async fn an_execution_that_was_stopped(s: &Scenario) -> Result<Missed> {
    waiting(s, async |execution| {
        execution.entered("ValidateAmi").await?;
        execution.stop().await
    })
    .await
}

async fn an_execution_that_ran_out_of_time(s: &Scenario) -> Result<Missed> {
    let (sfn, arn) = (&s.cloud().sfn, &s.driftless.state_machine);
    let found = sfn.describe_state_machine().state_machine_arn(arn).send().await;
    let whole = found.called("states:DescribeStateMachine")?.definition;
    let mut short: Value = serde_json::from_str(&whole).context("the definition is no JSON")?;
    short["TimeoutSeconds"] = json!(LIMIT_SECONDS);
    let define = async |definition: &str| {
        let request = sfn.update_state_machine().state_machine_arn(arn).definition(definition);
        request.send().await.called("states:UpdateStateMachine").map(drop)
    };
    define(&short.to_string()).await?;
    let missed = waiting(s, async |execution| {
        let ended = execution.ended().await?;
        ensure!(ended.status == "TIMED_OUT", "{ended:#?}");
        Ok(())
    });
    let missed = missed.await?;
    define(&whole).await?;
    Ok(missed)
}

async fn a_schedule_that_started_nothing(s: &Scenario) -> Result<()> {
    let fault = json!({
        "service": "states", "action": "StartExecution", "kind": "5xx", "rate": 1,
        "match": "verify",
    });
    let fault = control(s)?.add_fault(&fault).await?;
    let before = letters(s).await?;
    let (rule, _) = schedule(s).await?;
    ensure!(control(s)?.fire(&rule).await?, "the rule is off");
    arrive(s, before + 1).await?;
    control(s)?.remove_fault(fault).await.map(drop)
}

/// An execution that fails again is not run for ever.
async fn an_execution_that_fails_again_is_a_new_message(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &s.driftless.parameter_name())]).await?;
    promote(s, &image).await?;
    for _ in 0..2 {
        arrive(s, 1).await?;
        let done = redriven(s, false).await?;
        let arn = expect::only(done)?.execution.context("it was not started")?;
        let ended = Execution::by_arn(s.cloud(), &arn).ended().await?;
        ensure!(ended.status == "FAILED", "{ended:#?}");
    }
    arrive(s, 1).await
}

/// Nobody typed it, so it is kept; but a re-run cannot mend it and would come back with every redrive.
async fn a_wrong_event_is_left_unless_all_are_run_again(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let malformed = event_of("ami-web")?;
    let ended = s.driftless.send(&malformed).await?.ended().await?;
    expect::failure(&ended, ErrorName::InvalidInput)?;
    arrive(s, 1).await?;
    let left = expect::only(redriven(s, false).await?)?;
    let resources = left.input.as_ref().map(|input| &input["resources"]);
    ensure!(left.result == "left" && resources == Some(&malformed["resources"]), "{left:#?}");
    ensure!(left.about.as_deref() == Some("ami-web") && left.failure.is_some(), "{left:#?}");
    arrive(s, 1).await?;
    let all = cli::redrive(&s.driftless, &["--all"]).await?;
    ensure!(expect::only(all.messages)?.result == "started");
    arrive(s, 1).await
}

/// It fails for whoever typed it, and no promotion is lost. A tag is not part of the input: once it is
/// corrected, the same input promotes the image.
async fn a_wrong_input_by_hand_is_no_dead_letter(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let nobodys = json!({"target": {"parameterName": s.driftless.parameter_name()}});
    let by_hand = [
        s.driftless.start(&json!({"imageId": "web"})).await?,
        s.driftless.start(&nobodys).await?,
        s.driftless.reconcile(&json!({"dryRun": "yes"})).await?,
    ];
    for execution in by_hand {
        expect::failure(&execution.ended().await?, ErrorName::InvalidInput)?;
    }
    // The events of executions are delivered in the order in which they end here: this is the only
    // message if the others are none.
    let malformed = format!("{}not a name", s.driftless.parameter_prefix);
    let image = s.image(&[(TAG_PARAMETER_NAME, &malformed)]).await?;
    expect::failure(&promote(s, &image).await?, ErrorName::InvalidInput)?;
    arrive(s, 1).await?;
    let one = expect::only(redriven(s, true).await?)?;
    let is_it = one.input == Some(json!({"imageId": image}));
    ensure!(is_it && one.result == "wouldStart", "{one:#?}");
    Ok(())
}

/// The status is not that of a message that stays.
async fn a_missing_stack_is_named(s: &Scenario) -> Result<()> {
    let arguments = ["redrive", "--deployment", "nowhere"];
    let output = cli::command(&s.driftless, &arguments).output().await?;
    let errors = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(2) && output.stdout.is_empty(), "{}", output.status);
    ensure!(errors.contains("stack nowhere") && errors.contains("does not exist"), "{errors}");
    Ok(())
}
