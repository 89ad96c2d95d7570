//! Prints the figures for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::figures::{Figures, Kind, Measured};

/// With line breaks, so that the table fits into 110 columns.
const HEADER: [&str; 10] = [
    "Function",
    "AWS\ncalls",
    "Init\nms",
    "First\nms",
    "Warm\nms",
    "× the\nfloor",
    "× below\nPython",
    "Memory\nMB",
    "Program\nMB",
    "Zip\nMB",
];

const LEGEND: &str = "\
Medians. Init, first, warm: CPU time until the function asks for work, of its first invocation, and of
each further one. × the floor, × below Python: init and first together. bench-floor: the two calls of a
promotion without an SDK. bench-empty: no call. python: the two calls with boto3, as AWS SAM packages a
function: without valid bytecode, so Lambda compiles boto3 at each cold start. python-compiled: with it.
";

/// The table, the promotion as a whole, and what exceeds its bound.
pub(crate) fn printed(figures: &Figures) -> String {
    let mut text = format!("\n{}\n{LEGEND}", table(figures));
    for promotion in &figures.promotions {
        text += &format!(
            "{} cold: {:.1} ms, {:.0} times below Python, {:.0} times below compiled Python.\n",
            promotion.functions.join(", "),
            promotion.cold_ms,
            promotion.times_below_python,
            promotion.times_below_compiled_python
        );
    }
    for finding in &figures.findings {
        text += &format!("over its bound: {finding}\n");
    }
    text + "\n"
}

fn table(figures: &Figures) -> Table {
    of(&HEADER, figures.functions.iter().map(|one| cells(figures, one)), Some(0))
}

/// A table in which every column has numbers, but for one with words.
pub(crate) fn of(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    words: Option<usize>,
) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_header(header.to_vec());
    table.add_rows(rows);
    for number in (0..header.len()).filter(|number| Some(*number) != words) {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(figures: &Figures, one: &Measured) -> Vec<String> {
    let of = |kind| figures.of(kind).map_or(f64::NAN, Measured::cold_ms);
    let size = |size: Option<f64>| size.map(|size| format!("{size:.2}")).unwrap_or_default();
    vec![
        one.function.clone(),
        one.calls.to_string(),
        format!("{:.2}", one.init_ms),
        format!("{:.2}", one.first_ms),
        format!("{:.2}", one.warm_ms),
        format!("{:.1}", one.cold_ms() / of(Kind::Floor)),
        format!("{:.0}", of(Kind::Python) / one.cold_ms()),
        format!("{:.1}", one.memory_mb),
        size(one.binary_mb),
        size(one.zip_mb),
    ]
}
