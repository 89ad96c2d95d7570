//! Owns the reference implementation of JSONata, run by `QuickJS`.

use anyhow::{Result, anyhow};
use rquickjs::{CatchResultExt, Context, Ctx, Function, Promise, Runtime};
use serde::Deserialize;
use serde_json::Value;

/// It defines a property of `window`, and nothing where there is no `window`.
const WINDOW: &str = "globalThis.window = globalThis;";
const LIBRARY: &str = include_str!("../vendor/jsonata/jsonata.min.js");
const BRIDGE: &str = include_str!("bridge.js");
/// Half of what a thread has; `QuickJS` would stop at a quarter of it.
const MAX_STACK_BYTES: usize = 1 << 20;

/// An engine with its bindings.
pub(crate) struct Engine {
    context: Context,
}

/// What an expression returns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Value(Value),
    /// Nothing: what JSONata calls `undefined`.
    Nothing,
    /// Why it could not be evaluated.
    Error(String),
}

#[derive(Deserialize)]
struct Wire {
    // `null` is a value.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    error: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl Engine {
    pub(crate) fn start() -> Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_max_stack_size(MAX_STACK_BYTES);
        let engine = Self { context: Context::full(&runtime)? };
        engine.run(|js| {
            [WINDOW, LIBRARY, BRIDGE].into_iter().try_for_each(|source| js.eval::<(), _>(source))
        })?;
        Ok(engine)
    }

    /// Gives variables their values: the fields of an object, as JSON.
    pub(crate) fn bind(&self, variables: &str) -> Result<()> {
        self.run(|js| js.globals().get::<_, Function>("bind")?.call((variables,)))
    }

    /// Evaluates an expression with the bindings. There is no document: `$states` is all there is.
    pub(crate) fn evaluate(&self, expression: &str) -> Result<Answer> {
        let text: String = self.run(|js| {
            let evaluate: Function = js.globals().get("evaluate")?;
            evaluate.call::<_, Promise>((expression,))?.finish()
        })?;
        let Wire { value, error } = serde_json::from_str(&text)?;
        Ok(match error {
            Some(error) => Answer::Error(error),
            None => value.map_or(Answer::Nothing, Answer::Value),
        })
    }

    fn run<T>(&self, call: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<T>) -> Result<T> {
        self.context.with(|js| call(&js).catch(&js).map_err(|error| anyhow!("QuickJS: {error}")))
    }
}
