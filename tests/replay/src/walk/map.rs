//! Owns the Map state: its iterations, each a chain of its own.

use serde_json::{Value, json};

use super::{At, Chain, Done, Walk, made};
use crate::data::Data;
use crate::definition;
use crate::difference::{Failure, Stop};

impl<'r> Walk<'r> {
    pub(super) fn map(&mut self, chain: &mut Chain<'r>, at: &At<'_>) -> Result<Done, Stop> {
        self.attempts(chain, at, |walk, chain| {
            let items = match at.state.get("Items") {
                Some(_) => walk.typed(chain, at, "Items", Value::is_array)?,
                None => at.input.value.clone(),
            };
            let items = items.as_array().cloned().unwrap_or_default();
            let started = chain.trail.expect(at.name, "MapStateStarted")?;
            let made = made(at.name, chain, "Items", at.state.get("Items"));
            made.is_same(started.field("length"), &json!(items.len()))?;
            let result = if definition::is_distributed(&at.state["ItemProcessor"]) {
                executions(chain, at)?
            } else {
                Data::from(Value::Array(walk.iterations(chain, at, started.id, &items)?))
            };
            chain.trail.expect(at.name, "MapStateSucceeded")?;
            walk.leave(chain, at, "", Some(("result", &result)), result.clone())
        })
    }

    /// Their outputs. The first that fails fails the Map, and aborts the others.
    fn iterations(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        map: u64,
        items: &[Value],
    ) -> Result<Vec<Value>, Stop> {
        let mut outputs = Vec::new();
        let mut failed = None;
        let mut is_cut = false;
        for (index, item) in (0..).zip(items) {
            match self.iteration(chain, at, (map, index), item) {
                Ok(output) => outputs.push(output.value),
                Err(Stop::Failed(failure)) => failed = Some(failure),
                Err(Stop::Cut) => is_cut = true,
                Err(stop) => return Err(stop),
            }
        }
        if let Some(failure) = failed {
            chain.trail.expect(at.name, "MapStateFailed")?;
            return Err(Stop::Failed(failure));
        }
        if is_cut {
            return Err(chain.trail.ended(at.name, "the end of every iteration"));
        }
        Ok(outputs)
    }

    fn iteration(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        (map, index): (u64, u64),
        item: &Value,
    ) -> Result<Data, Stop> {
        // One that the failure of another one came before was not started.
        let trail = self.trails.iteration(map, index).ok_or(Stop::Cut)?;
        let context = json!({"Index": index, "Value": item});
        let variables = chain.variables.clone();
        let mut inner = Chain { trail, variables, item: Some(context) };
        let of = format!("{} {index}", at.name);
        inner.trail.expect(at.name, &format!("MapIterationStarted {of}"))?;
        let input = match at.state.get("ItemSelector") {
            Some(template) => self.template(&mut inner, at, "ItemSelector", template, None)?,
            None => item.clone(),
        };
        match self.states(&mut inner, &at.state["ItemProcessor"], input.into()) {
            Ok(output) => {
                inner.trail.expect(at.name, &format!("MapIterationSucceeded {of}"))?;
                Ok(output)
            }
            Err(Stop::Failed(failure)) => {
                inner.trail.expect(at.name, &format!("MapIterationFailed {of}"))?;
                Err(Stop::Failed(failure))
            }
            Err(stop) => Err(stop),
        }
    }
}

/// The result of a Distributed Map, as it is recorded: its iterations are executions, each with a
/// recording of its own.
fn executions(chain: &mut Chain<'_>, at: &At<'_>) -> Result<Data, Stop> {
    chain.trail.expect(at.name, "MapRunStarted")?;
    if chain.trail.is_next("MapRunFailed") {
        let failed = chain.trail.expect(at.name, "MapRunFailed")?;
        let [error, cause] = ["error", "cause"].map(|field| failed.text(field).to_owned());
        chain.trail.expect(at.name, "MapStateFailed")?;
        return Err(Stop::Failed(Failure { error, cause }));
    }
    chain.trail.expect(at.name, "MapRunSucceeded")?;
    let exited = chain.trail.ahead(&format!("MapStateExited {}", at.name));
    Ok(exited.map(|exited| exited.json("output")).unwrap_or_default().into())
}
