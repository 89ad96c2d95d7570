//! Prints the demo's result.

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use serde_json::json;

use super::Format;
use super::demo_run::{Method, Row};

/// With line breaks, so that the table fits into 110 columns.
const HEADER: [&str; 7] = [
    "Pattern",
    "Image before\n→ after",
    "Healed instance\nbooted",
    "Drift",
    "Steps",
    "AWS\ncalls",
    "Time",
];
/// The columns with numbers.
const NUMBERS: std::ops::Range<usize> = 4..7;

const LEGEND: &str = "\
Steps: the states that the execution entered. AWS calls: made by the functions (naive: by the script),
including polling and retries. Time: of the execution. Waits take a fiftieth of their time on AWS.
";

/// The rows in the requested format.
pub(super) fn printed(rows: &[Row], format: Format) -> Result<String> {
    Ok(match format {
        Format::Json => serde_json::to_string_pretty(&json!({ "patterns": rows }))? + "\n",
        Format::Table => format!("\n{}\n{LEGEND}\n", table(rows)),
    })
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_header(HEADER);
    for row in rows {
        table.add_row(cells(row));
    }
    for number in NUMBERS {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(row: &Row) -> [Cell; 7] {
    let healed = if row.healed_image == row.image_after { Color::Green } else { Color::Red };
    let color = match (row.is_proven, row.method) {
        (true, _) => Color::Green,
        (false, Method::Naive) => Color::Yellow,
        (false, _) => Color::Red,
    };
    [
        Cell::new(row.method),
        Cell::new(format!("{}\n{}", row.image_before, row.image_after)),
        Cell::new(&row.healed_image).fg(healed),
        Cell::new(drift(row)).fg(color),
        Cell::new(row.steps.map_or("–".to_owned(), |steps| steps.to_string())),
        Cell::new(row.aws_calls),
        Cell::new(format!("{:.2} s", row.seconds)),
    ]
}

fn drift(row: &Row) -> String {
    let mut text = row.drift.status.clone();
    for found in &row.drift.differences {
        let (path, expected, actual) = (&found.path, &found.expected, &found.actual);
        text += &format!("\n{path}\n{}: {expected} → {actual}", found.logical_id);
    }
    if row.drift.differences.is_empty() {
        text += &format!("\n{} resources compared", row.drift.resources_checked);
    }
    text
}

#[cfg(test)]
mod tests {
    use harness::stack::Difference;

    use super::*;

    #[test]
    fn a_drifted_row_names_the_property() {
        let version = Difference {
            logical_id: "Group".into(),
            path: "/LaunchTemplate/Version".into(),
            expected: "1".into(),
            actual: "2".into(),
        };
        let rows = [
            Row::example(Method::Stack, &["A"], vec![]),
            Row::example(Method::Naive, &[], vec![version]),
        ];
        let text = printed(&rows, Format::Table).unwrap();
        assert!(text.contains("Group: 1 → 2"), "{text}");
        assert!(text.contains("/LaunchTemplate/Version"), "{text}");
        assert!(text.contains("IN_SYNC"), "{text}");
    }

    #[test]
    fn json_has_the_same_cells() {
        let text =
            printed(&[Row::example(Method::Parameter, &["A"], vec![])], Format::Json).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let row = &value["patterns"][0];
        assert_eq!(row["pattern"], "parameter");
        assert_eq!(row["drift"]["status"], "IN_SYNC");
        assert_eq!(row["awsCalls"], 3);
    }
}
