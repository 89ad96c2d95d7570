//! The longest histories of small definitions, and a recorded one.

use serde_json::{Value, json};

use crate::events::{of_attempt, of_visit};
use crate::history::longest;

fn task(next: &str) -> Value {
    json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": next})
}

/// The events of an execution that starts in `A`.
fn events(states: &Value) -> Result<f64, String> {
    let items = |map: &str| (map != "Unknown").then_some(2.0);
    let all = longest(&json!({"StartAt": "A", "States": states}), &items)?;
    Ok(all[0].events)
}

#[track_caller]
fn has(states: &Value, expected: f64) {
    let found = events(states).unwrap();
    assert!((found - expected).abs() < 1e-6, "{found} events, not {expected}");
}

#[test]
fn each_state_has_its_events() {
    // ExecutionStarted, PassStateEntered, PassStateExited, …, ExecutionSucceeded.
    has(&json!({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}}), 2.0 + 2.0 + 2.0);
    has(&json!({"A": {"Type": "Fail"}}), 2.0 + 1.0);
    has(&json!({"A": task("B"), "B": {"Type": "Succeed"}}), 2.0 + 5.0 + 2.0);
    let choice = json!({"Type": "Choice", "Choices": [{"Condition": "{% $x %}", "Next": "B"}], "Default": "C"});
    has(
        &json!({"A": choice, "B": task("C"), "C": {"Type": "Wait", "End": true}}),
        2.0 + 2.0 + 5.0 + 2.0,
    );
}

#[test]
fn every_retrier_is_used_up_and_what_is_caught_may_be_an_expression() {
    let mut a = task("B");
    a["Retry"] = json!([{"MaxAttempts": 4}, {"ErrorEquals": ["X"]}]);
    has(&json!({"A": a, "B": {"Type": "Succeed"}}), 2.0 + (2.0 + 3.0 * 8.0) + 2.0);
    a["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Next": "B"}]);
    has(&json!({"A": a, "B": {"Type": "Succeed"}}), 2.0 + (2.0 + 3.0 * 8.0) + 1.0 + 2.0);
    a["Resource"] = json!("arn:aws:states:::states:startExecution.sync:2");
    has(&json!({"A": a, "B": {"Type": "Succeed"}}), 2.0 + (2.0 + 4.0 * 8.0) + 1.0 + 2.0);
}

#[test]
fn the_items_of_a_map_are_in_its_history_or_have_their_own() {
    let map = |mode: &str| {
        json!({"Type": "Map", "End": true, "ItemProcessor": {
            "ProcessorConfig": {"Mode": mode}, "StartAt": "B", "States": {"B": {"Type": "Pass"}}}})
    };
    has(&json!({"A": map("INLINE")}), 2.0 + 4.0 + 2.0 * (2.0 + 2.0));
    let states = json!({"A": map("DISTRIBUTED")});
    has(&states, 2.0 + 6.0);
    let all = longest(&json!({"StartAt": "A", "States": states}), &|_| None).unwrap();
    assert_eq!((all[1].of.as_str(), all[1].is_execution, all[1].events), ("A", true, 2.0 + 2.0));
    let unknown = json!({"A": {"Type": "Pass", "Next": "Unknown"}, "Unknown": map("INLINE")});
    assert_eq!(events(&unknown).unwrap_err(), "how many items has Unknown?");
    let branch = json!({"StartAt": "B", "States": {"B": {"Type": "Pass"}}});
    has(&json!({"A": {"Type": "Parallel", "Branches": [branch, branch]}}), 2.0 + 4.0 + 2.0 * 2.0);
}

/// A task that polls, a Choice that leaves the loop by this condition, a Wait.
fn polling(condition: &str) -> Value {
    let mut poll = task("Choice");
    poll["Assign"] = json!({"n": "{% $n + 1 %}"});
    json!({
        "A": {"Type": "Pass", "Assign": {"n": 0}, "Next": "Poll"},
        "Poll": poll,
        "Choice": {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "End"}], "Default": "Wait"},
        "Wait": {"Type": "Wait", "Next": "Poll"},
        "End": {"Type": "Succeed"},
    })
}

