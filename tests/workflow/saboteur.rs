//! Every step fails once: a saboteur in the place of its function answers each of the errors that
//! the step can raise, and each of the Lambda service's own faults. The execution ends as the
//! catalogue says, the other target gets its image, and the transcript is the golden one.
//!
//! The steps are those of the state machine's definition, the errors those of the catalogue.

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::target::Pattern;
use harness::{Ended, Scenario};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::deployed::{careful, planned};
use crate::pair::{Pair, Stand, target};
use crate::{definition, expect, transcript};

const ONLY_HERE: &str = "only in a local AWS a function can be sabotaged";

/// A test for each Task state.
pub fn trials() -> Vec<Trial> {
    let tasks = definition::of_type("Task").expect("the state machine's definition");
    let once = |state: &String| {
        let (name, state) = (format!("workflow::saboteur::{state}_fails_once"), state.clone());
        crate::trial(&name, Some(ONLY_HERE), async move |s: &Scenario| fails_once(s, &state).await)
    };
    let undone = |state: &String| {
        let name = format!("workflow::saboteur::{state}_fails_and_nothing_stays_behind");
        let state = state.clone();
        crate::trial(&name, Some(ONLY_HERE), async move |s: &Scenario| is_undone(s, &state).await)
    };
    tasks.iter().map(once).chain(tasks.iter().map(undone)).collect()
}

/// What becomes of a state whose function answers like this once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is tried again, and all is well.
    Heals,
    /// The target fails by the error's name; of the first state, the execution.
    Fails,
}

/// Something that a function may answer, or what may come in its place.
struct Sabotage {
    /// As Step Functions sees it.
    error: String,
    fate: Fate,
    fault: Value,
}

async fn fails_once(s: &Scenario, state: &str) -> Result<()> {
    let s = &planned(s).await?;
    let pair = Pair::new(s).await?;
    let task = definition::states()?.remove(state).context("no such state")?;
    let mut golden = String::new();
    for Sabotage { error, fate, fault } in sabotages(state, &task) {
        let image = pair.image(s).await?;
        let before = pair.stand(s).await?;
        let fault = aimed(fault, state, &pair, &image);
        let ended = async {
            let ended = pair.promote(s, &image, &fault).await?;
            let after = pair.stand(s).await?;
            match fate {
                Fate::Heals => heals(&ended, &after, &image)?,
                Fate::Fails => fails(&ended, state, &error, &before, &after, &image)?,
            }
            let failed = ended.transcript.iter().find(|step| !step.errors.is_empty());
            let failed = failed.context("nothing failed")?;
            ensure!(failed.state == state && failed.errors[0] == error, "{failed:?} failed");
            anyhow::Ok(ended)
        };
        let ended = ended.await.with_context(|| format!("{state} answers {error}"))?;
        golden += &format!("{error}: {}", transcript::of(&ended, &error)?);
    }
    expect::in_sync(&pair.healing.stack).await?;
    transcript::is_golden(state, &golden);
    Ok(())
}

/// Where the operator has chosen to have failed promotions undone: whichever step fails, the target
/// that was struck is as it was before, and the other one has its image.
async fn is_undone(s: &Scenario, state: &str) -> Result<()> {
    const ERROR: &str = ErrorName::UnexpectedAnswer.as_str();
    let s = &careful(s).await?;
    let pair = Pair::new(s).await?;
    let image = pair.image(s).await?;
    let before = pair.stand(s).await?;
    let ended = pair.promote(s, &image, &aimed(fault(ERROR), state, &pair, &image)).await?;
    let after = pair.stand(s).await?;
    if ["ResolveTags", "Report"].contains(&state) {
        fails(&ended, state, ERROR, &before, &after, &image)?;
    } else {
        let targets = expect::report(&ended, Outcome::Failed)?.targets;
        let other = target(&targets, other_of(state))?;
        ensure!(other.outcome == TargetOutcome::Updated, "{other:#?}");
        let (struck, spared) = match other.pattern {
            Pattern::Stack => ((&after.value, &before.value), &after.image),
            Pattern::Parameter => ((&after.image, &before.image), &after.value),
        };
        ensure!(struck.0 == struck.1 && *spared == image, "{after:?} was {before:?}");
    }
    transcript::is_golden(&format!("{state}-undone"), &transcript::of(&ended, ERROR)?);
    expect::heals_into(&pair.healing, &after.image).await
}

/// The target that this state's sabotage is not aimed at.
fn other_of(state: &str) -> Pattern {
    if state == "PromoteSsm" { Pattern::Stack } else { Pattern::Parameter }
}

