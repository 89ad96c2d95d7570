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

use crate::deployed::planned;
use crate::pair::{Pair, Stand, target};
use crate::{definition, expect, transcript};

const ONLY_HERE: &str = "only in a local AWS a function can be sabotaged";

/// A test for each Task state.
pub fn trials() -> Vec<Trial> {
    let tasks = definition::of_type("Task").expect("the state machine's definition");
    let trial = |state: String| {
        let name = format!("saboteur::{state}_fails_once");
        crate::trial(&format!("workflow::{name}"), Some(ONLY_HERE), async move |s: &Scenario| {
            fails_once(s, &state).await
        })
    };
    tasks.into_iter().map(trial).collect()
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
        golden += &format!("{error}: {}", transcript::of(&ended)?);
    }
    expect::in_sync(&pair.healing.stack).await?;
    transcript::is_golden(state, &golden);
    Ok(())
}

/// Everything that this state's function may answer, or that may come in its place.
fn sabotages(state: &str, task: &Value) -> Vec<Sabotage> {
    let mut all = Vec::new();
    for name in ErrorName::ALL.iter().filter(|name| name.is_raised_by(state)) {
        let is_caught_and_decided_again = *name == ErrorName::ConcurrentWrite;
        let is_healed = is_caught_and_decided_again || definition::retries(task, name.as_str());
        all.push(Sabotage {
            error: name.to_string(),
            fate: if is_healed { Fate::Heals } else { Fate::Fails },
            fault: json!({
                "kind": "function-error", "errorType": name, "errorMessage": "sabotage",
            }),
        });
    }
    let lambda = |error: &str, fate, fault| Sabotage { error: error.into(), fate, fault };
    let service = |code| json!({"kind": "error", "code": code, "message": "sabotage"});
    all.extend([
        lambda("Lambda.TooManyRequestsException", Fate::Heals, json!({"kind": "throttle"})),
        lambda("Lambda.ServiceException", Fate::Heals, json!({"kind": "5xx"})),
        lambda("Lambda.AWSLambdaException", Fate::Heals, service("AWSLambdaException")),
        lambda("Lambda.SdkClientException", Fate::Heals, service("SdkClientException")),
        lambda(
            "Lambda.ClientExecutionTimeoutException",
            Fate::Heals,
            service("ClientExecutionTimeoutException"),
        ),
        lambda(
            "Lambda.ResourceNotFoundException",
            Fate::Fails,
            service("ResourceNotFoundException"),
        ),
        lambda("Sandbox.Timedout", Fate::Heals, json!({"kind": "timeout"})),
        lambda("Runtime.ExitError", Fate::Heals, json!({"kind": "out-of-memory"})),
        lambda("Lambda.Unknown", Fate::Heals, json!({"kind": "function-error"})),
        lambda(
            "NobodyKnowsMe",
            Fate::Fails,
            json!({
                "kind": "function-error", "errorType": "NobodyKnowsMe", "errorMessage": "sabotage",
            }),
        ),
    ]);
    all
}

/// The fault, once, at this state's function when it works for the target that it is for: the
/// stack, except where only the parameter gets that far.
fn aimed(mut fault: Value, state: &str, pair: &Pair, image: &str) -> Value {
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
fn fails(
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
    let targets = expect::report(ended, Outcome::Failed)?.targets;
    let (struck, other) = match state {
        "PromoteSsm" => (Pattern::Parameter, Pattern::Stack),
        _ => (Pattern::Stack, Pattern::Parameter),
    };
    let (struck, other) = (target(&targets, struck)?, target(&targets, other)?);
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
