//! The longest history that a definition allows, in events.
//!
//! This is how worst-case execution times of programs are found (Li and Malik, "Performance analysis
//! of embedded software using implicit path enumeration", 1995): how often each transition is taken
//! is a variable; a state is left at most as often as it is entered; a loop's counter bounds how often
//! the loop goes on. The greatest number of events is then a linear program. Only what the definition
//! itself says is used:
//!
//! * A visit of a state has as many events as Step Functions records. Every retrier of a Task is used
//!   up on every visit, and every expression that may fail does.
//! * Flags, variables that are only ever assigned `true` or `false`, are known: each state is there
//!   once for each of their values with which it is reached. A Choice rule that they contradict is not
//!   taken. Everything else in a condition may be true or false.
//! * Counters, variables that are only ever assigned a number or one more than they are, bound the
//!   transitions that a Choice allows only up to a number (`$polls <= 5`, and what comes after
//!   `$polls >= 5`): so often as the counter can take another value on the way from where it is set to
//!   a number. That holds only if it goes up between any two of them, which is checked; else it is no
//!   bound.
//!
//! A number that is too great is possible (a transition that no data leads to), one that is too small
//! is not. Where nothing bounds a loop, there is no number.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::carried;
use crate::events::{self, Items};
use crate::simplex::Program;

/// The longest history of an execution, or the longest part that a scope of one has.
#[derive(Debug)]
pub struct Longest {
    /// The Map or Parallel state that the scope is in; nothing for the execution itself.
    pub of: String,
    /// Whether it is a history of its own: also that of a Distributed Map's child.
    pub is_execution: bool,
    pub events: f64,
    /// Of each state, the most events first.
    pub visits: Vec<Visits>,
}

/// A state, how often it is entered, and the events of each visit.
pub type Visits = (String, f64, f64);

/// The longest history of an execution, then those of its inner scopes. `items` are how many items
/// each Map has at most.
pub fn longest(definition: &Value, items: Items) -> Result<Vec<Longest>, String> {
    let mut all = Vec::new();
    execution("", &carried::desugared(definition), items, &mut all)?;
    all.reverse();
    Ok(all)
}

/// Adds the history of an execution of these states.
pub fn execution(
    of: &str,
    scope: &Value,
    items: Items,
    all: &mut Vec<Longest>,
) -> Result<(), String> {
    let (events, visits) = Scope::new(scope, items, all)?.longest()?;
    // ExecutionStarted, and ExecutionSucceeded, ExecutionFailed or ExecutionTimedOut.
    all.push(Longest { of: of.to_owned(), is_execution: true, events: events + 2.0, visits });
    Ok(())
}

/// The events of an inner scope, which are part of its execution's history.
pub fn part(of: &str, scope: &Value, items: Items, all: &mut Vec<Longest>) -> Result<f64, String> {
    let (events, visits) = Scope::new(scope, items, all)?.longest()?;
    all.push(Longest { of: of.to_owned(), is_execution: false, events, visits });
    Ok(events)
}

/// States with one start.
struct Scope<'a> {
    start: &'a str,
    states: BTreeMap<&'a str, State<'a>>,
    flags: Vec<&'a str>,
    /// Each with the lowest number that it is set to.
    counters: BTreeMap<&'a str, u64>,
}

struct State<'a> {
    body: &'a Value,
    /// Of one visit.
    events: f64,
}

/// The values of the flags; `None` before the first assignment.
type Flags = Vec<Option<bool>>;
type Node<'a> = (&'a str, Flags);
/// The counters that must be below a number.
type Below<'a> = BTreeSet<(&'a str, u64)>;
/// Where a transition leads to, what applies then, and what it needs.
type Transition<'a> = (Option<&'a str>, &'a Map<String, Value>, Below<'a>);

/// A transition, with the counters that it concerns.
#[derive(Default)]
struct Edge<'a> {
    from: usize,
    /// Nothing after the last state.
    to: Option<usize>,
    events: f64,
    up: BTreeSet<&'a str>,
    set: BTreeSet<&'a str>,
    /// Taken only while the counter is below the number.
    below: Below<'a>,
}

/// What a condition says with these flags.
struct Verdict<'a> {
    holds: Option<bool>,
    /// It holds only while the counter is below the number, or from the number on.
    below: Below<'a>,
    from: Below<'a>,
}

