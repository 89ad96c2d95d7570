//! Timeouts: everything with a bound of its own reaches that before the state machine's timeout, so
//! that the error names what took too long.

use contract::bounds::{MAX_DECISIONS, POLLS};
use serde_json::Value;

use crate::machine::{State, definitions, states, steps};
use crate::none;

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

/// How often a Wait state is passed at most.
fn passes(wait: &str) -> u32 {
    POLLS.iter().find(|poll| poll.wait == wait).map_or(MAX_DECISIONS, |poll| poll.max_polls)
}

/// Whether a Choice leaves its loop by this condition.
fn leaves(condition: &str) -> bool {
    states().iter().flat_map(State::edges).any(|edge| edge.condition == Some(condition))
}

#[test]
fn each_loop_ends_at_the_bound_of_the_contract() {
    none(POLLS.iter().filter_map(|poll| {
        let bound = format!("{{% ${} >= {} %}}", poll.counter, poll.max_polls);
        (!leaves(&bound))
            .then(|| format!("no Choice leaves the polls of {} at {bound}", poll.state))
    }));
    let again = format!("{{% $decisions <= {MAX_DECISIONS} %}}");
    assert!(leaves(&again), "no Choice has {again}");
}

#[test]
fn each_wait_is_that_of_a_loop() {
    none(states().into_iter().filter(|state| state.kind() == "Wait").filter_map(|wait| {
        let seconds = wait.body["Seconds"].as_u64();
        let poll = POLLS.iter().find(|poll| poll.wait == wait.name);
        let is_right = match poll {
            Some(poll) => seconds == Some(poll.wait_seconds.into()),
            None => wait.name == "WaitToDecideAgain",
        };
        (!is_right).then(|| format!("{} waits {seconds:?} s", wait.name))
    }));
}

#[test]
fn all_bounds_together_are_within_the_machines_own_limit() {
    let waits = states().into_iter().filter(|state| state.kind() == "Wait");
    let waits: f64 = waits
        .map(|w| w.body["Seconds"].as_f64().expect("Seconds") * f64::from(passes(w.name)))
        .sum();
    let retries: f64 = steps().iter().map(retries).sum();
    let (_, definition) = definitions().next().expect("a definition");
    let limit = definition["TimeoutSeconds"].as_f64().expect("TimeoutSeconds");
    let longest = waits + retries;
    assert!(longest < limit, "waits {waits} s and retries {retries} s are more than {limit} s");
}
