//! Owns what a state's fields are evaluated to, and with which variables.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{At, Chain, Done, Walk, limited};
use crate::data::Data;
use crate::definition;
use crate::difference::{Failure, Stop, join};
use crate::jsonata::Answer;
use crate::recording::Execution;

/// What `$states` has besides `input` and `context`.
pub(super) type Also<'a> = Option<(&'a str, &'a Data)>;

impl<'r> Walk<'r> {
    /// Leaves the state through itself (`""`), a rule or a catcher: with its Output and its Assign,
    /// both evaluated with the variables from before.
    pub(super) fn leave(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        through: &str,
        also: Also<'_>,
        default: Data,
    ) -> Result<Done, Stop> {
        let fields =
            if through.is_empty() { Some(at.state) } else { definition::at(at.state, through) };
        let fields = fields.unwrap_or(&Value::Null);
        let output = match fields.get("Output") {
            Some(template) => {
                self.template(chain, at, &join(through, "Output"), template, also)?.into()
            }
            None => default,
        };
        let mut assigned = BTreeMap::new();
        if let Some(template) = fields.get("Assign") {
            let values = self.template(chain, at, &join(through, "Assign"), template, also)?;
            let values = Data::from(values);
            limited(at.name, &values)?;
            let values = values.value.as_object().cloned().unwrap_or_default();
            assigned.extend(values.into_iter().map(|(name, value)| (name, value.into())));
        }
        let next = fields["Next"].as_str().map(str::to_owned);
        Ok(Done { output, through: through.to_owned(), assigned, next })
    }

    /// A field whose value must be of one type.
    pub(super) fn typed(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        place: &str,
        is_right: impl Fn(&Value) -> bool,
    ) -> Result<Value, Stop> {
        let template = definition::at(at.state, place).unwrap_or(&Value::Null);
        let value = self.template(chain, at, place, template, None)?;
        if is_right(&value) {
            return Ok(value);
        }
        Err(evaluation_failed(chain, at, &format!("{place} is of another type: {value}")))
    }

    /// A template's value: each expression in it is evaluated, everything else stays as it is.
    pub(super) fn template(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        place: &str,
        template: &Value,
        also: Also<'_>,
    ) -> Result<Value, Stop> {
        if !definition::has_expressions(template) {
            return Ok(template.clone());
        }
        let bindings = self.bindings(chain, at, also);
        self.engine.bind(&bindings).map_err(|error| self.broke(error))?;
        self.within(chain, at, place, template)
    }

    fn within(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        place: &str,
        template: &Value,
    ) -> Result<Value, Stop> {
        match template {
            Value::Object(fields) => {
                let mut found = Map::new();
                for (field, value) in fields {
                    let value = self.within(chain, at, &join(place, field), value)?;
                    found.insert(field.clone(), value);
                }
                Ok(Value::Object(found))
            }
            Value::Array(items) => {
                let mut found = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    found.push(self.within(chain, at, &join(place, &index.to_string()), item)?);
                }
                Ok(Value::Array(found))
            }
            Value::String(text) => match definition::expression(text) {
                Some(expression) => self.expression(chain, at, place, expression),
                None => Ok(template.clone()),
            },
            constant => Ok(constant.clone()),
        }
    }

    fn expression(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        place: &str,
        expression: &str,
    ) -> Result<Value, Stop> {
        self.evaluated.insert((at.name.to_owned(), place.to_owned()));
        let why = match self.engine.evaluate(expression) {
            Ok(Answer::Value(value)) => return Ok(value),
            Ok(Answer::Nothing) => "returns nothing".to_owned(),
            Ok(Answer::Error(error)) => format!("fails: {error}"),
            Err(error) => return Err(self.broke(error)),
        };
        Err(evaluation_failed(chain, at, &format!("{place}, {expression}, {why}")))
    }

    fn broke(&mut self, error: anyhow::Error) -> Stop {
        self.broken.get_or_insert(error);
        Stop::Cut
    }

    /// The variables as JSON, `$states` among them.
    fn bindings(&self, chain: &Chain<'r>, at: &At<'_>, also: Also<'_>) -> String {
        let state = json!({"Name": at.name, "EnteredTime": at.entered});
        let map = chain.item.as_ref().map(|item| format!(r#","Map":{{"Item":{item}}}"#));
        let also = also.map(|(name, value)| format!(r#","{name}":{}"#, value.text));
        let mut text = format!(
            r#"{{"states":{{"input":{},"context":{{{},"State":{state}{}}}{}}}"#,
            at.input.text,
            self.context,
            map.unwrap_or_default(),
            also.unwrap_or_default(),
        );
        for (name, value) in &chain.variables {
            text.extend([r#",""#, name, r#"":"#, value]);
        }
        text.push('}');
        text
    }
}

/// What of the context object is the same in every state, as far as an expression can rely on it.
pub(super) fn context(execution: &Execution) -> String {
    let machine = &execution.state_machine_arn;
    let of_execution = json!({
        "Id": execution.execution_arn,
        "Input": execution.input,
        "Name": execution.name,
        "StartTime": execution.start_date,
    });
    let of_machine = json!({"Id": machine, "Name": machine.rsplit(':').next()});
    format!(r#""Execution":{of_execution},"StateMachine":{of_machine}"#)
}

/// An expression failed: in the recording it must have too. The words are those of the engine.
fn evaluation_failed(chain: &mut Chain<'_>, at: &At<'_>, what: &str) -> Stop {
    match chain.trail.expect_failed(at.name, what) {
        Ok(event) => Stop::Failed(Failure {
            error: event.text("error").to_owned(),
            cause: event.text("cause").to_owned(),
        }),
        Err(stop) => stop,
    }
}
