//! Owns how a replay that differs from the recording is found and shown.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;

use crate::data::Data;

/// A value is shown up to here.
const MAX_CHARS: usize = 600;

/// Why a chain of states goes no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The state failed; a retrier or a catcher may follow.
    Failed(Failure),
    /// The recording ends here: the execution was stopped, or the iteration was aborted.
    Cut,
    /// The replay is not the recording.
    Differs(Box<Difference>),
}

/// An error of a state.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) cause: String,
}

/// Where the replay is another than the recording.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) state: String,
    /// The number of the event that was read last.
    pub(crate) event: u64,
    /// The field: `Arguments.Payload.groups`.
    pub(crate) place: String,
    pub(crate) expression: Option<String>,
    pub(crate) recorded: String,
    pub(crate) replayed: String,
}

impl From<Difference> for Stop {
    fn from(difference: Difference) -> Self {
        Self::Differs(Box::new(difference))
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { state, event, place, expression, recorded, replayed } = self;
        write!(f, "  {state} (event {event}), {place}")?;
        if let Some(expression) = expression {
            write!(f, ": {expression}")?;
        }
        writeln!(f, "\n    recorded  {}\n    replayed  {}", cut(recorded), cut(replayed))
    }
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A field in a state: `Catch.0.Assign.failure`.
pub(crate) fn join(place: &str, field: &str) -> String {
    if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
}

/// What a value was made from, to name the expression if it differs.
pub(crate) struct Made<'a> {
    pub(crate) state: &'a str,
    pub(crate) event: u64,
    pub(crate) place: &'a str,
    pub(crate) template: Option<&'a Value>,
}

impl Made<'_> {
    /// Compares data with what was recorded, as text.
    pub(crate) fn is_recorded(&self, recorded: &str, replayed: &Data) -> Result<(), Stop> {
        // As a rule the texts are the same.
        if recorded == replayed.text {
            return Ok(());
        }
        match serde_json::from_str(recorded) {
            Ok(recorded) => self.is_same(&recorded, &replayed.value),
            Err(_) => Err(self.differs(&[], &format!("no JSON: {recorded:?}"), &replayed.text)),
        }
    }

    /// Compares a value with the recorded one.
    pub(crate) fn is_same(&self, recorded: &Value, replayed: &Value) -> Result<(), Stop> {
        let mut path = Vec::new();
        match differing(recorded, replayed, &mut path) {
            None => Ok(()),
            Some((recorded, replayed)) => Err(self.differs(&path, &recorded, &replayed)),
        }
    }

    fn differs(&self, path: &[String], recorded: &str, replayed: &str) -> Stop {
        let mut template = self.template;
        for field in path {
            template =
                template.and_then(|of| if of.is_string() { Some(of) } else { child(of, field) });
        }
        Difference {
            state: self.state.to_owned(),
            event: self.event,
            place: path.iter().fold(self.place.to_owned(), |place, field| join(&place, field)),
            expression: template.and_then(Value::as_str).map(str::to_owned),
            recorded: recorded.to_owned(),
            replayed: replayed.to_owned(),
        }
        .into()
    }
}

/// A field of an object, or an item of a list by its number.
pub(crate) fn child<'a>(of: &'a Value, field: &str) -> Option<&'a Value> {
    match of {
        Value::Array(items) => items.get(field.parse::<usize>().ok()?),
        of => of.get(field),
    }
}

/// The first values that differ, as text, with the path to them.
fn differing(a: &Value, b: &Value, path: &mut Vec<String>) -> Option<(String, String)> {
    let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let fields: Vec<String> = match (a, b) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).cloned().collect(),
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).map(|index| index.to_string()).collect()
        }
        // One engine writes 2, another 2.0.
        (Value::Number(m), Value::Number(n)) if m.as_f64() == n.as_f64() => return None,
        _ => return (a != b).then(|| (shown(Some(a)), shown(Some(b)))),
    };
    for field in fields {
        let (in_a, in_b) = (child(a, &field), child(b, &field));
        path.push(field);
        match (in_a, in_b) {
            (Some(a), Some(b)) => {
                if let Some(found) = differing(a, b, path) {
                    return Some(found);
                }
            }
            _ => return Some((shown(in_a), shown(in_b))),
        }
        path.pop();
    }
    None
}
