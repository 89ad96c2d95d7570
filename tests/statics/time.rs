//! Timeouts: everything with a bound of its own reaches that before the state machine's timeout, so
//! that the error names what took too long.

use contract::bounds::{MAX_DECISIONS, loops};
use serde_json::{Value, json};

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

/// Whether a Choice leaves its loop by this condition.
fn leaves(condition: &str) -> bool {
    states().iter().flat_map(State::edges).any(|edge| edge.condition == Some(condition))
}

#[test]
fn each_loop_ends_at_the_bound_of_the_contract() {
    none(loops().filter_map(|poll| {
        let bound = format!("{{% ${} >= {} %}}", poll.counter, poll.max_polls);
        let edges = states().into_iter().filter(|state| state.name == poll.choice);
        let leaves = edges.flat_map(|state| state.edges()).any(|e| e.condition == Some(&bound));
        (!leaves).then(|| format!("{} does not leave the loop at {bound}", poll.choice))
    }));
    let again = format!("{{% $decisions <= {MAX_DECISIONS} %}}");
    assert!(leaves(&again), "no Choice has {again}");
}

#[test]
fn a_loop_waits_first_if_its_wait_comes_before_its_task() {
    none(loops().filter_map(|poll| {
        let comes_first = states()
            .iter()
            .flat_map(State::edges)
            .any(|edge| edge.to == poll.wait && edge.from != poll.choice);
        (comes_first != poll.waits_first)
            .then(|| format!("{} comes first: {comes_first}", poll.wait))
    }));
}

/// The expressions are evaluated as the local AWS does it; the replay's tests do the same with the
/// reference implementation.
#[test]
fn each_wait_pauses_for_the_seconds_of_the_contract() {
    let waits = states().into_iter().filter(|state| state.kind() == "Wait");
    let (of_loops, others): (Vec<_>, Vec<_>) =
        waits.partition(|wait| loops().any(|poll| poll.wait == wait.name));
    let others: Vec<_> = others.iter().map(|wait| wait.name).collect();
    assert_eq!(others, ["WaitToDecideAgain"], "a Wait of no loop");
    none(of_loops.iter().filter_map(|wait| {
        let poll = loops().find(|poll| poll.wait == wait.name)?;
        let text = wait.body["Seconds"].as_str()?;
        let polls = u32::from(!poll.waits_first)..poll.max_polls;
        let counters: Vec<_> = polls.map(|polls| json!({poll.counter: polls})).collect();
        let expression = text.trim_start_matches("{%").trim_end_matches("%}");
        let found = crate::python("evaluate.py", &json!([expression, counters]));
        let expected = json!(poll.waits().collect::<Vec<_>>());
        (found != expected).then(|| format!("{} waits {found}, not {expected}", wait.name))
    }));
}

#[test]
fn all_bounds_together_are_within_the_machines_own_limit() {
    let waits: u32 = loops().flat_map(|poll| poll.waits()).sum();
    let again = states().into_iter().find(|state| state.name == "WaitToDecideAgain").unwrap();
    let again = again.body["Seconds"].as_f64().expect("Seconds") * f64::from(MAX_DECISIONS);
    let retries: f64 = steps().iter().map(retries).sum();
    let (_, definition) = definitions().next().expect("a definition");
    let limit = definition["TimeoutSeconds"].as_f64().expect("TimeoutSeconds");
    let longest = f64::from(waits) + again + retries;
    assert!(longest < limit, "waits {waits} s and retries {retries} s are more than {limit} s");
}

#[test]
fn operators_are_told_how_long_each_loop_waits() {
    let page = crate::text("docs/operations.md");
    none(loops().filter_map(|poll| {
        let total: u32 = poll.waits().sum();
        let told = match total / 60 {
            minutes @ 0..60 => format!("{minutes} minute"),
            minutes => format!("{} hour", (f64::from(minutes) / 60.0).round()),
        };
        let (first, longest, error) = (poll.first_seconds, poll.max_seconds, poll.error);
        let row = page.lines().find(|line| {
            line.contains(&format!("| {first} s | {longest} s |"))
                && line.ends_with(&format!("| `{error}` |"))
        });
        let is_told = row.is_some_and(|row| row.contains(&format!("| {told}")));
        (!is_told).then(|| format!("{}: {first} s, {longest} s, {told}, {error}", poll.wait))
    }));
}
