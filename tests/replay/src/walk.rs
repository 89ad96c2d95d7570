//! Owns the replay of an execution: from state to state by the definition, with the results of its
//! tasks from the recording. Every step is compared with what was recorded.

mod fields;
mod map;
mod task;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::{Value, json};

use crate::data::Data;
use crate::definition::{self, Place};
use crate::difference::{Difference, Failure, Made, Stop, join};
use crate::jsonata::Engine;
use crate::recording::{Recording, Trail, Trails};

/// What the data of a state may have at most (Step Functions quotas).
const MAX_BYTES: usize = 262_144;

/// What came of a replay.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The expressions that were evaluated.
    pub(crate) evaluated: BTreeSet<Place>,
    /// Where it first was another than the recording.
    pub(crate) difference: Option<Box<Difference>>,
}

/// Replays an execution.
///
/// # Errors
/// The definition is not supported, or the engine does not work.
pub(crate) fn replay(engine: &Engine, recording: &Recording) -> Result<Replayed> {
    definition::check(&recording.definition)?;
    let trails = recording.trails();
    let mut chain = Chain { trail: trails.root(), variables: BTreeMap::new(), item: None };
    let context = fields::context(&recording.execution);
    let evaluated = BTreeSet::new();
    let mut walk = Walk { engine, recording, context, trails, evaluated, broken: None };
    let difference = match walk.execution(&mut chain) {
        Err(Stop::Differs(difference)) => Some(difference),
        _ => None,
    };
    match walk.broken {
        Some(error) => Err(error),
        None => Ok(Replayed { evaluated: walk.evaluated, difference }),
    }
}

struct Walk<'r> {
    engine: &'r Engine,
    recording: &'r Recording,
    context: String,
    trails: Trails<'r>,
    evaluated: BTreeSet<Place>,
    /// Why the engine does not work.
    broken: Option<anyhow::Error>,
}

/// A chain of states: the execution's own, or an iteration's.
struct Chain<'r> {
    trail: Trail<'r>,
    /// As JSON.
    variables: BTreeMap<String, String>,
    /// An iteration's item, for the context object.
    item: Option<Value>,
}

/// A state that has been entered.
struct At<'d> {
    name: &'d str,
    state: &'d Value,
    input: Data,
    /// When, for the context object.
    entered: Value,
}

/// What a state ends with.
struct Done {
    output: Data,
    /// The rule or the catcher that it is left through, or nothing.
    through: String,
    assigned: BTreeMap<String, Data>,
    next: Option<String>,
}

impl<'r> Walk<'r> {
    fn execution(&mut self, chain: &mut Chain<'r>) -> Result<(), Stop> {
        let recording = self.recording;
        let input = Data::from(recording.execution.input.clone());
        match self.states(chain, &recording.definition, input) {
            Ok(output) => {
                let ended = chain.trail.expect("the execution", "ExecutionSucceeded")?;
                let made = made("the execution", chain, "output", None);
                made.is_recorded(ended.text("output"), &output)
            }
            Err(Stop::Failed(Failure { error, cause })) => {
                let ended = chain.trail.expect("the execution", "ExecutionFailed")?;
                let recorded = json!([ended.text("error"), ended.text("cause")]);
                let made = made("the execution", chain, "error and cause", None);
                made.is_same(&recorded, &json!([error, cause]))
            }
            Err(stop) => Err(stop),
        }
    }

    /// From the first state to the end; the last one's output.
    fn states(&mut self, chain: &mut Chain<'r>, scope: &Value, input: Data) -> Result<Data, Stop> {
        let mut name = scope["StartAt"].as_str().unwrap_or_default().to_owned();
        let mut data = input;
        loop {
            let done = self.state(chain, &name, &scope["States"][&name], data)?;
            data = done.output;
            match done.next {
                Some(next) => name = next,
                None => return Ok(data),
            }
        }
    }

