//! `docs/aws-errors.md` against the steps' calls and the services' models: a new call, or a new error
//! of a call, fails here until somebody has sorted it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{from_value, json};

use crate::workspace::{sources, step_crates};
use crate::{none, text};

/// A row of the table.
struct Row {
    /// `service:Operation`, or `service:*`.
    call: String,
    code: String,
    source: String,
}

impl Row {
    fn is_of(&self, call: &str) -> bool {
        let service = call.split_once(':').map_or(call, |(service, _)| service);
        self.call == call || self.call == format!("{service}:*")
    }

    fn is_modelled(&self) -> bool {
        self.source.starts_with("model")
    }
}

fn rows() -> Vec<Row> {
    let table = text("docs/aws-errors.md");
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let call = cells.next()?.trim_end_matches('`').to_owned();
        let code = cells.next()?.split('`').nth(1)?.to_owned();
        let source = cells.nth(2)?.trim_end_matches(" |").to_owned();
        Some(Row { call, code, source })
    });
    rows.collect()
}

/// The texts in quotes in the sources of the steps and of `aws`.
fn literals() -> BTreeSet<String> {
    let crates = step_crates().into_iter().chain(["aws".to_owned()]);
    let texts = crates.flat_map(|name| sources(&name)).map(text);
    let literals = texts.flat_map(|text| text.split('"').map(str::to_owned).collect::<Vec<_>>());
    literals.collect()
}

/// The calls that the steps make: they name each as `service:Operation`.
fn calls() -> BTreeSet<String> {
    let is_call = |text: &String| {
        text.split_once(':').is_some_and(|(service, operation)| {
            !service.is_empty()
                && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && operation.starts_with(|c: char| c.is_ascii_uppercase())
                && operation.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    };
    literals().into_iter().filter(is_call).collect()
}

#[test]
fn every_modelled_error_of_every_call_is_sorted() {
    let (calls, rows) = (calls(), rows());
    assert!(calls.contains("ssm:PutParameter") && !rows.is_empty(), "{calls:?}");
    let models = crate::python("answers.py", &json!(calls));
    let models: BTreeMap<String, Vec<String>> = from_value(models).unwrap();
    none(models.iter().flat_map(|(call, codes)| {
        let is_sorted = |code: &&String| {
            !rows.iter().any(|row| row.is_modelled() && row.is_of(call) && row.code == **code)
        };
        codes
            .iter()
            .filter(is_sorted)
            .map(move |code| format!("{call} may answer {code}"))
            .collect::<Vec<_>>()
    }));
    none(rows.iter().filter(|row| row.is_modelled()).filter_map(|row| {
        let mut of = models.iter().filter(|(call, _)| row.is_of(call));
        let is_known = of.any(|(_, codes)| codes.contains(&row.code));
        (!is_known).then(|| format!("no model has {} of {}", row.code, row.call))
    }));
}

#[test]
fn every_row_is_of_a_call_that_a_step_makes() {
    let calls = calls();
    none(rows().iter().filter_map(|row| {
        let is_made = calls.iter().any(|call| row.is_of(call));
        (!is_made).then(|| format!("no step calls {}", row.call))
    }));
}

/// What a step asks for with `has_code`.
#[test]
fn every_code_that_a_step_knows_is_in_the_table() {
    let rows = rows();
    let crates = step_crates().into_iter().chain(["aws".to_owned()]);
    let texts = crates.flat_map(|name| sources(&name)).map(text);
    let known: BTreeSet<String> = texts
        .flat_map(|text| {
            let asked = text.split("has_code(\"").skip(1);
            asked.filter_map(|rest| Some(rest.split('"').next()?.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    assert!(known.contains("TooManyUpdates"), "{known:?}");
    none(known.iter().filter(|code| !rows.iter().any(|row| row.code == **code)));
}
