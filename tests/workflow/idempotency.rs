//! Every step runs twice with the same input, as Step Functions and Lambda may do: the path and the
//! result are the same, and nothing is written twice.

use anyhow::Result;
use harness::Scenario;
use libtest_mimic::Trial;
use serde_json::json;

use crate::support::definition;
use crate::support::deployed::planned;
use crate::support::transcript::{self, Transcript};
use crate::support::two_targets::TwoTargets;

const ONLY_HERE: &str = "only in a local AWS a function can be run twice";
/// The first calls of the function: those that start an operation, and those that find it started.
const CALLS: usize = 2;

/// A test for each Task state.
pub fn trials() -> Vec<Trial> {
    let tasks = definition::of_type("Task").expect("the state machine's definition");
    let trial = |state: String| {
        let name = format!("workflow::idempotency::{state}_runs_twice");
        crate::trial(&name, Some(ONLY_HERE), async move |s: &Scenario| runs_twice(s, &state).await)
    };
    tasks.into_iter().map(trial).collect()
}

async fn runs_twice(s: &Scenario, state: &str) -> Result<()> {
    let s = &planned(s).await?;
    let targets = TwoTargets::new(s).await?;
    let image = targets.image(s).await?;
    let before = targets.snapshot(s).await?;
    let of = if ["ValidateAmi", "DetectDrift", "VerifyGroups"].contains(&state) {
        &targets.healing.stack.name
    } else {
        &image
    };
    let fault = json!({
        "service": "lambda", "action": "Invoke", "kind": "twice", "function": state, "match": of,
        "count": CALLS,
    });
    let ended = targets.promote_with(s, &image, &fault).await?;
    transcript::is_golden(transcript::HAPPY_PATH, &Transcript::of(&ended, "")?.to_string());
    targets.are_updated_once(s, &ended, &before, &image).await
}
