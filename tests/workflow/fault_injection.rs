//! Every step fails once: the local AWS injects each error that the step can raise, and each fault
//! of the Lambda service, instead of its function's response. The execution ends as the
//! catalogue says, the other target gets its image, and the path differs from the happy path as the
//! snapshot says.
//!
//! The steps are those of the state machine's definition, the errors those of the catalogue.

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::target::Pattern;
use harness::Scenario;
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::support::deployed::{careful, planned};
use crate::support::faults::{fails, fault, heals, other_of, targeting};
use crate::support::transcript::{self, Transcript};
use crate::support::two_targets::{TwoTargets, target};
use crate::support::{definition, expect};

const ONLY_HERE: &str = "only in a local AWS a fault can be injected";

/// A test for each Task state.
pub fn trials() -> Vec<Trial> {
    let tasks = definition::of_type("Task").expect("the state machine's definition");
    let once = |state: &String| {
        let (name, state) =
            (format!("workflow::fault_injection::{state}_fails_once"), state.clone());
        crate::trial(&name, Some(ONLY_HERE), async move |s: &Scenario| fails_once(s, &state).await)
    };
    let undone = |state: &String| {
        let name = format!("workflow::fault_injection::{state}_fails_and_nothing_stays_behind");
        let state = state.clone();
        crate::trial(&name, Some(ONLY_HERE), async move |s: &Scenario| is_undone(s, &state).await)
    };
    tasks.iter().map(once).chain(tasks.iter().map(undone)).collect()
}

/// The result for a state whose function returns this once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expectation {
    /// The state is entered again, and the promotion succeeds.
    Heals,
    /// The target fails with this error; for the first and the last state, the execution does.
    Fails,
}

/// One error to inject.
struct Injection {
    /// As Step Functions sees it.
    error: String,
    expectation: Expectation,
    fault: Value,
}

/// The happy path of [`planned`] and of [`careful`].
static PLANNED: OnceCell<Transcript> = OnceCell::const_new();
static CAREFUL: OnceCell<Transcript> = OnceCell::const_new();

/// The path without a fault. The first test that needs it promotes, and compares it with its
/// snapshot.
async fn happy_path<'a>(
    s: &Scenario,
    path: &'a OnceCell<Transcript>,
    name: &str,
) -> Result<&'a Transcript> {
    let promoted = async || {
        let targets = TwoTargets::new(s).await?;
        let ended = targets.promote(s, &targets.image(s).await?).await?;
        let path = Transcript::of(&ended, "")?;
        transcript::is_golden(name, &path.to_string());
        Ok(path)
    };
    path.get_or_try_init(promoted).await
}

async fn fails_once(s: &Scenario, state: &str) -> Result<()> {
    let s = &planned(s).await?;
    let happy = happy_path(s, &PLANNED, transcript::HAPPY_PATH).await?;
    let targets = TwoTargets::new(s).await?;
    let task = definition::states()?.remove(state).context("no such state")?;
    // The errors of each path.
    let mut paths: Vec<(Transcript, Vec<String>)> = Vec::new();
    for Injection { error, expectation, fault } in injections(state, &task) {
        let image = targets.image(s).await?;
        let before = targets.snapshot(s).await?;
        let fault = targeting(fault, state, &targets, &image);
        let ended = async {
            let ended = targets.promote_with(s, &image, &fault).await?;
            let after = targets.snapshot(s).await?;
            match expectation {
                Expectation::Heals => heals(&ended, &after, &image)?,
                Expectation::Fails => fails(&ended, state, &error, &before, &after, &image)?,
            }
            // A busy machine may bring about more that passes by itself.
            let first = ended.transcript.iter().find_map(|step| {
                let counts = |found: &&String| **found == error || !transcript::passes(found);
                Some((step.state.as_str(), step.errors.iter().find(counts)?))
            });
            ensure!(first == Some((state, &error)), "{first:?} failed first");
            anyhow::Ok(ended)
        };
        let ended = ended.await.with_context(|| format!("{state} answers {error}"))?;
        let path = Transcript::of(&ended, &error)?;
        match paths.iter_mut().find(|(found, _)| *found == path) {
            Some((_, errors)) => errors.push(error),
            None => paths.push((path, vec![error])),
        }
    }
    expect::in_sync(&targets.healing.stack).await?;
    let told = paths.iter().map(|(path, errors)| path.against(happy, &errors.join(", ")));
    transcript::is_golden(state, &told.collect::<String>());
    Ok(())
}

/// If the operator has chosen to roll back failed promotions, whichever step fails, the failed
/// target is as it was before, and the other one has its image.
async fn is_undone(s: &Scenario, state: &str) -> Result<()> {
    const ERROR: &str = ErrorName::UnexpectedAnswer.as_str();
    let s = &careful(s).await?;
    let happy = happy_path(s, &CAREFUL, "happy-path-careful").await?;
    let targets = TwoTargets::new(s).await?;
    let image = targets.image(s).await?;
    let before = targets.snapshot(s).await?;
    let fault = targeting(fault(ERROR), state, &targets, &image);
    let ended = targets.promote_with(s, &image, &fault).await?;
    let after = targets.snapshot(s).await?;
    if ["ResolveTags", "Report"].contains(&state) {
        fails(&ended, state, ERROR, &before, &after, &image)?;
    } else {
        let report = expect::report(&ended, Outcome::Failed)?;
        let other = target(&report.targets, other_of(state))?;
        ensure!(other.outcome == TargetOutcome::Updated, "{other:#?}");
        let (struck, spared): ((&String, &String), _) = match other.pattern {
            Pattern::Stack => ((&after.value, &before.value), &after.image),
            Pattern::Parameter => ((&after.image, &before.image), &after.value),
        };
        // These failed without finding anything wrong with the image: a good promotion stays.
        // DetectDrift failed before the write: there it detects earlier drift.
        let proves_nothing =
            ["WaitStackComplete", "VerifyGroups", "InstanceRefresh", "GuardImages"];
        let expected = if proves_nothing.contains(&state) { &image } else { struck.1 };
        ensure!(struck.0 == expected && *spared == image, "{after:?} was {before:?}");
    }
    let path = Transcript::of(&ended, ERROR)?.against(happy, ERROR);
    transcript::is_golden(&format!("{state}-undone"), &path);
    expect::heals_into(&targets.healing, &after.image).await
}

/// Every error that this state's function may raise, or that Lambda may return instead.
fn injections(state: &str, task: &Value) -> Vec<Injection> {
    let raised = ErrorName::ALL.iter().filter(|name| name.is_raised_by(state));
    let errors = raised.map(|name| name.as_str()).chain(LAMBDA_FAULTS);
    let injection = |error: &str| {
        let is_healed = definition::recovers(task, error);
        let expectation = if is_healed { Expectation::Heals } else { Expectation::Fails };
        Injection { error: error.to_owned(), expectation, fault: fault(error) }
    };
    errors.map(injection).collect()
}

/// The errors of the Lambda service and of a function that is cut off, and an unknown name.
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
