//! Reads an execution's history: which states it enters, and which attempts fail.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};

/// The maximum number of targets whose states are printed one by one.
const MAX_TARGETS: i32 = 10;

/// What has been read so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    seen: i64,
    /// For each event the state and the target that it belongs to. An event has the ID of the one
    /// before it in its own branch.
    places: HashMap<i64, Place>,
    /// What was printed last for each target.
    last: HashMap<Option<i32>, String>,
    /// How many targets there are, if there is more than one.
    targets: i32,
    /// How many of them have ended.
    done: i64,
    /// The run of a Distributed Map, whose targets are in no history but its own.
    map_run: Option<MapRun>,
    now: String,
}

/// A run of a Distributed Map.
#[derive(Debug, Clone)]
struct MapRun {
    arn: String,
    state: String,
}

#[derive(Debug, Clone, Default)]
struct Place {
    state: String,
    /// The number of the Map state's iteration.
    target: Option<i32>,
}

/// Something to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    target: Option<i32>,
    text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Some(target) => write!(f, "target {}  {}", target + 1, self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Trace {
    /// The last event that was read.
    pub(crate) const fn seen(&self) -> i64 {
        self.seen
    }

    /// The run of a Distributed Map that has not ended.
    pub(crate) fn map_run(&self) -> Option<&str> {
        self.map_run.as_ref().map(|run| run.arn.as_str())
    }

    /// How many targets of the Distributed Map have ended by now. Returns what to print, if that is
    /// news.
    pub(crate) fn count(&mut self, done: i64) -> Option<Line> {
        let state = &self.map_run.as_ref()?.state;
        let text = format!("{state}: {done} of {} targets", self.targets);
        (std::mem::replace(&mut self.done, done) < done).then_some(Line { target: None, text })
    }

    /// What is happening, for a spinner.
    pub(crate) fn now(&self) -> String {
        match self.targets {
            0 | 1 => self.now.clone(),
            targets => format!("{} of {targets} targets", self.done),
        }
    }

    /// Reads the next event, and returns what to print.
    pub(crate) fn add(&mut self, event: &HistoryEvent) -> Option<Line> {
        self.seen = event.id;
        let mut place = self.places.get(&event.previous_event_id).cloned().unwrap_or_default();
        if let Some(iteration) = event.map_iteration_started_event_details() {
            place.target = Some(iteration.index());
        }
        if let Some(entered) = event.state_entered_event_details() {
            entered.name().clone_into(&mut place.state);
        }
        let line = self.line(event, &place);
        if is_end_of_map(&event.r#type) {
            place.target = None;
        }
        self.places.insert(event.id, place);
        line
    }

    fn line(&mut self, event: &HistoryEvent, place: &Place) -> Option<Line> {
        use HistoryEventType as Type;
        let text = match &event.r#type {
            Type::MapRunStarted => {
                let arn = event.map_run_started_event_details().and_then(|run| run.map_run_arn());
                let state = place.state.clone();
                self.map_run = arn.map(|arn| MapRun { arn: arn.to_owned(), state });
                return None;
            }
            Type::MapRunSucceeded => {
                let line = self.count(self.targets.into());
                self.map_run = None;
                return line;
            }
            Type::MapStateSucceeded | Type::MapStateFailed => {
                (self.targets, self.map_run) = (0, None);
                return None;
            }
            Type::MapStateStarted => {
                self.done = 0;
                self.targets =
                    event.map_state_started_event_details().map_or(0, |map| map.length());
                return (self.targets > 1).then(|| Line {
                    target: None,
                    text: format!("{}: {} targets", place.state, self.targets),
                });
            }
            Type::MapIterationSucceeded | Type::MapIterationFailed | Type::MapIterationAborted => {
                self.done += 1;
                return None;
            }
            // Choices, passes and waits between two polls say nothing to an operator.
            Type::TaskStateEntered | Type::SucceedStateEntered | Type::FailStateEntered => {
                self.now.clone_from(&place.state);
                place.state.clone()
            }
            _ => format!("{}: {}", place.state, error(event)?),
        };
        let is_new = self.last.insert(place.target, text.clone()).as_ref() != Some(&text);
        let target = place.target.filter(|_| self.targets > 1);
        let is_shown = is_new && (target.is_none() || self.targets <= MAX_TARGETS);
        is_shown.then_some(Line { target, text })
    }
}

/// AWS links the exit of a Map to the last iteration's event, not to the Map's success.
fn is_end_of_map(kind: &HistoryEventType) -> bool {
    matches!(
        kind,
        HistoryEventType::MapStateSucceeded
            | HistoryEventType::MapStateFailed
            | HistoryEventType::MapStateExited
    )
}

/// The name of the error, if an attempt of a task has failed.
fn error(event: &HistoryEvent) -> Option<&str> {
    let task = event.task_failed_event_details().and_then(|details| details.error());
    let lambda = event.lambda_function_failed_event_details().and_then(|details| details.error());
    let timeout = event.task_timed_out_event_details().and_then(|details| details.error());
    task.or(lambda).or(timeout)
}
