//! Golden transcripts: compares the states that an execution entered, and the errors of their
//! attempts, in order, with `transcripts/*.snap`. The happy path is there in full, every other path
//! only where it differs.
//!
//! If a transcript differs, read the difference. If it is intended, run the test with
//! `INSTA_UPDATE=always` and commit the new snapshot.

use std::fmt::{self, Display, Formatter};

use anyhow::Result;
use contract::ErrorName;
use contract::bounds::{BUSY, TRANSIENT_ERRORS};
use harness::Ended;
use harness::execution::Step;

use super::definition;

/// The snapshot of a promotion without a fault.
pub const HAPPY_PATH: &str = "happy-path";
/// Stands for the injected error.
const INJECTED: &str = "<error>";

/// An execution's outcome, and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    ended: String,
    /// The path of the execution itself, and that of each target.
    paths: Vec<Path>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Path {
    name: String,
    states: Vec<String>,
}

/// Compares the text with the golden one of this name. It panics when they differ.
pub fn is_golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../transcripts");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

impl Transcript {
    /// How often a state was polled until something had happened is a matter of time, and left out;
    /// so are errors that only say that something is not over yet, and those that pass by themselves,
    /// which a busy machine brings about, unless they are injected.
    pub fn of(ended: &Ended, injected: &str) -> Result<Self> {
        let waits = definition::of_type("Wait")?;
        let states = |branch: Option<i32>| -> Vec<String> {
            let steps = ended.transcript.iter().filter(|step| step.branch == branch);
            let steps = without_busy(steps.cloned().collect(), injected);
            let steps = without_polls(steps, &waits);
            steps.iter().map(|step| as_injected(step, injected).to_string()).collect()
        };
        let mut paths = vec![Path { name: "Execution".to_owned(), states: states(None) }];
        let targets = ended.report().map_or_else(|_| Vec::new(), |report| report.targets);
        let last = ended.transcript.iter().filter_map(|step| step.branch).max();
        for branch in 0..last.map_or(0, |last| last + 1) {
            let target = targets.get(usize::try_from(branch)?);
            let name = target.map(|target| format!("{:?} {:?}", target.pattern, target.outcome));
            let name = name.unwrap_or_else(|| "Target without a report".to_owned());
            paths.push(Path { name, states: states(Some(branch)) });
        }
        let error = ended.error.as_deref().map(|error| named(error, injected));
        let ended = [Some(ended.status.as_str()), error].into_iter().flatten();
        Ok(Self { ended: ended.collect::<Vec<_>>().join(" "), paths })
    }

    /// What differs from the happy path: of each path the states that are there instead of others,
    /// and the number of the first. The state that the execution ends in is named once.
    pub fn against(&self, happy: &Self, cause: &str) -> String {
        let mut text = format!("{}: {cause}\n", self.ended);
        let none = Path::default();
        for at in 0..self.paths.len().max(happy.paths.len()) {
            let [before, after] =
                [happy, self].map(|transcript| transcript.paths.get(at).unwrap_or(&none));
            if after.name.is_empty() {
                text += &format!("  without {}\n", before.name);
                continue;
            }
            let start = common(before.states.iter().zip(&after.states));
            let ends = before.states[start..].iter().rev().zip(after.states[start..].iter().rev());
            let end = common(ends);
            let instead = before.states.len() - end - start;
            let states = &after.states[start..after.states.len() - end];
            let is_last = matches!(states, [last] if self.ended.ends_with(last));
            if !states.is_empty() && !is_last {
                let (name, number, states) = (&after.name, start + 1, states.join(" > "));
                let instead =
                    if instead > 0 { format!(", in place of {instead}") } else { String::new() };
                text += &format!("  {name}, from state {number}{instead}: {states}\n");
            } else if before.name != after.name {
                text += &format!("  {} instead of {}\n", after.name, before.name);
            }
        }
        text
    }
}

impl Display for Transcript {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.ended)?;
        self.paths
            .iter()
            .try_for_each(|path| writeln!(f, "  {}: {}", path.name, path.states.join(" > ")))
    }
}

/// How many pairs are the same at the beginning.
fn common<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> usize {
    pairs.take_while(|(a, b)| a == b).count()
}

fn named<'a>(error: &'a str, injected: &str) -> &'a str {
    if error == injected { INJECTED } else { error }
}

fn as_injected(step: &Step, injected: &str) -> Step {
    let mut step = step.clone();
    step.errors.retain(|error| error == injected || !passes(error));
    if passes(injected) {
        step.errors.dedup();
    }
    for error in &mut step.errors {
        *error = named(error, injected).to_owned();
    }
    step
}

/// Whether this passes by itself: it is retried, wherever it happens.
pub fn passes(error: &str) -> bool {
    error == ErrorName::ServiceUnavailable.as_str() || TRANSIENT_ERRORS.contains(&error)
}

/// Without the waits for somebody else's operation: the state that found it under way, the Choice,
/// the Wait.
fn without_busy(mut steps: Vec<Step>, injected: &str) -> Vec<Step> {
    let is_busy = |step: &Step| {
        let mut loops = BUSY.iter().filter(|poll| poll.state == step.state);
        loops.any(|poll| {
            let error = poll.error.as_str();
            error != injected && step.errors.last().is_some_and(|last| last == error)
        })
    };
    let mut at = 0;
    while at + 3 < steps.len() {
        if is_busy(&steps[at]) && steps[at].state == steps[at + 3].state {
            steps.drain(at..at + 3);
        } else {
            at += 1;
        }
    }
    steps
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