impl<'a> Scope<'a> {
    fn new(scope: &'a Value, items: Items, all: &mut Vec<Longest>) -> Result<Self, String> {
        let mut states = BTreeMap::new();
        for (name, body) in scope["States"].as_object().ok_or("no States")? {
            let events = events::of_visit(name, body, items, all)?;
            states.insert(name.as_str(), State { body, events });
        }
        let start = scope["StartAt"].as_str().ok_or("no StartAt")?;
        let mut assigned = BTreeMap::<&str, Vec<&Value>>::new();
        for (_, of) in states.values().flat_map(|state| transitions(state.body)) {
            for (variable, value) in
                of.get("Assign").and_then(Value::as_object).into_iter().flatten()
            {
                assigned.entry(variable).or_default().push(value);
            }
        }
        let is_flag = |values: &Vec<&Value>| values.iter().all(|value| value.is_boolean());
        let flags = assigned.iter().filter(|(_, values)| is_flag(values)).map(|(name, _)| *name);
        let counter = |(name, values): (&&'a str, &Vec<&Value>)| {
            let counts = |value: &&&Value| ***value == one_more(name);
            let is_counter = values.iter().all(|value| value.is_u64() || counts(&value));
            let lowest = values.iter().filter_map(|value| value.as_u64()).min();
            is_counter.then_some((*name, lowest.unwrap_or_default()))
        };
        let counters = assigned.iter().filter_map(counter).collect();
        Ok(Self { start, flags: flags.collect(), counters, states })
    }

    /// Its events, and the visits of its states.
    fn longest(&self) -> Result<(f64, Vec<Visits>), String> {
        let (nodes, edges) = self.graph()?;
        let row = |coefficient: &dyn Fn(&Edge) -> f64| edges.iter().map(coefficient).collect();
        let mut rows: Vec<(Vec<f64>, f64)> = Vec::new();
        for node in 0..nodes.len() {
            let out = row(&|edge| {
                f64::from(u8::from(edge.from == node)) - f64::from(u8::from(edge.to == Some(node)))
            });
            // The first is the start.
            rows.push((out, if node == 0 { 1.0 } else { 0.0 }));
        }
        let bounds: BTreeSet<_> =
            edges.iter().flat_map(|edge| edge.below.iter().copied()).collect();
        for bound in bounds {
            if let Some(times) = self.times(bound, &edges) {
                let starts = starts(bound, &edges);
                let taken = row(&|edge| {
                    let is_start = starts.iter().any(|start| std::ptr::eq(*start, edge));
                    f64::from(u8::from(edge.below.contains(&bound)))
                        - if is_start { times } else { 0.0 }
                });
                let at_first = reaches(bound, &edges, Some(0), Stop::Set);
                rows.push((taken, if at_first { times } else { 0.0 }));
            }
        }
        let program = Program { gain: edges.iter().map(|edge| edge.events).collect(), rows };
        let solution = program.solve().ok_or("a loop has no bound")?;
        if !program.is_proved(&solution) {
            return Err("the solution of the linear program is not proved".to_owned());
        }
        let mut visits = BTreeMap::<&str, f64>::new();
        for (edge, times) in edges.iter().zip(&solution.x) {
            *visits.entry(nodes[edge.from].0).or_default() += times;
        }
        let visit = |(name, times): (&str, f64)| (name.to_owned(), times, self.states[name].events);
        let mut visits: Vec<_> = visits.into_iter().map(visit).collect();
        visits.sort_by(|a, b| (b.1 * b.2).total_cmp(&(a.1 * a.2)));
        Ok((solution.value, visits))
    }

    /// The states with the flags with which they are reached, and the transitions between them.
    fn graph(&self) -> Result<(Vec<Node<'a>>, Vec<Edge<'a>>), String> {
        let mut nodes: Vec<Node> = vec![(self.start, vec![None; self.flags.len()])];
        let mut edges = Vec::new();
        let mut from = 0;
        while let Some((name, flags)) = nodes.get(from).cloned() {
            let state = self.states.get(name).ok_or(format!("there is no state {name}"))?;
            for (to, of, below) in self.choices(state.body, &flags) {
                let mut edge = Edge { from, events: state.events, below, ..Edge::default() };
                // Of what is caught, an expression that failed.
                edge.events += f64::from(u8::from(of.contains_key("ErrorEquals")));
                let mut after = flags.clone();
                for (variable, value) in
                    of.get("Assign").and_then(Value::as_object).into_iter().flatten()
                {
                    if let Some(at) = self.flags.iter().position(|flag| flag == variable) {
                        after[at] = value.as_bool();
                    } else if let Some((counter, _)) =
                        self.counters.get_key_value(variable.as_str())
                    {
                        if value.is_u64() { &mut edge.set } else { &mut edge.up }.insert(counter);
                    }
                }
                if let Some(to) = to {
                    let node = (to, after);
                    edge.to =
                        Some(nodes.iter().position(|known| *known == node).unwrap_or_else(|| {
                            nodes.push(node);
                            nodes.len() - 1
                        }));
                }
                edges.push(edge);
            }
            from += 1;
        }
        Ok((nodes, edges))
    }

