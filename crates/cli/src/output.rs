//! How results are printed: tables that fit the terminal for people, JSON for programs. Results go
//! to stdout, progress to stderr.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, LineStyle, Row, Table, TableStyle};
use serde::Serialize;

use crate::deployment::Parts;

/// The width of a table that is not printed to a terminal.
const DEFAULT_WIDTH: u16 = 120;

/// The JSON of a command about a deployment.
#[derive(Serialize)]
struct Found<'a, T> {
    stack: &'a str,
    account: &'a str,
    region: &'a str,
    #[serde(flatten)]
    found: T,
}

/// The JSON of a command about targets.
#[derive(Serialize)]
pub(crate) struct Targets<'a, T> {
    pub(crate) targets: &'a [T],
}

/// How to print the result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people; a table is as wide as the terminal.
    #[default]
    Text,
    /// All fields, for programs.
    Json,
}

/// Prints to stdout.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).context("printing the result")
}

/// JSON with a final newline.
///
/// # Errors
/// The result cannot be encoded, which is a defect.
pub(crate) fn json(result: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(result)? + "\n")
}

/// What a command found in a deployment, as JSON: the deployment's fields, then these.
///
/// # Errors
/// The result cannot be encoded, which is a defect.
pub(crate) fn json_of(parts: &Parts, found: impl Serialize) -> Result<String> {
    let (account, region) = (parts.account(), parts.region());
    json(&Found { stack: &parts.stack, account, region, found })
}

/// A table as wide as the terminal, or as `width`.
pub(crate) fn table(header: &[&str], width: Option<u16>) -> Table {
    let mut table = Table::new();
    // A line for each row, and one below the header.
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    if let Some(width) = width.or_else(|| (!table.is_tty()).then_some(DEFAULT_WIDTH)) {
        table.set_width(width);
    }
    table
}

/// A table as it is printed, without spaces at the ends of its lines.
pub(crate) fn printed(table: &Table) -> String {
    table.trim_fmt() + "\n"
}

/// Adds a row of at most this many lines; longer values are truncated.
pub(crate) fn add_row<const N: usize>(table: &mut Table, cells: [String; N], lines: usize) {
    let mut row = Row::from(cells);
    row.max_height(lines);
    table.add_row(row);
}
