//! Prints the status of targets.

use anyhow::Result;
use aws_sdk_sfn::primitives::DateTime;
use comfy_table::{ColumnConstraint, Table};

use super::Status;
use super::executions::LastExecution;
use crate::deployment::Parts;
use crate::output::{self, Format, Targets};

/// A cell may list several images or stacks.
const MAX_CELL_LINES: usize = 4;
const SECONDS_PER_MINUTE: i64 = 60;
const SECONDS_PER_HOUR: i64 = 3_600;
const SECONDS_PER_DAY: i64 = 86_400;
/// The columns with image IDs, which are not broken where the terminal is as wide as this.
const IMAGES: [usize; 2] = [1, 3];
const WIDE: u16 = 100;

/// The result in the requested format.
///
/// # Errors
/// The result cannot be encoded as JSON, which is a defect.
pub(crate) fn result(parts: &Parts, all: &[Status], format: Format) -> Result<String> {
    match format {
        Format::Json => output::json_of(parts, Targets { targets: all }),
        Format::Text if all.is_empty() => Ok(format!(
            "No image and no group is tagged with {} or {} and a name within the prefixes; \
             `driftless doctor` says what a group needs.\n",
            parts.settings.parameter_name_tag, parts.settings.stack_name_tag
        )),
        Format::Text => {
            let now = DateTime::from(std::time::SystemTime::now()).secs();
            let mut text = output::printed(&table(all, now, None));
            if let Some(reason) = all.iter().find_map(|one| one.expires_unknown.as_ref()) {
                text += &format!("? When the images expire is not known: {reason}\n");
            }
            Ok(text)
        }
    }
}

/// The table, as wide as the terminal or as `width`.
pub(crate) fn table(all: &[Status], now: i64, width: Option<u16>) -> Table {
    let header = ["Target", "Boots", "Since", "Newest image", "Drift", "Expires", "Last run"];
    let mut table = output::table(&header, width);
    for one in all {
        let cells = [
            one.name.clone(),
            boots(one),
            one.since.map(|time| age(now - time)).unwrap_or_default(),
            newest(one),
            drift(one, now),
            expires(one, now),
            last(one, now),
        ];
        output::add_row(&mut table, cells, MAX_CELL_LINES);
    }
    if table.width().is_some_and(|width| width >= WIDE) {
        for index in IMAGES {
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table
}

fn boots(one: &Status) -> String {
    let none = if one.groups.is_empty() { "(no group)" } else { "" };
    let lines = one.boots.iter().map(String::as_str).chain([none]).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

fn newest(one: &Status) -> String {
    match &one.newest_image {
        None => "none yet".to_owned(),
        Some(_) if one.is_newest => "the same".to_owned(),
        Some(image) => image.clone(),
    }
}

fn drift(one: &Status, now: i64) -> String {
    let several = one.drift.len() > 1;
    let line = |drift: &super::Drift| {
        let name = if several { format!("{} ", drift.stack) } else { String::new() };
        let detected = drift.detected.map(|time| format!(", {}", age(now - time)));
        let detected = detected.unwrap_or_default();
        format!("{name}{}{detected}", drift.status)
    };
    one.drift.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn expires(one: &Status, now: i64) -> String {
    match (one.expires, &one.expires_unknown) {
        (_, Some(_)) => "?".to_owned(),
        (None, None) => "–".to_owned(),
        (Some(end), None) => days(end - now),
    }
}

fn last(one: &Status, now: i64) -> String {
    let text = |last: &LastExecution| format!("{}, {}", last.outcome, age(now - last.ended));
    one.last_execution.as_ref().map_or_else(|| "none".to_owned(), text)
}

/// Whole days: a rest of a day is not enough for a nightly backup.
fn days(seconds: i64) -> String {
    match seconds.div_euclid(SECONDS_PER_DAY) {
        ..0 => "overdue".to_owned(),
        0 => "today".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// How long ago: `now`, `5 min`, `3 h`, `12 d`.
pub(crate) fn age(seconds: i64) -> String {
    if seconds < SECONDS_PER_MINUTE {
        "now".to_owned()
    } else if seconds < SECONDS_PER_HOUR {
        format!("{} min", seconds / SECONDS_PER_MINUTE)
    } else if seconds < SECONDS_PER_DAY {
        format!("{} h", seconds / SECONDS_PER_HOUR)
    } else {
        format!("{} d", seconds / SECONDS_PER_DAY)
    }
}
