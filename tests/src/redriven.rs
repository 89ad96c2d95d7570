//! Owns how `cargo xtask redrive` shows what it does.

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use harness::redrive::{self, Redriven};
use harness::{Cloud, Driftless, Stack};
use serde_json::json;

use crate::demo::Format;
use crate::live::Live;

/// Redrives the queue of this Driftless. Whether each message was (or, in a dry run, can be).
pub(crate) async fn run(stack: &str, dry_run: bool, format: Format) -> Result<bool> {
    let live = Live::new();
    let cloud = Cloud::of_the_cli()?;
    let driftless = Driftless::of(&Stack::named(&cloud, stack)).await?;
    live.line(&format!("Reading {}", driftless.dead_letters));
    let tell = |one: &Redriven| live.line(&format!("{}: {}", subject(one), result(one, dry_run)));
    let redriven = redrive::run(&driftless, dry_run, tell).await?;
    match format {
        Format::Json => {
            println!("{}", serde_json::to_string_pretty(&json!({ "redriven": redriven }))?);
        }
        Format::Table if redriven.is_empty() => println!("The dead-letter queue is empty."),
        Format::Table => println!("\n{}\n", table(&redriven, dry_run)),
    }
    Ok(redriven.iter().all(|one| one.error.is_none()))
}

fn subject(one: &Redriven) -> &str {
    if one.what.is_empty() { &one.message_id } else { &one.what }
}

fn result(one: &Redriven, dry_run: bool) -> String {
    match (&one.error, &one.execution) {
        (Some(error), _) => format!("stays in the queue: {error}"),
        (None, Some(arn)) => format!("runs as {}", arn.rsplit(':').next().unwrap_or(arn)),
        (None, None) if dry_run => "would be run".to_owned(),
        (None, None) => "stays in the queue".to_owned(),
    }
}

fn table(redriven: &[Redriven], dry_run: bool) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["What did not happen", "Why", "Input", "Now"]);
    for one in redriven {
        let input = one.input.as_ref().map(ToString::to_string).unwrap_or_default();
        table.add_row([subject(one), &one.why, &input, &result(one, dry_run)]);
    }
    table
}
