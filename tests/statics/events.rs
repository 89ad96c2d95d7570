//! What Step Functions records of one visit of a state (`HistoryEvent`, `type`; as recorded on AWS).

use serde_json::Value;

use crate::history::{Longest, execution, part};

/// How many items a Map has at most, by its name.
pub type Items<'a> = &'a dyn Fn(&str) -> Option<f64>;

/// The events of one visit, every retrier used up. Adds what is in the state.
pub fn of_visit(
    name: &str,
    state: &Value,
    items: Items,
    all: &mut Vec<Longest>,
) -> Result<f64, String> {
    const ENTERED: f64 = 1.0;
    const EXITED: f64 = 1.0;
    let once = match state["Type"].as_str().unwrap_or_default() {
        "Task" => of_attempt(state),
        "Map" if state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED" => {
            // Its items are executions of their own.
            execution(name, &state["ItemProcessor"], items, all)?;
            // MapStateStarted, MapRunStarted, and MapRunSucceeded and MapStateSucceeded, or
            // MapRunFailed and MapStateFailed.
            4.0
        }
        "Map" => {
            let count = items(name).ok_or(format!("how many items has {name}?"))?;
            let inner = part(name, &state["ItemProcessor"], items, all)?;
            // MapStateStarted, and MapStateSucceeded or MapStateFailed; for each item
            // MapIterationStarted, and MapIterationSucceeded, MapIterationFailed or
            // MapIterationAborted.
            2.0 + count * (2.0 + inner)
        }
        "Parallel" => {
            let branches = state["Branches"].as_array().into_iter().flatten();
            let inner = branches.map(|branch| part(name, branch, items, all));
            // ParallelStateStarted, and ParallelStateSucceeded or ParallelStateFailed.
            2.0 + inner.sum::<Result<f64, _>>()?
        }
        // It fails with its execution.
        "Fail" => return Ok(ENTERED),
        _ => 0.0,
    };
    Ok(ENTERED + attempts(state) * once + EXITED)
}

/// `TaskScheduled`, `TaskStarted`, and `TaskSucceeded`, `TaskFailed` or `TaskTimedOut`; where Step
/// Functions waits for a job or a token, `TaskSubmitted` too.
pub fn of_attempt(task: &Value) -> f64 {
    let resource = task["Resource"].as_str().unwrap_or_default();
    let waits = [".sync", ".sync:2", ".waitForTaskToken"].iter().any(|end| resource.ends_with(end));
    if waits { 4.0 } else { 3.0 }
}

/// The first one and every retry: retriers count for themselves.
fn attempts(state: &Value) -> f64 {
    let retriers = state["Retry"].as_array().into_iter().flatten();
    // Three is Step Functions' default.
    1.0 + retriers.map(|retrier| retrier["MaxAttempts"].as_f64().unwrap_or(3.0)).sum::<f64>()
}
