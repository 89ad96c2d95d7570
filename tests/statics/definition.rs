//! The state machine: every state has a comment, a timeout or bound if it needs one, and is
//! reachable.

use std::collections::{BTreeMap, BTreeSet};

use contract::bounds::{ANNOUNCEMENT_ERRORS, TRANSIENT_ERRORS};
use serde_json::{Map, Value, json};

use crate::machine::{
    self, Edge, Scope, State, definitions, error_equals, scopes, states, steps, tasks,
};
use crate::none;

#[test]
fn it_is_jsonata_throughout() {
    const JSONPATH: [&str; 7] = [
        "QueryLanguage",
        "InputPath",
        "OutputPath",
        "ResultPath",
        "ResultSelector",
        "Parameters",
        "ItemsPath",
    ];
    assert!(definitions().all(|(_, all)| all["QueryLanguage"] == "JSONata"));
    none(states().iter().flat_map(|state| {
        let found = JSONPATH.into_iter().filter(|field| state.body.contains_key(*field));
        found.map(|field| format!("{} has {field}", state.name))
    }));
}

#[test]
fn the_machine_and_every_task_have_a_time_limit_and_every_state_a_comment() {
    assert!(
        definitions().all(|(_, all)| all["TimeoutSeconds"].is_u64() && all["Comment"].is_string())
    );
    let is_commented = |state: &&State| state.body.contains_key("Comment");
    none(
        states().iter().filter(|s| !is_commented(s)).map(|s| format!("{} has no Comment", s.name)),
    );
    let is_timed = |task: &&State| task.body.get("TimeoutSeconds").is_some_and(Value::is_u64);
    none(
        tasks()
            .iter()
            .filter(|t| !is_timed(t))
            .map(|t| format!("{} has no TimeoutSeconds", t.name)),
    );
}

#[test]
fn the_names_of_states_are_pascal_case_and_unique() {
    let mut seen = BTreeSet::new();
    let is_pascal = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let is_new = |state: &State| seen.insert((state.machine, state.name));
    let mut is_new = is_new;
    none(states().iter().filter(|s| !is_pascal(s.name) || !is_new(s)).map(|s| s.name));
}

#[test]
fn every_task_retries_what_passes_by_itself_with_one_retrier() {
    none(steps().iter().filter_map(|task| {
        let [first, ..] = task.list("Retry") else { return Some(format!("{}: none", task.name)) };
        // Report calls no AWS that could be unavailable.
        let unavailable = (task.name != "Report").then_some("ServiceUnavailable");
        let expected: Vec<_> = TRANSIENT_ERRORS.iter().copied().chain(unavailable).collect();
        (error_equals(first) != expected).then(|| format!("{}: {first}", task.name))
    }));
}

#[test]
fn every_retry_is_bounded_and_names_what_it_retries() {
    none(tasks().iter().flat_map(|task| {
        let wrong = task.list("Retry").iter().filter(|retrier| {
            let names = error_equals(retrier);
            let catches_all = names.contains(&"States.ALL") || names.contains(&"States.TaskFailed");
            // What is told twice does no harm.
            let tells = task.machine == machine::ANNOUNCE && names == ANNOUNCEMENT_ERRORS;
            (catches_all && !tells)
                || retrier["MaxAttempts"].as_u64().is_none_or(|attempts| attempts == 0)
        });
        wrong.map(|retrier| format!("{}: {retrier}", task.name))
    }));
}

#[test]
fn every_task_catches_all_other_errors() {
    let is_caught = |task: &&State| {
        // A page that fails is missing among the results: Report sees that. An announcement that
        // fails has an alarm.
        task.name == "CollectResults"
            || task.machine == machine::ANNOUNCE
            || task.list("Catch").last().is_some_and(|last| error_equals(last) == ["States.ALL"])
    };
    none(
        tasks()
            .iter()
            .filter(|t| !is_caught(t))
            .map(|t| format!("{} does not catch States.ALL", t.name)),
    );
}

#[test]
fn every_choice_has_a_default() {
    let lacks = |s: &&State| s.kind() == "Choice" && !s.body.contains_key("Default");
    none(states().iter().filter(lacks).map(|s| s.name));
}