    fn state(
        &mut self,
        chain: &mut Chain<'r>,
        name: &str,
        state: &Value,
        input: Data,
    ) -> Result<Done, Stop> {
        let kind = state["Type"].as_str().unwrap_or_default();
        let entered = chain.trail.expect(name, &format!("{kind}StateEntered {name}"))?;
        made(name, chain, "the input", None).is_recorded(entered.text("input"), &input)?;
        let at = At { name, state, input, entered: entered.timestamp.clone() };
        let done = match kind {
            "Task" => self.task(chain, &at),
            "Map" => self.map(chain, &at),
            "Choice" => self.choice(chain, &at),
            "Wait" => self.wait(chain, &at),
            "Fail" => return Err(self.fail(chain, &at)),
            _ => self.leave(chain, &at, "", None, at.input.clone()),
        }?;
        limited(name, &done.output)?;
        let exited = chain.trail.expect(name, &format!("{kind}StateExited {name}"))?;
        let place = join(&done.through, "Output");
        let made = made(name, chain, &place, definition::at(state, &place));
        made.is_recorded(exited.text("output"), &done.output)?;
        assign(chain, &at, &done, exited.field("assignedVariables"))?;
        Ok(done)
    }

    fn choice(&mut self, chain: &mut Chain<'r>, at: &At<'_>) -> Result<Done, Stop> {
        let rules = at.state["Choices"].as_array().into_iter().flatten();
        for index in 0..rules.count() {
            let rule = format!("Choices.{index}");
            let condition = format!("{rule}.Condition");
            if self.typed(chain, at, &condition, Value::is_boolean)? == json!(true) {
                return self.leave(chain, at, &rule, None, at.input.clone());
            }
        }
        let Some(default) = at.state["Default"].as_str() else {
            let cause = "No choice rule matched and no Default".to_owned();
            return Err(Stop::Failed(Failure {
                error: "States.NoChoiceMatched".to_owned(),
                cause,
            }));
        };
        let done = self.leave(chain, at, "", None, at.input.clone())?;
        Ok(Done { next: Some(default.to_owned()), ..done })
    }

    fn wait(&mut self, chain: &mut Chain<'r>, at: &At<'_>) -> Result<Done, Stop> {
        self.typed(chain, at, "Seconds", Value::is_number)?;
        self.leave(chain, at, "", None, at.input.clone())
    }

    fn fail(&mut self, chain: &mut Chain<'r>, at: &At<'_>) -> Stop {
        let mut text = |field: &str| {
            let value = match at.state.get(field) {
                Some(_) => self.typed(chain, at, field, Value::is_string)?,
                None => Value::Null,
            };
            Ok(value.as_str().unwrap_or_default().to_owned())
        };
        match text("Error").and_then(|error| Ok(Failure { error, cause: text("Cause")? })) {
            Ok(failure) => Stop::Failed(failure),
            Err(stop) => stop,
        }
    }
}

/// Takes over what a state assigned; the next one is the first to see it.
fn assign(chain: &mut Chain<'_>, at: &At<'_>, done: &Done, recorded: &Value) -> Result<(), Stop> {
    let place = join(&done.through, "Assign");
    for (name, value) in &done.assigned {
        let place = join(&place, name);
        let made = made(at.name, chain, &place, definition::at(at.state, &place));
        made.is_recorded(recorded[name].as_str().unwrap_or_default(), value)?;
        chain.variables.insert(name.clone(), value.text.clone());
    }
    let names: Vec<_> = recorded.as_object().into_iter().flatten().map(|(n, _)| n).collect();
    let made = made(at.name, chain, &place, None);
    made.is_same(&json!(names.len()), &json!(done.assigned.len()))
}

/// Step Functions passes no more on than this.
fn limited(state: &str, data: &Data) -> Result<(), Stop> {
    if data.text.len() <= MAX_BYTES {
        return Ok(());
    }
    let cause = format!(
        "The state/task '{state}' returned a result with a size exceeding the maximum number of \
         bytes service limit."
    );
    Err(Stop::Failed(Failure { error: "States.DataLimitExceeded".to_owned(), cause }))
}

fn made<'a>(
    state: &'a str,
    chain: &Chain<'_>,
    place: &'a str,
    template: Option<&'a Value>,
) -> Made<'a> {
    Made { state, event: chain.trail.latest(), place, template }
}
