//! How long things may take: the machine's own limit is the last resort, so everything that has a
//! bound of its own reaches that first, and says by name what took too long.

use serde_json::Value;

use crate::machine::{State, definition, states, tasks};

/// The delays of all retries of a state, in seconds, as if each retrier were used up.
fn retries(task: &State) -> f64 {
    let number = |retrier: &Value, field: &str, default: f64| {
        retrier.get(field).and_then(Value::as_f64).unwrap_or(default)
    };
    let delays = |retrier: &Value| -> f64 {
        let (first, rate) =
            (number(retrier, "IntervalSeconds", 1.0), number(retrier, "BackoffRate", 2.0));
        let most = number(retrier, "MaxDelaySeconds", f64::MAX);
        let attempts = retrier["MaxAttempts"].as_i64().expect("MaxAttempts");
        let delay = |attempt: i64| (first * rate.powi(i32::try_from(attempt).unwrap())).min(most);
        (0..attempts).map(delay).sum()
    };
    task.list("Retry").iter().map(delays).sum()
}

/// How often a Wait state is passed at most: the bound on the looks, or on the decisions, in a
/// Choice that leads to it.
fn passes(wait: &str) -> f64 {
    let leading = states().into_iter().filter(|state| {
        state.kind() == "Choice" && state.edges().iter().any(|edge| edge.to == wait)
    });
    let bounds = leading.flat_map(|choice| {
        let conditions = choice.edges().into_iter().filter_map(|edge| edge.condition);
        conditions
            .filter_map(|condition| {
                let (_, bound) =
                    condition.split_once("$looks >= ").or(condition.split_once("$decisions <= "))?;
                bound.trim_end_matches(" %}").parse::<f64>().ok()
            })
            .collect::<Vec<_>>()
    });
    bounds
        .fold(None, |most: Option<f64>, bound| Some(most.unwrap_or(0.0).max(bound)))
        .unwrap_or_else(|| panic!("no Choice bounds {wait}"))
}

#[test]
fn all_bounds_together_are_within_the_machines_own_limit() {
    let waits = states().into_iter().filter(|state| state.kind() == "Wait");
    let waits: f64 =
        waits.map(|wait| wait.body["Seconds"].as_f64().expect("Seconds") * passes(wait.name)).sum();
    let retries: f64 = tasks().iter().map(retries).sum();
    let limit = definition()["TimeoutSeconds"].as_f64().expect("TimeoutSeconds");
    let longest = waits + retries;
    assert!(longest < limit, "waits {waits} s and retries {retries} s are more than {limit} s");
}
