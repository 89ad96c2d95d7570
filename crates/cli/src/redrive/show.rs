//! Prints the result of a redrive: a line for each message, and below them what failed.

use anyhow::Result;
use comfy_table::{ColumnConstraint, Table};
use serde::Serialize;

use super::dead_letter::{Failure, Trigger};
use super::{Outcome, Redriven};
use crate::deployment::Parts;
use crate::output::{self, Format};

/// The maximum length of a failure's message below the table.
const MAX_MESSAGE_CHARS: usize = 500;
/// The column with the time, which is short and must not be broken.
const TIME: usize = 3;

/// The JSON output, beside the deployment's fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Messages<'a> {
    dry_run: bool,
    messages: &'a [Redriven],
}

/// The result in the requested format.
///
/// # Errors
/// The result cannot be encoded as JSON, which is a defect.
pub(crate) fn result(
    parts: &Parts,
    dry_run: bool,
    redriven: &[Redriven],
    format: Format,
) -> Result<String> {
    match format {
        Format::Json => output::json_of(parts, Messages { dry_run, messages: redriven }),
        Format::Text if redriven.is_empty() => Ok("The dead-letter queue is empty.\n".to_owned()),
        Format::Text => Ok(output::printed(&table(redriven, None)) + &details(redriven)),
    }
}

/// The table, as wide as the terminal or as `width`: one line for each message.
pub(crate) fn table(redriven: &[Redriven], width: Option<u16>) -> Table {
    let mut table = output::table(&["Message", "For", "Error", "Time", "Result"], width);
    for one in redriven {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let time = one.time.as_deref().map(minutes).unwrap_or_default();
        let cells = [subject(one), text(&one.about), errors(one), time, outcome(one).to_owned()];
        output::add_row(&mut table, cells, 1);
    }
    if let Some(column) = table.column_mut(TIME) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

/// `2026-01-02T03:04:05Z` as `01-02 03:04`.
fn minutes(time: &str) -> String {
    time.get(5..16).unwrap_or(time).replace('T', " ")
}

/// The errors of the targets; else why there was no execution, or how it ended.
fn errors(one: &Redriven) -> String {
    let mut names: Vec<_> = one.failures.iter().map(|failure| failure.name.as_str()).collect();
    names.dedup();
    if names.is_empty() { one.error.clone().unwrap_or_default() } else { names.join(", ") }
}

/// What failed in the executions, and why messages stay.
fn details(redriven: &[Redriven]) -> String {
    redriven
        .iter()
        .flat_map(|one| one.failures.iter().map(move |it| failure(one, it)))
        .chain(redriven.iter().filter_map(|one| {
            let reason = one.failure.as_ref()?;
            let stays = if one.execution.is_some() { "was started, but stays" } else { "stays" };
            Some(format!("{} {stays} in the queue: {reason}\n", subject(one)))
        }))
        .collect()
}

fn failure(one: &Redriven, failure: &Failure) -> String {
    let Failure { target, step, name, message } = failure;
    let target = target.as_ref().map(|target| format!(", {target}")).unwrap_or_default();
    let step = step.as_ref().map(|step| format!(" in {step}")).unwrap_or_default();
    format!("{}{target}: {name}{step}: {}\n", subject(one), shortened(message))
}

fn subject(one: &Redriven) -> String {
    let kind = match one.trigger {
        Some(Trigger::Event) => "event",
        Some(Trigger::Schedule) => "schedule",
        Some(Trigger::Execution) => "execution",
        None => "message",
    };
    format!("{kind} {}", one.subject.as_ref().unwrap_or(&one.message_id))
}

fn outcome(one: &Redriven) -> &'static str {
    match one.result {
        Outcome::Started if one.failure.is_none() => "started",
        Outcome::Started => "started, stays",
        Outcome::WouldStart => "would start",
        Outcome::Left => "left",
        Outcome::NotStarted => "not started",
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