#[test]
fn a_loop_ends_at_its_bound() {
    let polls = |polls: f64| 2.0 + 2.0 + polls * (5.0 + 2.0) + (polls - 1.0) * 2.0 + 2.0;
    has(&polling("{% $n >= 3 %}"), polls(3.0));
    let mut stays = polling("{% $n <= 3 %}");
    stays["Choice"]["Choices"][0]["Next"] = json!("Wait");
    stays["Choice"]["Default"] = json!("End");
    has(&stays, polls(4.0));
    // The Wait comes first.
    let mut waits = polling("{% $n >= 3 %}");
    waits["A"]["Next"] = json!("Wait");
    has(&waits, polls(3.0) + 2.0);
}

#[test]
fn a_loop_without_a_bound_is_found() {
    for condition in
        ["{% $states.input.done %}", "{% $m >= 3 %}", "{% $n >= 3 and $states.input %}"]
    {
        assert_eq!(events(&polling(condition)).unwrap_err(), "a loop has no bound", "{condition}");
    }
    let mut uncounted = polling("{% $n >= 3 %}");
    uncounted["Poll"]["Assign"] = json!({"n": "{% $n %}"});
    assert!(events(&uncounted).is_err());
    let mut starts_anew = polling("{% $n >= 3 %}");
    starts_anew["Wait"]["Assign"] = json!({"n": 0});
    assert!(events(&starts_anew).is_err());
}

#[test]
fn an_outer_loop_starts_an_inner_one_anew() {
    // Twice: the loop of three polls, and what leads back to it.
    let mut states = polling("{% $n >= 3 %}");
    states["A"]["Assign"] = json!({"n": 0, "round": 1});
    states["Choice"]["Choices"][0]["Next"] = json!("Again");
    states["Again"] = json!({"Type": "Choice", "Default": "End", "Choices": [
        {"Condition": "{% $round <= 1 %}", "Assign": {"round": "{% $round + 1 %}", "n": 0}, "Next": "Poll"}]});
    has(&states, 2.0 + 2.0 + 2.0 * (3.0 * 7.0 + 2.0 * 2.0 + 2.0) + 2.0);
    // Without it, the second round is one poll.
    states["Again"]["Choices"][0]["Assign"] = json!({"round": "{% $round + 1 %}"});
    has(&states, 2.0 + 2.0 + (3.0 * 7.0 + 2.0 * 2.0 + 2.0) + (7.0 + 2.0) + 2.0);
}

#[test]
fn a_flag_closes_a_way() {
    let states = |condition: &str| {
        json!({
            "A": {"Type": "Pass", "Assign": {"isSecond": false}, "Next": "Choice"},
            "Choice": {"Type": "Choice", "Default": "End", "Choices": [
                {"Condition": condition, "Assign": {"isSecond": true}, "Next": "Choice"}]},
            "End": {"Type": "Succeed"},
        })
    };
    let once = 2.0 + 2.0 + 2.0 * 2.0 + 2.0;
    has(&states("{% $not($isSecond) %}"), once);
    has(&states("{% $x and ($y or $z) and $not($isSecond) %}"), once);
    assert!(events(&states("{% $x or $not($isSecond) %}")).is_err());
}

/// The types of the events of an execution with polls, a retry and a rollback, and the states that
/// were entered or exited.
#[test]
fn a_recorded_history_is_counted_event_by_event() {
    let recorded: Vec<String> =
        serde_json::from_str(&crate::text("tests/fixtures/histories/rolled-back.json")).unwrap();
    let count = |kind: &str| recorded.iter().filter(|event| event.starts_with(kind)).count();
    let events = |count: usize| f64::from(u32::try_from(count).unwrap());
    let entered = recorded.iter().filter_map(|event| event.split_once("StateEntered "));
    let of_states = entered.map(|(kind, _)| match kind {
        // Its iterations are counted below.
        "Map" => 4.0,
        // Its attempts are counted below.
        "Task" => 2.0,
        _ => of_visit("", &json!({"Type": kind}), &|_| None, &mut vec![]).unwrap(),
    });
    let computed = 2.0
        + of_states.sum::<f64>()
        + 2.0 * events(count("MapIterationStarted"))
        + of_attempt(&task("")) * events(count("TaskScheduled"));
    assert!((computed - events(recorded.len())).abs() < 1e-6, "{computed}");
    assert!(count("TaskFailed") > 0 && count("WaitStateEntered") > 9);
    assert!(recorded.contains(&"PassStateEntered RollBack".to_owned()));

    let (_, definition) = crate::machine::definitions().next().unwrap();
    let all = longest(definition, &|_| Some(1.0)).unwrap();
    assert!(computed < all[0].events, "{computed}");
}
