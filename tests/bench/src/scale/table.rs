//! Prints the figures for people.

use super::cost::PRICES;
use super::{Figures, Run, ratio};
use crate::table;

const HEADER: [&str; 10] = [
    "Targets",
    "Reconcile",
    "Seconds",
    "Lost",
    "Executions",
    "Transitions\n/ target",
    "Invocations\n/ target",
    "AWS calls\n/ target",
    "Longest\nhistory",
    "Largest\ndata",
];
const NIGHTS: [&str; 5] = ["Groups", "Transitions", "Invocations", "GB-seconds", "US dollars"];

/// The tables, the calls of the last size by action, and what is wrong.
pub(super) fn printed(figures: &Figures) -> String {
    let rows = figures.sizes.iter().flat_map(|size| {
        let row = |what, run| cells(size.targets, what, run);
        [row("all promoted", &size.promoting), row("all unchanged", &size.unchanged)]
    });
    let mut text = format!("\n{}\n", table::of(&HEADER, rows, Some(1)));
    if let Some(last) = figures.sizes.last() {
        for (what, run) in [("promoted", &last.promoting), ("unchanged", &last.unchanged)] {
            let calls = run.counts.calls_by_action.iter();
            let each =
                calls.map(|(call, count)| format!("{call} {:.2}", ratio(*count, last.targets)));
            let each = each.collect::<Vec<_>>().join(", ");
            text += &format!("\nCalls per target, all {what}: {each}\n");
        }
    }
    let nights = figures.nights.iter().map(|night| {
        vec![
            night.groups.to_string(),
            format!("{:.0}", night.transitions),
            format!("{:.0}", night.invocations),
            format!("{:.2}", night.gb_seconds),
            format!("{:.4}", night.dollars),
        ]
    });
    text += &format!(
        "\nA night by list price ({PRICES}): each group is promoted once, and a reconcile finds \
         everything in place.\n{}\n",
        table::of(&NIGHTS, nights, None)
    );
    for finding in &figures.findings {
        text += &format!("FAILED: {finding}\n");
    }
    text
}

fn cells(targets: usize, what: &str, run: &Run) -> Vec<String> {
    let counts = &run.counts;
    let executions =
        [&counts.promotions, &counts.pages, &counts.reconcile].map(|one| one.executions);
    let each = |count: usize| format!("{:.2}", ratio(count, targets));
    vec![
        targets.to_string(),
        what.to_owned(),
        format!("{:.1}", run.seconds),
        run.lost.to_string(),
        executions.map(|count| count.to_string()).join(" + "),
        each(counts.transitions()),
        each(counts.invocations()),
        each(counts.calls()),
        counts.longest_history().to_string(),
        counts.largest_data().to_string(),
    ]
}