    /// The transitions that the flags allow, each with what it needs of counters.
    fn choices(&self, state: &'a Value, flags: &Flags) -> Vec<Transition<'a>> {
        let mut found = Vec::new();
        let mut below = BTreeSet::new();
        for (to, of) in transitions(state) {
            let Some(condition) = of.get("Condition").and_then(Value::as_str) else {
                found.push((to, of, below.clone()));
                continue;
            };
            let verdict = self.verdict(condition, flags);
            if verdict.holds == Some(false) {
                continue;
            }
            found.push((to, of, &below | &verdict.below));
            if verdict.holds == Some(true) {
                break;
            }
            below.extend(verdict.from);
        }
        found
    }

    fn verdict(&self, condition: &'a str, flags: &Flags) -> Verdict<'a> {
        let text = condition.trim_start_matches("{%").trim_end_matches("%}").trim();
        // What is linked by `or` may be anything.
        let parts =
            if outside(text, " or ").len() > 1 { vec![text] } else { outside(text, " and ") };
        let mut found =
            Verdict { holds: Some(true), below: BTreeSet::new(), from: BTreeSet::new() };
        for part in &parts {
            let holds = self.flag(part, flags);
            found.holds = match (found.holds, holds) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            match self.comparison(part) {
                Some((counter, "<=", number)) => drop(found.below.insert((counter, number + 1))),
                Some((counter, "<", number)) => drop(found.below.insert((counter, number))),
                // If it is not taken, another part may be why.
                Some((counter, ">=", number)) if parts.len() == 1 => {
                    found.from.insert((counter, number));
                }
                _ => {}
            }
        }
        found
    }

    fn flag(&self, part: &str, flags: &Flags) -> Option<bool> {
        let value = |name: &str| {
            let at = self.flags.iter().position(|flag| name.strip_prefix('$') == Some(*flag))?;
            flags[at]
        };
        match part.strip_prefix("$not(").and_then(|rest| rest.strip_suffix(')')) {
            Some(name) => value(name).map(|value| !value),
            None => value(part),
        }
    }

    fn comparison(&self, part: &'a str) -> Option<(&'a str, &'a str, u64)> {
        let [variable, operator, number] = part.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let (counter, _) = self.counters.get_key_value(variable.strip_prefix('$')?)?;
        Some((counter, operator, number.parse().ok()?))
    }

    /// How many values the counter can have where it must be below the number, after it was set.
    /// `None` if it does not go up between two of these transitions.
    fn times(&self, bound: (&str, u64), edges: &[Edge]) -> Option<f64> {
        let limited = edges.iter().filter(|edge| edge.below.contains(&bound));
        if limited
            .clone()
            .any(|edge| !edge.up.contains(bound.0) && reaches(bound, edges, edge.to, Stop::UpOrSet))
        {
            return None;
        }
        // The counter has gone up before the first of them, or it may not have.
        let sets = edges.iter().filter(|edge| edge.set.contains(bound.0)).map(|edge| edge.to);
        let is_up_before =
            !sets.chain([Some(0)]).any(|from| reaches(bound, edges, from, Stop::UpOrSet));
        let lowest = self.counters[bound.0] + u64::from(is_up_before);
        let values = u32::try_from(bound.1.saturating_sub(lowest)).ok()?;
        Some(f64::from(values))
    }
}

/// What ends a search: a transition that sets the counter to a number, or one that counts as well.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Set,
    UpOrSet,
}

/// Whether a transition with this bound can be reached from a state before anything ends the search.
fn reaches(bound: (&str, u64), edges: &[Edge], from: Option<usize>, stop: Stop) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), Vec::from_iter(from));
    while let Some(node) = open.pop() {
        for edge in edges.iter().filter(|edge| edge.from == node) {
            if edge.below.contains(&bound) {
                return true;
            }
            let ends =
                edge.set.contains(bound.0) || stop == Stop::UpOrSet && edge.up.contains(bound.0);
            if !ends {
                open.extend(edge.to.filter(|to| seen.insert(*to)));
            }
        }
    }
    false
}

/// The transitions that set the counter and may lead to one with this bound before the next that does.
fn starts<'e, 'a>(bound: (&str, u64), edges: &'e [Edge<'a>]) -> Vec<&'e Edge<'a>> {
    let sets = edges.iter().filter(|edge| edge.set.contains(bound.0));
    sets.filter(|edge| reaches(bound, edges, edge.to, Stop::Set)).collect()
}

/// The parts of an expression between these separators, which are not within parentheses.
fn outside<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, found) in text.bytes().enumerate() {
        match found {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 0 && at >= begin && text[at..].starts_with(separator) => {
                parts.push(&text[begin..at]);
                begin = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn one_more(counter: &str) -> Value {
    json!(format!("{{% ${counter} + 1 %}}"))
}

/// Where a state leads to, and what of it applies then: itself, a rule or a catcher.
fn transitions(state: &Value) -> Vec<(Option<&str>, &Map<String, Value>)> {
    let lists = ["Choices", "Catch"].into_iter().filter_map(|field| state[field].as_array());
    let ruled = lists.flatten().filter_map(Value::as_object);
    let ruled = ruled.map(|rule| (rule.get("Next").and_then(Value::as_str), rule));
    let next = ["Next", "Default"].into_iter().find_map(|field| state[field].as_str());
    // A state that has no way on is the last one.
    let own = state.as_object().map(|body| (next, body));
    ruled.chain(own).collect()
}
