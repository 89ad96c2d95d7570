//! Counts the calls to AWS that a promotion makes, against the table in `docs/calls.md`, which says
//! what each is for. So a call that nobody needs does not come in unnoticed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use contract::report::Outcome;
use harness::{Ended, Scenario, paths};

use crate::support::{control, expect};

trials![
    ;
    only here, "only a local AWS has a log of calls, and each test needs an account of its own":
    a_promotion_of_a_parameter_makes_the_calls_of_the_table,
    a_promotion_of_a_stack_makes_the_calls_of_the_table,
    an_unchanged_target_needs_the_calls_of_the_table,
];

/// The step and the call, `ssm:PutParameter`.
pub type Key = (String, String);

/// A cell of the table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    calls: usize,
    /// `2+`: it may be more, because the step is polled.
    is_polled: bool,
}

async fn a_promotion_of_a_parameter_makes_the_calls_of_the_table(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    made(s, &ended, Outcome::Promoted, 0).await
}

async fn a_promotion_of_a_stack_makes_the_calls_of_the_table(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    made(s, &ended, Outcome::Promoted, 1).await
}

async fn an_unchanged_target_needs_the_calls_of_the_table(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let first = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::target(&first, Outcome::Promoted)?;
    let before = calls(s).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::target(&ended, Outcome::Unchanged)?;
    let mut after = calls(s).await?;
    for (key, count) in before {
        *after.entry(key).or_default() -= count;
    }
    compare(&after, 2)
}

/// The calls of the account's only execution are those of this column.
async fn made(s: &Scenario, ended: &Ended, outcome: Outcome, column: usize) -> Result<()> {
    expect::target(ended, outcome)?;
    compare(&calls(s).await?, column)
}

/// The calls of all functions so far, in the whole account.
pub async fn calls(s: &Scenario) -> Result<BTreeMap<Key, usize>> {
    let mut counts = BTreeMap::new();
    for call in control(s)?.calls_of_functions().await? {
        // `…:assumed-role/STACK-UpdateStackRole-1A2B3C/…`
        let role = call.caller.split('/').nth(1).context("a caller without a role")?;
        let role = role.strip_prefix(&format!("{}-", s.driftless.stack));
        let step = role.and_then(|role| role.split_once("Role-")).context("no role of a step")?.0;
        let key = (step.to_owned(), format!("{}:{}", call.service, call.action));
        *counts.entry(key).or_default() += 1;
    }
    Ok(counts)
}

fn compare(made: &BTreeMap<Key, usize>, column: usize) -> Result<()> {
    let table = table(column)?;
    let keys: BTreeSet<_> = made.keys().chain(table.keys()).collect();
    let wrong = keys.into_iter().filter_map(|key| {
        let found = made.get(key).copied().unwrap_or_default();
        let Count { calls, is_polled } = table.get(key).copied().unwrap_or_default();
        let is_right = found == calls || (is_polled && found > calls);
        (!is_right).then(|| format!("{} {}: {found}, the table says {calls}", key.0, key.1))
    });
    let wrong: Vec<_> = wrong.collect();
    ensure!(wrong.is_empty(), "docs/calls.md: {}", wrong.join("; "));
    Ok(())
}

/// A column of the table in `docs/calls.md`.
fn table(column: usize) -> Result<BTreeMap<Key, Count>> {
    let text = std::fs::read_to_string(paths::root().join("docs/calls.md"))?;
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, step, call, ..] = cells[..] else { anyhow::bail!("{row}") };
        let found = *cells.get(3 + column).with_context(|| row.to_owned())?;
        let (number, is_polled) = (found.trim_end_matches('+'), found.ends_with('+'));
        let number = if number == "–" { "0" } else { number };
        let least = number.parse().with_context(|| found.to_owned())?;
        Ok(((step.to_owned(), call.to_owned()), Count { calls: least, is_polled }))
    })
    .collect()
}
