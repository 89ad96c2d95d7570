//! Prints the result of a redrive: a table for people, JSON for programs.

use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use serde::Serialize;

use crate::dead_letter::{Failure, Trigger};
use crate::deployment::Parts;
use crate::redrive::{Outcome, Redriven};

/// The maximum height of a table cell. Longer values are truncated; JSON has them in full.
const MAX_CELL_LINES: usize = 3;
/// The maximum share of the terminal's width for the input.
const INPUT_PERCENT: u16 = 20;
/// The maximum length of a failure's message below the table.
const MAX_MESSAGE_CHARS: usize = 500;

/// How to print the result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table as wide as the terminal; long values are truncated.
    #[default]
    Table,
    /// All fields of each message.
    Json,
}

/// The JSON output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    stack: &'a str,
    account: &'a str,
    region: &'a str,
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
    Ok(match format {
        Format::Json => {
            let result = Printed {
                stack: &parts.stack,
                account: parts.account(),
                region: parts.region(),
                dry_run,
                messages: redriven,
            };
            serde_json::to_string_pretty(&result)? + "\n"
        }
        Format::Table if redriven.is_empty() => "The dead-letter queue is empty.\n".to_owned(),
        Format::Table => format!("\n{}\n{}", table(redriven, None), failures(redriven)),
    })
}

/// One message and its result, in a line.
pub(crate) fn line(one: &Redriven) -> String {
    format!("{}: {}", subject(one), outcome(one))
}

/// The table, as wide as the terminal or as `width`.
pub(crate) fn table(redriven: &[Redriven], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["Message", "Time", "Error", "Input", "Result"]);
    for one in redriven {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let input = one.input.as_ref().map(ToString::to_string).unwrap_or_default();
        let cells = [subject(one), text(&one.time), text(&one.error), input, outcome(one)];
        let mut row = Row::from(cells);
        row.max_height(MAX_CELL_LINES);
        table.add_row(row);
    }
    // A time is short and must not be broken; the input is the least important.
    let input = ColumnConstraint::UpperBoundary(Width::Percentage(INPUT_PERCENT));
    for (index, constraint) in [(1, ColumnConstraint::ContentWidth), (3, input)] {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(constraint);
        }
    }
    table
}

/// The failures in the executions, one line each.
fn failures(redriven: &[Redriven]) -> String {
    let line = |(one, failure): (&Redriven, &Failure)| {
        let Failure { target, step, name, message } = failure;
        let target = target.as_ref().map(|target| format!(", {target}")).unwrap_or_default();
        let step = step.as_ref().map(|step| format!(" in {step}")).unwrap_or_default();
        format!("{}{target}: {name}{step}: {}\n", subject(one), shortened(message))
    };
    redriven.iter().flat_map(|one| one.failures.iter().map(move |it| (one, it))).map(line).collect()
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

fn outcome(one: &Redriven) -> String {
    let name = one.execution.as_deref().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default();
    match (one.result, &one.failure) {
        (Outcome::Started, None) => format!("started as {name}"),
        (Outcome::Started, Some(failure)) => {
            format!("started as {name}, but stays in the queue: {failure}")
        }
        (Outcome::WouldStart, _) => "would be started".to_owned(),
        (Outcome::NotStarted, failure) => {
            format!("stays in the queue: {}", failure.as_deref().unwrap_or_default())
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
