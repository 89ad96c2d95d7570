//! Every loop gives up at its bound, with its own error. These tests have local AWSs of their own,
//! in which waits take almost no time and operations may never end.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use contract::ErrorName;
use contract::bounds::{BUSY, MAX_DECISIONS, POLLS, loops};
use contract::report::Outcome;
use futures_util::future::try_join_all;
use harness::cloud::Called;
use harness::driftless::ForTests;
use harness::emulator::{NO_WAIT_SCALE, scratch_folder};
use harness::{Scenario, scenario};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::faults::{fails, fault, targeting};
use crate::support::two_targets::TwoTargets;
use crate::support::{control, definition, expect, promotable};

const ONLY_HERE: &str = "only a local AWS can be made to take for ever";
/// In seconds.
const FOR_EVER: f64 = 1e6;

/// A test for each Task state, and one for all polling loops.
pub fn trials() -> Vec<Trial> {
    let tasks = definition::of_type("Task").expect("the state machine's definition");
    let steps = Arc::new(Steps::new());
    let of_task = |state: String| {
        let name = format!("workflow::bounds::{state}_is_given_up");
        let steps = Arc::clone(&steps);
        crate::trial(&name, Some(ONLY_HERE), async move |_: &Scenario| {
            is_given_up(&steps, &state).await
        })
    };
    let name = "workflow::bounds::what_never_ends_is_given_up";
    let others = crate::trial(name, Some(ONLY_HERE), async |_: &Scenario| never_ends().await);
    tasks.into_iter().map(of_task).chain([others]).collect()
}

/// The local AWS in which each step's loop gives up; it ends with the last of these tests.
type Steps = OnceCell<ForTests>;

/// A local AWS in which waits take almost no time.
async fn hasty(name: &str, parameters: &[(&str, &str)]) -> Result<ForTests> {
    ForTests::local(&scratch_folder()?.join(name), NO_WAIT_SCALE, parameters).await
}

async fn is_given_up(steps: &Steps, state: &str) -> Result<()> {
    const PARAMETERS: &[(&str, &str)] = &[("PlanBeforeUpdate", "true"), ("ProtectImages", "true")];
    let aws = steps.get_or_try_init(|| hasty("steps", PARAMETERS)).await?;
    scenario::run(&aws.driftless, async |s| {
        // The waits take almost no time, and there are few: what is polled must be quick too.
        control(s)?
            .set(&json!({"stack": 0.1, "drift": 0.05, "change_set": 0.02, "parameter": 0.02}))
            .await?;
        let task = definition::states()?.remove(state).context("no such state")?;
        let targets = TwoTargets::new(s).await?;
        for (error, attempts) in retried(state, &task)? {
            let always = given_up(s, &targets, state, &error, attempts).await;
            always.with_context(|| format!("{state} always answers {error}"))?;
        }
        expect::in_sync(&targets.healing.stack).await
    })
    .await
}

async fn given_up(
    s: &Scenario,
    targets: &TwoTargets,
    state: &str,
    error: &str,
    attempts: usize,
) -> Result<()> {
    let image = targets.image(s).await?;
    let before = targets.snapshot(s).await?;
    let mut fault = targeting(fault(error), state, targets, &image);
    fault["rate"] = json!(1);
    let ended = targets.promote_with(s, &image, &fault).await?;
    fails(&ended, state, error, &before, &targets.snapshot(s).await?, &image)?;
    let steps = ended.transcript.iter().filter(|step| step.state == state);
    let found = steps.flat_map(|step| &step.errors).filter(|found| *found == error).count();
    ensure!(found == attempts, "{found} attempts, not {attempts}");
    Ok(())
}

/// The errors after which a state is entered again, and how often it is tried in all.
fn retried(state: &str, task: &Value) -> Result<Vec<(String, usize)>> {
    let mut all = Vec::new();
    for retrier in task["Retry"].as_array().context("no Retry")? {
        let most = retrier["MaxAttempts"].as_u64().context("no MaxAttempts")?;
        for error in retrier["ErrorEquals"].as_array().context("no ErrorEquals")? {
            let error = error.as_str().context("no name")?;
            // That of the state itself takes a minute and a half each time.
            if error != "States.Timeout" {
                all.push((error.to_owned(), usize::try_from(most)? + 1));
            }
        }
    }
    let caught = task["Catch"].as_array().into_iter().flatten();
    let decided_again = caught.filter(|catcher| catcher["ErrorEquals"][0] == "ConcurrentWrite");
    let decisions = usize::try_from(MAX_DECISIONS)?;
    all.extend(decided_again.map(|_| ("ConcurrentWrite".to_owned(), decisions)));
    for poll in BUSY.iter().filter(|poll| poll.state == state) {
        all.push((poll.error.to_string(), usize::try_from(poll.max_polls)?));
    }
    Ok(all)
}

