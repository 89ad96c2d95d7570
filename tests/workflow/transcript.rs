//! Owns the golden transcripts: the states that an execution entered, and the errors of their
//! attempts, in order, against `transcripts/*.snap`.
//!
//! When one differs, read the difference. If it is meant, run the test with `INSTA_UPDATE=always`
//! and commit what it wrote.

use std::fmt::Write;

use anyhow::{Context, Result};
use contract::ErrorName;
use harness::Ended;
use harness::execution::Step;

use crate::definition;

/// Compares the text with the golden one of this name. It panics when they differ.
pub fn is_golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("transcripts");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A line for the execution itself and one for each target. How often a state was looked at until
/// something had happened is a matter of time, and left out; so are errors that only say that
/// something is not over yet, where no saboteur raises them.
pub fn of(ended: &Ended, sabotage: &str) -> Result<String> {
    let waits = definition::of_type("Wait")?;
    let line = |branch: Option<i32>| {
        let steps = ended.transcript.iter().filter(|step| step.branch == branch);
        let steps = without_polls(steps.cloned().collect(), &waits);
        let told = |step: &Step| without_waiting(step, sabotage).to_string();
        let names: Vec<_> = steps.iter().map(told).collect();
        names.join(" > ")
    };
    let mut text = format!("{} {}\n", ended.status, ended.error.as_deref().unwrap_or_default());
    writeln!(text, "  {}", line(None))?;
    let has_report = ended.error.as_deref() != Some(ErrorName::ReportFailed.as_str());
    if has_report && ended.transcript.iter().any(|step| step.branch.is_some()) {
        for (branch, target) in ended.report()?.targets.iter().enumerate() {
            let branch = i32::try_from(branch).context("many targets")?;
            writeln!(text, "  {:?} {:?}: {}", target.pattern, target.outcome, line(Some(branch)))?;
        }
    }
    Ok(text)
}

fn without_waiting(step: &Step, sabotage: &str) -> Step {
    const WAITING: [ErrorName; 2] = [ErrorName::StackBusy, ErrorName::DriftDetectionBusy];
    let mut step = step.clone();
    step.errors.retain(|error| {
        error == sabotage || WAITING.iter().all(|waiting| error != waiting.as_str())
    });
    step
}

/// Without the waits that led to the same states again, where nothing else happened there.
fn without_polls(mut steps: Vec<Step>, waits: &[String]) -> Vec<Step> {
    const LONGEST: usize = 3;
    let is_same = |a: &Step, b: &Step| a.state == b.state && b.errors.is_empty();
    let mut at = 0;
    while at < steps.len() {
        let polled = waits.contains(&steps[at].state).then(|| {
            (1..=LONGEST.min(at)).find(|&length| {
                let after = steps.get(at + 1..at + 1 + length);
                let before = &steps[at - length..at];
                after.is_some_and(|after| before.iter().zip(after).all(|(b, a)| is_same(b, a)))
            })
        });
        match polled.flatten() {
            Some(length) => drop(steps.drain(at..=at + length)),
            None => at += 1,
        }
    }
    steps
}
