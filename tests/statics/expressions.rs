//! The JSONata in the state machine.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{from_value, json};

use crate::machine;

/// One expression.
pub struct Expression {
    /// The file of its definition.
    pub machine: &'static str,
    pub state: &'static str,
    /// Where in the state: `Assign.polls`.
    pub path: String,
    /// Without the delimiters.
    pub text: &'static str,
    /// Why it does not parse.
    pub error: Option<String>,
    /// The variables that it reads.
    pub reads: Vec<String>,
}

static EXPRESSIONS: LazyLock<Vec<Expression>> = LazyLock::new(parse);

/// Every expression.
pub fn of_states() -> &'static [Expression] {
    &EXPRESSIONS
}

#[derive(Deserialize)]
struct Parsed {
    error: Option<String>,
    reads: Vec<String>,
}

fn parse() -> Vec<Expression> {
    let mut found = Vec::new();
    for state in machine::states() {
        for (path, text) in state.texts() {
            if let Some(inside) = text.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")) {
                found.push((state, path, inside.trim()));
            }
        }
    }
    let texts: Vec<_> = found.iter().map(|(_, _, text)| text).collect();
    let parsed: Vec<Parsed> = from_value(crate::python("expressions.py", &json!(texts))).unwrap();
    assert_eq!(parsed.len(), found.len());
    let expression =
        |((state, path, text), Parsed { error, reads }): ((machine::State, _, _), _)| Expression {
            machine: state.machine,
            state: state.name,
            path,
            text,
            error,
            reads,
        };
    found.into_iter().zip(parsed).map(expression).collect()
}

#[test]
fn no_expression_lacks_a_delimiter() {
    crate::none(machine::states().iter().flat_map(|state| {
        let half = |text: &&str| text.contains("{%") || text.contains("%}");
        let whole = |text: &str| text.starts_with("{%") && text.ends_with("%}");
        let texts = state.texts().into_iter().map(|(_, text)| text);
        texts
            .filter(half)
            .filter(|text| !whole(text))
            .map(|text| format!("{}: {text}", state.name))
            .collect::<Vec<_>>()
    }));
}

/// Rust decides: an expression only selects, compares and passes on.
#[test]
fn no_expression_decides() {
    const MAX_CHARS: usize = 160;
    crate::none(of_states().iter().filter_map(|expression| {
        let Expression { state, path, text, .. } = expression;
        let length = text.chars().count();
        let forbidden = ["function(", "$parse(", "$map(", "$reduce(", "$merge(", "$join(", " & "];
        // A name for AWS is put together, so that a repeated call is recognised.
        let is_name = text.starts_with("$states.context.Execution.Name & ");
        let computed = forbidden.iter().find(|part| text.contains(**part) && !is_name);
        match computed {
            Some(part) => Some(format!("{state}, {path}: {part} in {text}")),
            None if length > MAX_CHARS => Some(format!("{state}, {path}: {length} characters")),
            None => None,
        }
    }));
}