#[test]
fn every_transition_leads_to_a_state_and_every_state_is_reached() {
    for scope in scopes() {
        let names: BTreeSet<_> = scope.states.iter().map(|state| state.name).collect();
        let edges = edges(&scope);
        let targets: BTreeSet<_> = edges.iter().map(|e| e.to).chain([scope.start]).collect();
        none(targets.difference(&names).map(|name| format!("there is no state {name}")));
        let mut reached = BTreeSet::from([scope.start]);
        for _ in &names {
            reached.extend(
                edges.iter().filter(|e| reached.contains(e.from)).map(|e| e.to).collect::<Vec<_>>(),
            );
        }
        none(names.difference(&reached).map(|name| format!("{name} is never reached")));
    }
}

fn edges(scope: &Scope) -> Vec<Edge> {
    scope.states.iter().flat_map(State::edges).collect()
}

// --- loops -------------------------------------------------------------------------------------

#[test]
fn every_loop_counts_and_has_a_bound() {
    for scope in scopes() {
        let edges = edges(&scope);
        let mut loops = Vec::new();
        for state in &scope.states {
            walk(&edges, &mut vec![], state.name, &mut loops);
        }
        let unbounded = loops.iter().filter(|cycle| {
            !is_latched(cycle) && !counters(cycle).any(|v| is_bounded_by(cycle, &edges, v))
        });
        none(unbounded.map(|cycle| {
            let states: Vec<_> = cycle.iter().map(|edge| edge.from).collect();
            format!("{} has no counter with a bound", states.join(" > "))
        }));
    }
}

/// Adds every way that leads from `start` back to it, through states that are after it in the
/// order of names, so that each loop is found once.
fn walk<'a>(
    edges: &'a [Edge],
    way: &mut Vec<&'a Edge>,
    start: &str,
    loops: &mut Vec<Vec<&'a Edge>>,
) {
    let here = way.last().map_or(start, |edge| edge.to);
    for edge in edges.iter().filter(|edge| edge.from == here) {
        way.push(edge);
        if edge.to == start {
            loops.push(way.clone());
        } else if edge.to > start && way.iter().all(|before| before.from != edge.to) {
            walk(edges, way, start, loops);
        }
        way.pop();
    }
}

/// Whether the loop is gone round once at most: it passes a Choice that wants a variable to be
/// true (or, with `$not`, false), and what it assigns makes it the other for good.
fn is_latched(cycle: &[&Edge]) -> bool {
    let values = |variable: &str| -> Vec<&Value> {
        cycle.iter().filter_map(|edge| edge.assign?.get(variable)).collect()
    };
    let wants = |condition: &str, variable: &str, value: bool| {
        let negated = condition.contains(&format!("$not(${variable})"));
        let plain = condition.contains(&format!("${variable} %}}"))
            || condition.contains(&format!("${variable} and "));
        if value { plain } else { negated }
    };
    cycle.iter().filter_map(|edge| edge.condition).any(|condition| {
        let assigned = cycle.iter().filter_map(|edge| edge.assign).flat_map(Map::keys);
        assigned.into_iter().any(|variable| match values(variable).as_slice() {
            [Value::Bool(after)] => wants(condition, variable, !after),
            _ => false,
        })
    })
}

/// The variables that go up, and change in no other way, each time round. One may be carried
/// through the input of a state, which a state before it makes of the variable.
fn counters<'a>(cycle: &'a [&Edge]) -> impl Iterator<Item = &'a str> {
    let mut changed = BTreeMap::<&str, Vec<String>>::new();
    for (variable, value) in cycle.iter().filter_map(|edge| edge.assign).flatten() {
        changed.entry(variable).or_default().push(value.to_string());
    }
    let outputs: Vec<_> = cycle.iter().filter_map(|edge| edge.output).collect();
    let counts = move |(variable, values): (&'a str, Vec<String>)| {
        let of_input =
            |value: &&String| value.contains("$states.input.") && value.contains(variable);
        let own = values.iter().filter(|value| !of_input(value)).cloned();
        let carried = outputs.iter().flat_map(|output| members(output, variable));
        let mut all: Vec<_> = own.chain(carried.map(Value::to_string)).collect();
        all.retain(|value| *value != format!("\"{{% ${variable} %}}\""));
        let goes_up = |value: &String| *value == format!("\"{{% ${variable} + 1 %}}\"");
        (!all.is_empty() && all.iter().all(goes_up)).then_some(variable)
    };
    changed.into_iter().filter_map(counts)
}

/// The members of this name, at any depth.
fn members<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    let Some(fields) = value.as_object() else { return Vec::new() };
    let inner = fields.values().flat_map(|inner| members(inner, name));
    fields.get(name).into_iter().chain(inner).collect()
}