/// Everything that this state's function may answer, or that may come in its place.
fn sabotages(state: &str, task: &Value) -> Vec<Sabotage> {
    // It is not retried, and ends well all the same: the decision is made again.
    const DECIDED_AGAIN: &str = ErrorName::ConcurrentWrite.as_str();
    let raised = ErrorName::ALL.iter().filter(|name| name.is_raised_by(state));
    let errors = raised.map(|name| name.as_str()).chain(LAMBDA_FAULTS);
    let sabotage = |error: &str| {
        let is_healed = error == DECIDED_AGAIN || definition::retries(task, error);
        let fate = if is_healed { Fate::Heals } else { Fate::Fails };
        Sabotage { error: error.to_owned(), fate, fault: fault(error) }
    };
    errors.map(sabotage).collect()
}

/// What the Lambda service may fail with, or a function without its own doing; and a name that
/// nobody knows.
const LAMBDA_FAULTS: [&str; 10] = [
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ResourceNotFoundException",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "Lambda.Unknown",
    "NobodyKnowsMe",
];

/// The fault that has Step Functions see this error.
pub fn fault(error: &str) -> Value {
    match error {
        "Lambda.TooManyRequestsException" => json!({"kind": "throttle"}),
        "Lambda.ServiceException" => json!({"kind": "5xx"}),
        "Lambda.Unknown" => json!({"kind": "function-error"}),
        "Sandbox.Timedout" => json!({"kind": "timeout"}),
        "Runtime.ExitError" => json!({"kind": "out-of-memory"}),
        _ => match error.strip_prefix("Lambda.") {
            Some(code) => json!({"kind": "error", "code": code, "message": "sabotage"}),
            None => json!({
                "kind": "function-error", "errorType": error, "errorMessage": "sabotage",
            }),
        },
    }
}

/// The fault at this state's function when it works for the target that is struck: the stack,
/// except where only the parameter gets that far.
pub fn aimed(mut fault: Value, state: &str, pair: &Pair, image: &str) -> Value {
    fault["service"] = json!("lambda");
    fault["action"] = json!("Invoke");
    fault["function"] = json!(state);
    // Only ValidateAmi is told of this image for the parameter and for the stack.
    let stack = &pair.healing.stack.name;
    fault["match"] = json!(if state == "ValidateAmi" { stack } else { image });
    fault
}

fn heals(ended: &Ended, after: &Stand, image: &str) -> Result<()> {
    let report = expect::report(ended, Outcome::Promoted)?;
    let is_updated = report.targets.iter().all(|target| target.outcome == TargetOutcome::Updated);
    ensure!(is_updated && report.targets.len() == 2, "{report:#?}");
    ensure!(after.value == image && after.image == image, "{after:?}, not {image}");
    Ok(())
}

/// The target that was struck has failed by that name, and is as it was unless it had been written
/// before; the other one has its image.
pub fn fails(
    ended: &Ended,
    state: &str,
    error: &str,
    before: &Stand,
    after: &Stand,
    image: &str,
) -> Result<()> {
    if state == "ResolveTags" {
        ensure!(ended.status == "FAILED" && ended.error.as_deref() == Some(error), "{ended:?}");
        ensure!(after == before, "{after:?} was {before:?}");
        return Ok(());
    }
    if state == "Report" {
        return promotes_all_the_same(ended, error, after, image);
    }
    let targets = expect::report(ended, Outcome::Failed)?.targets;
    let other = target(&targets, other_of(state))?;
    let struck = targets.iter().find(|target| target.pattern != other.pattern);
    let struck = struck.context("one target only")?;
    let found = struck.error.as_ref().context("no error")?;
    ensure!(struck.outcome == TargetOutcome::Failed, "{struck:#?}");
    ensure!((found.step.as_str(), found.name.as_str()) == (state, error), "{found:?}");
    ensure!(other.outcome == TargetOutcome::Updated && other.error.is_none(), "{other:#?}");
    let is_written = ["WaitStackComplete", "DetectDrift", "InstanceRefresh"].contains(&state);
    let (value, stack) = match state {
        "PromoteSsm" => (before.value.as_str(), image),
        _ => (image, if is_written { image } else { &before.image }),
    };
    ensure!(after.value == value && after.image == stack, "{after:?} was {before:?}");
    Ok(())
}

/// The report is lost and no promotion is: the cause has what was made, and every target its image.
fn promotes_all_the_same(ended: &Ended, error: &str, after: &Stand, image: &str) -> Result<()> {
    let name = ended.error.as_deref().unwrap_or_default();
    ensure!(name == ErrorName::ReportFailed.as_str(), "{ended:?}");
    let cause: Value = serde_json::from_str(ended.cause.as_deref().unwrap_or_default())?;
    ensure!(cause["error"]["Error"] == error, "{cause}");
    let targets = cause["targets"].as_array().context("no targets")?;
    let has_written = targets.iter().filter(|target| target["hasWritten"] == true).count();
    ensure!(targets.len() == 2 && has_written == 2, "{cause}");
    ensure!(after.value == image && after.image == image, "{after:?}, not {image}");
    Ok(())
}
