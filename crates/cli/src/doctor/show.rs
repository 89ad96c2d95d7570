//! Prints whether targets are ready.

use anyhow::Result;
use comfy_table::Table;

use super::{Diagnosis, Verdict};
use crate::deployment::Parts;
use crate::output::{self, Format, Targets};

/// A line to paste must not be truncated.
const MAX_CELL_LINES: usize = 40;

/// The result in the requested format.
///
/// # Errors
/// The result cannot be encoded as JSON, which is a defect.
pub(crate) fn result(parts: &Parts, all: &[Diagnosis], format: Format) -> Result<String> {
    if format == Format::Json {
        return output::json_of(parts, Targets { targets: all });
    }
    if all.is_empty() {
        let settings = &parts.settings;
        return Ok(format!(
            "No image and no group is tagged with {} or {}; name a target with --parameter or \
             --stack.\n",
            settings.parameter_name_tag, settings.stack_name_tag
        ));
    }
    Ok(all.iter().map(|one| text(one, None)).collect::<Vec<_>>().join("\n"))
}

/// One target: a table of its prerequisites, and what to change below it, so that it can be copied.
pub(crate) fn text(one: &Diagnosis, width: Option<u16>) -> String {
    let changes: Vec<_> = one.findings.iter().filter(|it| it.verdict == Verdict::Change).collect();
    let verdict = match changes.len() {
        0 => "ready".to_owned(),
        1 => "1 thing must change".to_owned(),
        count => format!("{count} things must change"),
    };
    let table = output::printed(&table(one, width));
    let mut text = format!("{} {}: {verdict}\n{table}", one.pattern, one.name);
    for finding in changes {
        let change = finding.change.as_deref().unwrap_or_default().replace('\n', "\n  ");
        text.push_str(&format!("Change for {}:\n  {change}\n", finding.check));
    }
    text
}

fn table(one: &Diagnosis, width: Option<u16>) -> Table {
    let mut table = output::table(&["Prerequisite", "", "Found"], width);
    for finding in &one.findings {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Change => "change",
            Verdict::Unknown => "?",
        };
        let cells = [finding.check.to_owned(), verdict.to_owned(), finding.found.clone()];
        output::add_row(&mut table, cells, MAX_CELL_LINES);
    }
    table
}
