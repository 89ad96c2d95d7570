//! Every step runs twice with the same input, as Step Functions and Lambda may have it: the end is
//! the same, and nothing is written a second time.

use anyhow::{Result, ensure};
use contract::report::{Outcome, TargetOutcome};
use harness::Scenario;
use libtest_mimic::Trial;
use serde_json::json;

use crate::deployed::planned;
use crate::pair::{Pair, Stand};
use crate::{definition, expect, transcript};

const ONLY_HERE: &str = "only in a local AWS a function can be run twice";
/// The first calls of the function: those that begin something, and those that find it begun.
const CALLS: usize = 2;

/// A test for each Task state.
pub fn trials() -> Vec<Trial> {
    let tasks = definition::of_type("Task").expect("the state machine's definition");
    let trial = |state: String| {
        let name = format!("workflow::twice::{state}_runs_twice");
        crate::trial(&name, Some(ONLY_HERE), async move |s: &Scenario| runs_twice(s, &state).await)
    };
    tasks.into_iter().map(trial).collect()
}

async fn runs_twice(s: &Scenario, state: &str) -> Result<()> {
    let s = &planned(s).await?;
    let pair = Pair::new(s).await?;
    let image = pair.image(s).await?;
    let before = pair.stand(s).await?;
    let of = if state == "ValidateAmi" { &pair.healing.stack.name } else { &image };
    let fault = json!({
        "service": "lambda", "action": "Invoke", "kind": "twice", "function": state, "match": of,
        "count": CALLS,
    });
    let ended = pair.promote(s, &image, &fault).await?;
    let report = expect::report(&ended, Outcome::Promoted)?;
    let is_updated = report.targets.iter().all(|target| target.outcome == TargetOutcome::Updated);
    ensure!(is_updated && report.targets.len() == 2, "{report:#?}");
    is_done_once(&before, &pair.stand(s).await?, &image)?;
    transcript::is_golden(&format!("{state}-twice"), &transcript::of(&ended, "")?);
    expect::heals_into(&pair.healing, &image).await
}

/// The image is in place, by one write of each kind.
pub fn is_done_once(before: &Stand, after: &Stand, image: &str) -> Result<()> {
    let once = Stand {
        value: image.to_owned(),
        version: before.version + 1,
        image: image.to_owned(),
        updates: before.updates + 1,
        refreshes: before.refreshes + 1,
    };
    ensure!(*after == once, "{after:#?}, not {once:#?}");
    Ok(())
}
