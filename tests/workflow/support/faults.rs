//! Faults of the functions: an error instead of a function's response, and the expected outcome of
//! the two targets.

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::target::Pattern;
use harness::Ended;
use serde_json::{Value, json};

use super::expect;
use super::two_targets::{Snapshot, TwoTargets, both_updated, target};

/// The fault that has Step Functions see this error.
pub fn fault(error: &str) -> Value {
    match error {
        "Lambda.TooManyRequestsException" => json!({"kind": "throttle"}),
        "Lambda.ServiceException" => json!({"kind": "5xx"}),
        "Lambda.Unknown" => json!({"kind": "function-error"}),
        "Sandbox.Timedout" => json!({"kind": "timeout"}),
        "Runtime.ExitError" => json!({"kind": "out-of-memory"}),
        _ => match error.strip_prefix("Lambda.") {
            Some(code) => json!({"kind": "error", "code": code, "message": "injected"}),
            None => json!({
                "kind": "function-error", "errorType": error, "errorMessage": "injected",
            }),
        },
    }
}

/// The fault at this state's function when it works for the target that is struck: the stack,
/// except where only the parameter gets that far.
pub fn targeting(mut fault: Value, state: &str, targets: &TwoTargets, image: &str) -> Value {
    fault["service"] = json!("lambda");
    fault["action"] = json!("Invoke");
    fault["function"] = json!(state);
    // Both targets have the image; what else these get tells them apart.
    fault["match"] = json!(match state {
        "ValidateAmi" | "DetectDrift" | "VerifyGroups" | "GuardImages" =>
            targets.healing.stack.name.as_str(),
        "InstanceRefresh" => targets.healing.group.name.as_str(),
        _ => image,
    });
    fault
}

/// Both targets have the image.
pub fn heals(ended: &Ended, after: &Snapshot, image: &str) -> Result<()> {
    both_updated(ended)?;
    ensure!(after.value == image && after.image == image, "{after:?}, not {image}");
    Ok(())
}

/// The target that was struck has failed by that name, and is as it was unless it had been written
/// before; the other one has its image.
pub fn fails(
    ended: &Ended,
    state: &str,
    error: &str,
    before: &Snapshot,
    after: &Snapshot,
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
    let is_written =
        ["WaitStackComplete", "DetectDrift", "VerifyGroups", "InstanceRefresh", "GuardImages"]
            .contains(&state);
    let (value, stack) = match state {
        "PromoteSsm" => (before.value.as_str(), image),
        _ => (image, if is_written { image } else { &before.image }),
    };
    ensure!(after.value == value && after.image == stack, "{after:?} was {before:?}");
    Ok(())
}

/// The other target: a fault at this state never strikes it.
pub fn other_of(state: &str) -> Pattern {
    if state == "PromoteSsm" { Pattern::Stack } else { Pattern::Parameter }
}

/// The report is lost but no promotion is: the cause has what was written, and every target its
/// image.
fn promotes_all_the_same(ended: &Ended, error: &str, after: &Snapshot, image: &str) -> Result<()> {
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