async fn never_ends() -> Result<()> {
    let aws = hasty("for-ever", &[]).await?;
    scenario::run(&aws.driftless, async |s| {
        stacks_and_detections(s).await?;
        refreshes_and_parameters(s).await
    })
    .await
}

async fn stacks_and_detections(s: &Scenario) -> Result<()> {
    let by_stack = try_join_all((0..3).map(|_| s.stack_pattern())).await?;
    let [updated, planned, busy] = &by_stack[..] else { bail!("not three") };
    let by_parameter = try_join_all((0..2).map(|_| s.parameter_pattern())).await?;
    let [(_, detected), (_, watched)] = &by_parameter[..] else { bail!("not two") };
    // Older than the backups: what is in place may not be newer.
    let theirs = s.image(&[]).await?;
    let healings = [updated, planned, busy, detected, watched];
    let backups = try_join_all(healings.map(|healing| s.backup(&healing.instance))).await?;
    let [in_update, in_plan, in_busy, in_detected, in_watched] =
        [0, 1, 2, 3, 4].map(|n| json!({"imageId": backups[n].image}));
    let in_plan = json!({"imageId": in_plan["imageId"], "dryRun": true});
    let (_, pending) = promotable(s).await?;

    let control = control(s)?;
    control.adjust_image(&pending, &json!({"State": "pending"})).await?;
    let for_ever = json!({"stack": FOR_EVER, "drift": FOR_EVER, "change_set": FOR_EVER});
    control.set(&for_ever).await?;
    // Somebody else's update, and somebody else's detection.
    busy.stack.start_update(&[("ImageId", &theirs)]).await?;
    let detection = s.cloud().cloudformation.detect_stack_drift().stack_name(&watched.stack.name);
    detection.send().await.called("cloudformation:DetectStackDrift")?;
    let pending = json!({"imageId": pending});
    try_join_all([
        never_passes(s, &in_update, "WaitStackComplete", None),
        never_passes(s, &in_plan, "PlanUpdate", None),
        never_passes(s, &in_busy, "UpdateStack", Some(ErrorName::StackBusy)),
        never_passes(s, &in_detected, "DetectDrift", None),
        never_passes(s, &in_watched, "DetectDrift", Some(ErrorName::DriftDetectionBusy)),
        never_passes(s, &pending, "ValidateAmi", Some(ErrorName::ImagePending)),
    ])
    .await?;
    control.set(&json!({"stack": 1, "drift": 0.5, "change_set": 0.3})).await.map(drop)
}

async fn refreshes_and_parameters(s: &Scenario) -> Result<()> {
    let refreshed = s.stack_pattern().await?;
    let image = s.backup(&refreshed.instance).await?.image;
    let in_refresh = json!({"imageId": image, "instanceRefresh": true});
    let (_, image) = promotable(s).await?;
    let in_parameter = json!({"imageId": image});
    control(s)?.set(&json!({"refresh": FOR_EVER, "parameter": FOR_EVER})).await?;
    try_join_all([
        never_passes(s, &in_refresh, "InstanceRefresh", None),
        never_passes(s, &in_parameter, "PromoteSsm", None),
    ])
    .await
    .map(drop)
}

/// The operation that this state polls never ends, or the state always fails with this error.
async fn never_passes(
    s: &Scenario,
    input: &Value,
    state: &str,
    error: Option<ErrorName>,
) -> Result<()> {
    let polled = match error {
        None => POLLS.iter().find(|poll| poll.state == state),
        Some(error) => loops().find(|poll| poll.error == error),
    };
    let (error, attempts) = match (polled, error.and_then(ErrorName::retry)) {
        (Some(poll), _) => (poll.error, poll.max_polls),
        (None, Some(retry)) => (error.context("no error")?, retry.max_attempts + 1),
        (None, None) => bail!("{state} is neither polled nor retried"),
    };
    is_named(s, input, error, state, usize::try_from(attempts)?).await
}

/// An execution whose only target must fail in this state with this error, after so many polls or
/// attempts.
async fn is_named(
    s: &Scenario,
    input: &Value,
    name: ErrorName,
    state: &str,
    polls: usize,
) -> Result<()> {
    let ended = async {
        let ended = s.driftless.start(input).await?.ended().await?;
        let target = expect::target(&ended, Outcome::Failed)?;
        expect::error(&ended, &target, name)?;
        let found = target.error.context("no error")?.step;
        ensure!(found == state, "{found} failed");
        let found = expect::times(&ended, state).max(expect::attempts(&ended, name));
        ensure!(found == polls, "{found} polls, not {polls}");
        anyhow::Ok(())
    };
    ended.await.with_context(|| format!("{name} for {input}"))
}
