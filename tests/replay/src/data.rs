//! Owns data on its way through an execution: a value with its text, which is made once.

use serde_json::Value;

/// JSON as Step Functions writes it.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) value: Value,
    pub(crate) text: String,
}

impl From<Value> for Data {
    fn from(value: Value) -> Self {
        let text = value.to_string();
        Self { value, text }
    }
}