/// Whether a Choice of the loop leaves it from some count on (`>= N`), or stays in it only up to
/// some count (`<= N`).
fn is_bounded_by(cycle: &[&Edge], edges: &[Edge], counter: &str) -> bool {
    cycle.iter().any(|step| {
        edges.iter().filter(|edge| edge.from == step.from).any(|edge| {
            let stays = edge.to == step.to;
            let operators = if stays { ["<=", "<"] } else { [">=", ">"] };
            edge.condition.is_some_and(|condition| {
                let last = condition.trim_start_matches("{% ").rsplit(" and ").next();
                let last = last.unwrap_or_default();
                operators.iter().any(|operator| {
                    let bound = last.strip_prefix(&format!("${counter} {operator} "));
                    bound.is_some_and(|rest| rest.trim_end_matches(" %}").parse::<u32>().is_ok())
                })
            })
        })
    })
}

// --- expressions -------------------------------------------------------------------------------

#[test]
fn every_expression_parses_and_reads_only_what_is_assigned_on_every_way_to_it() {
    let assigned = assigned_before();
    none(crate::expressions::of_states().iter().flat_map(|expression| {
        let place = format!("{} {}: {}", expression.state, expression.path, expression.text);
        // A state that no way leads to is another test's to name.
        let place_of = (expression.machine, expression.state);
        let before = assigned.get(&place_of).cloned().unwrap_or_default();
        let unknown =
            expression.reads.iter().filter(|v| *v != "states" && !before.contains(v.as_str()));
        let unknown =
            unknown.map(|v| format!("{place}: ${v} may not be assigned yet")).collect::<Vec<_>>();
        expression
            .error
            .iter()
            .map(|error| format!("{place}: {error}"))
            .chain(unknown)
            .collect::<Vec<_>>()
    }));
}

/// For each state the variables that are assigned whichever way led to it. What a state assigns
/// is there in the next one (Step Functions developer guide, "Passing data between states").
///
/// An iteration of a Distributed Map is another execution, and sees no variable from outside.
fn assigned_before() -> BTreeMap<(&'static str, &'static str), BTreeSet<&'static str>> {
    let mut known = BTreeMap::<_, BTreeSet<&str>>::new();
    for scope in scopes() {
        let machine = scope.states[0].machine;
        let is_distributed =
            |outer: &State| outer.body["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED";
        let outer = scope.within.filter(|outer| !is_distributed(outer));
        let outside = outer.map(|outer| known[&(machine, outer.name)].clone()).unwrap_or_default();
        known.insert((machine, scope.start), outside);
        let edges = edges(&scope);
        let mut is_settled = false;
        while !is_settled {
            is_settled = true;
            for edge in &edges {
                let Some(mut here) = known.get(&(machine, edge.from)).cloned() else { continue };
                here.extend(edge.assign.into_iter().flat_map(Map::keys).map(String::as_str));
                let there = match known.get(&(machine, edge.to)) {
                    Some(already) => already & &here,
                    None => here,
                };
                is_settled &= known.insert((machine, edge.to), there.clone()) == Some(there);
            }
        }
    }
    known
}

#[test]
fn a_states_result_is_read_only_in_that_state() {
    none(crate::expressions::of_states().iter().filter_map(|expression| {
        let path = expression.path.as_str();
        let gives_result = ["Assign", "Output"].iter().any(|field| path.starts_with(field));
        let misplaced = expression.text.contains("$states.result") && !gives_result
            || expression.text.contains("$states.errorOutput") && !path.starts_with("Catch");
        misplaced.then(|| format!("{} {path}: {}", expression.state, expression.text))
    }));
}

// --- the language itself -----------------------------------------------------------------------

#[test]
fn it_is_amazon_states_language() {
    let machines: Map<_, _> = definitions()
        .map(|(file, definition)| {
            let names = machine::substitutions(file).into_iter();
            let filled: Map<_, _> = names.map(|name| (name.to_owned(), json!("x"))).collect();
            let name = file.chars().filter(char::is_ascii_alphanumeric).collect();
            let machine = json!({
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": "arn:aws:iam::111122223333:role/machine",
                    "Definition": definition,
                    "DefinitionSubstitutions": filled,
                },
            });
            (name, machine)
        })
        .collect();
    none(crate::template::lint(&json!({"Resources": machines}).to_string()));
}
