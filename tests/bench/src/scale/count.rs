//! Counts what executions cost, in the local AWS's recordings of them: one file for each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use harness::control::{self, Call};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// In the name of the state machine that announces.
const ANNOUNCE: &str = "Announce";

/// The counts of one reconcile.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    /// Of `promote-ami`, one for each target.
    pub promotions: Executions,
    /// The pages of the reconcile.
    pub pages: Executions,
    /// The reconcile itself.
    pub reconcile: Executions,
    /// What tells of each of them that has ended, as an Express workflow.
    pub announcements: Executions,
    /// The calls to AWS by action.
    pub calls_by_action: BTreeMap<String, usize>,
}

/// The counts of some executions.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Executions {
    pub executions: usize,
    /// States entered and tasks retried: what Step Functions charges for.
    pub transitions: usize,
    /// The events of the longest history.
    pub longest_history: usize,
    /// The largest input or output of a state, in bytes.
    pub largest_data: usize,
    /// Invocations of functions.
    pub invocations: usize,
    /// How long these took, by the events' times.
    pub seconds_of_functions: f64,
    /// How long the executions took together.
    pub seconds: f64,
}

#[derive(Deserialize)]
struct Recording {
    execution: Execution,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Execution {
    state_machine_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: u64,
    #[serde(default)]
    previous_event_id: u64,
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Removes all recordings.
pub(super) fn forget(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}

impl Counts {
    /// Those of all executions in the folder that have ended.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let mut counts = Self::default();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            // One that is being written has another name.
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).with_context(|| path.display().to_string())?;
            let recording: Recording =
                serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
            counts.kind(&recording.execution.state_machine_arn).add(&recording.events)?;
        }
        Ok(counts)
    }

    /// Whether each execution that can be announced is, at least so many.
    pub(super) fn are_announced(&self, targets: usize) -> bool {
        let announced = self.announcements.executions;
        announced == self.promotions.executions + self.reconcile.executions && announced > targets
    }

    /// Adds the calls.
    pub(super) fn add<'a>(&mut self, calls: impl Iterator<Item = &'a Call>) {
        for call in calls {
            let action = format!("{}:{}", call.service, call.action);
            *self.calls_by_action.entry(action).or_default() += 1;
        }
    }

    /// A page's state machine is `NAME/LABEL`.
    fn kind(&mut self, machine: &str) -> &mut Executions {
        if machine.contains(ANNOUNCE) {
            &mut self.announcements
        } else if machine.contains('/') {
            &mut self.pages
        } else if machine.contains("Reconcile") {
            &mut self.reconcile
        } else {
            &mut self.promotions
        }
    }

    fn all(&self) -> [&Executions; 4] {
        [&self.promotions, &self.pages, &self.reconcile, &self.announcements]
    }

    /// Of all executions. An Express workflow is not charged by transitions.
    pub(super) fn transitions(&self) -> usize {
        self.all().iter().map(|one| one.transitions).sum::<usize>() - self.announcements.transitions
    }

    /// Of all executions.
    pub(super) fn invocations(&self) -> usize {
        self.all().iter().map(|one| one.invocations).sum()
    }

    /// Of all executions, in seconds.
    pub(super) fn seconds_of_functions(&self) -> f64 {
        self.all().iter().map(|one| one.seconds_of_functions).sum()
    }

    /// Of all functions.
    pub(super) fn calls(&self) -> usize {
        self.calls_by_action.values().sum()
    }

    /// The events of the longest history.
    pub(super) fn longest_history(&self) -> usize {
        self.all().iter().map(|one| one.longest_history).max().unwrap_or_default()
    }

    /// The largest input or output of a state, in bytes.
    pub(super) fn largest_data(&self) -> usize {
        self.all().iter().map(|one| one.largest_data).max().unwrap_or_default()
    }
}

impl Executions {
    fn add(&mut self, events: &[Event]) -> Result<()> {
        self.executions += 1;
        self.longest_history = self.longest_history.max(events.len());
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            self.seconds +=
                (milliseconds(&last.timestamp)? - milliseconds(&first.timestamp)?) / 1000.0;
        }
        let mut scheduled = 0;
        let mut tasks = 0;
        let mut invoked = BTreeMap::new();
        for event in events {
            if event.kind.ends_with("StateEntered") {
                self.transitions += 1;
                tasks += usize::from(event.kind == "TaskStateEntered");
            }
            let details = event.rest.values().find(|value| value.is_object());
            let details = details.unwrap_or(&Value::Null);
            for field in ["input", "output"] {
                let length = details[field].as_str().map_or(0, str::len);
                self.largest_data = self.largest_data.max(length);
            }
            match event.kind.as_str() {
                "TaskScheduled" => scheduled += 1,
                "TaskStarted" if details["resourceType"] == "lambda" => {
                    self.invocations += 1;
                    invoked.insert(event.id, milliseconds(&event.timestamp)?);
                }
                "TaskSucceeded" | "TaskFailed" | "TaskTimedOut" => {
                    if let Some(began) = invoked.remove(&event.previous_event_id) {
                        let took = milliseconds(&event.timestamp)? - began;
                        self.seconds_of_functions += took / 1000.0;
                    }
                }
                _ => {}
            }
        }
        // A retry is charged as a transition (Step Functions pricing).
        self.transitions += scheduled.max(tasks) - tasks;
        Ok(())
    }
}

/// A recording's time, in milliseconds since 1970.
fn milliseconds(time: &str) -> Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let milliseconds = control::milliseconds(time)? as f64;
    Ok(milliseconds)
}
