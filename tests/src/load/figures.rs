//! The figures that the load test measures, and whether they are good.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use contract::report::TargetOutcome;
use contract::steps::DecisionOutcome;
use harness::Ended;
use serde::Serialize;
use serde_json::Value;

use super::reported;
use super::target::{Observed, Place, Target};
use crate::demo::Format;

/// The maximum number of updates of a stack, however many of its groups' backups end at once.
const MAX_UPDATES: usize = 2;

/// The measurements.
pub(super) struct Run<'a> {
    pub events: &'a [Value],
    pub sent_in: Duration,
    pub took: Duration,
    pub ended: &'a [Ended],
    pub targets: &'a [Target],
    pub observed: &'a [Observed],
    pub healed: &'a [String],
    pub calls: usize,
    pub throttled: u64,
    pub throttle: u8,
}

/// The result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    events_sent: usize,
    seconds_to_send: f64,
    targets: usize,
    executions: usize,
    executions_failed: usize,
    promotions: usize,
    retries: usize,
    retries_by_error: BTreeMap<String, usize>,
    calls_of_functions: usize,
    throttled: u64,
    throttled_per_cent: u8,
    parameter_writes: usize,
    stack_updates: usize,
    most_updates_of_a_stack: usize,
    lost: usize,
    done_twice: usize,
    seconds: f64,
    /// The violations, one line each.
    findings: Vec<String>,
}

impl Figures {
    pub(super) fn new(run: &Run) -> Self {
        let mut retries_by_error = BTreeMap::new();
        for error in run.ended.iter().flat_map(|e| &e.transcript).flat_map(|step| &step.errors) {
            *retries_by_error.entry(error.clone()).or_default() += 1;
        }
        let failed = run.ended.iter().filter(|ended| ended.status != "SUCCEEDED");
        let failures: Vec<_> = failed.map(why).collect();
        let stacks = updates(run);
        let promotions = promotions(run.ended);
        let (lost, twice) = (lost(run), done_twice(run, &promotions, &stacks));
        Self {
            events_sent: run.events.len(),
            seconds_to_send: run.sent_in.as_secs_f64(),
            targets: run.targets.len(),
            executions: run.ended.len(),
            executions_failed: failures.len(),
            promotions: promotions.len(),
            retries: retries_by_error.values().sum(),
            retries_by_error,
            calls_of_functions: run.calls,
            throttled: run.throttled,
            throttled_per_cent: run.throttle,
            parameter_writes: run.observed.iter().map(|one| one.written.len()).sum(),
            stack_updates: stacks.values().sum(),
            most_updates_of_a_stack: stacks.values().copied().max().unwrap_or_default(),
            lost: lost.len(),
            done_twice: twice.len(),
            seconds: run.took.as_secs_f64(),
            findings: [failures, lost, twice].concat(),
        }
    }

    /// Whether nothing was lost or repeated, no execution failed, and no stack had too many
    /// updates.
    pub(super) fn is_good(&self) -> bool {
        self.lost == 0
            && self.done_twice == 0
            && self.executions_failed == 0
            && self.executions >= self.events_sent
            && self.most_updates_of_a_stack <= MAX_UPDATES
    }

    /// In the requested format.
    pub(super) fn printed(&self, format: Format) -> Result<String> {
        Ok(match format {
            Format::Json => serde_json::to_string_pretty(self)? + "\n",
            Format::Table => {
                let findings = self.findings.iter().map(|finding| format!("{finding}\n"));
                format!("\n{}\n{}\n", self.table(), findings.collect::<String>())
            }
        })
    }

    fn table(&self) -> Table {
        let retries = self.retries_by_error.iter().map(|(name, count)| format!("{count} {name}"));
        let retries = retries.collect::<Vec<_>>().join("\n");
        let per_cent = format!("{} % of all calls were meant to be", self.throttled_per_cent);
        let sent_in = format!("in {:.2} s, for {} targets", self.seconds_to_send, self.targets);
        let most = format!("{} of one stack at most", self.most_updates_of_a_stack);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let mut row = |what: &str, count: String, more: &str| {
            table.add_row([what, &count, more]);
        };
        row("Events sent", self.events_sent.to_string(), &sent_in);
        row("Executions", self.executions.to_string(), "");
        row("Failed executions", self.executions_failed.to_string(), "");
        row("Promotions", self.promotions.to_string(), "");
        row("Retries", self.retries.to_string(), &retries);
        row("Calls of the functions", self.calls_of_functions.to_string(), "");
        row("Throttled", self.throttled.to_string(), &per_cent);
        row("Parameter writes", self.parameter_writes.to_string(), "");
        row("Stack updates", self.stack_updates.to_string(), &most);
        row("Lost", self.lost.to_string(), "");
        row("Repeated", self.done_twice.to_string(), "");
        row(
            "Seconds",
            format!("{:.0}", self.seconds),
            "waits take a fiftieth of their time on AWS",
        );
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// Why an execution failed, in one line.
fn why(ended: &Ended) -> String {
    let errors = ended.report().map(|report| {
        let errors = report.targets.into_iter().filter_map(|target| target.error);
        errors.map(|e| format!("{} {}: {}", e.step, e.name, e.message)).collect::<Vec<_>>()
    });
    let cause = errors.map(|errors| errors.join("; "));
    let cause = cause.unwrap_or_else(|_| ended.cause.clone().unwrap_or_default());
    format!("failed: {}: {cause}", ended.error.as_deref().unwrap_or(&ended.status))
}

/// Target, parameter, image.
type Promotion = (String, String, String);

/// The promotions, according to the reports.
fn promotions(ended: &[Ended]) -> Vec<Promotion> {
    let mut all = Vec::new();
    for target in reported(ended).filter(|target| target.outcome == TargetOutcome::Updated) {
        let promoted = target.images.iter().filter(|i| i.outcome == DecisionOutcome::Promote);
        let triple = |image: &contract::steps::Decision| {
            (target.name.clone(), image.parameter.clone(), image.after.to_string())
        };
        all.extend(promoted.map(triple));
    }
    all
}

/// How often each stack was updated.
fn updates(run: &Run) -> BTreeMap<String, usize> {
    let stacks = run.targets.iter().zip(run.observed).filter_map(|(target, observed)| {
        let Place::Stack(stack, _) = &target.place else { return None };
        Some((stack.name.clone(), observed.updates))
    });
    stacks.collect()
}

/// Events that started no execution, and targets that are not on their newest image, either in the
/// parameter or in the healed instance.
fn lost(run: &Run) -> Vec<String> {
    let mut started: Vec<&str> = run.ended.iter().map(|ended| ended.input.as_str()).collect();
    let events = run.events.iter().filter_map(|event| {
        // The job identifies a backup's events; the same event twice starts two.
        let job = event["detail"]["backupJobId"].as_str().unwrap_or_default();
        let found = started.iter().position(|input| input.contains(job));
        if let Some(found) = found {
            started.swap_remove(found);
        }
        found.is_none().then(|| format!("lost: the event of {job} started no execution"))
    });
    let events: Vec<_> = events.collect();
    let targets = run.targets.iter().zip(run.observed).zip(run.healed);
    let lost = targets.filter_map(|((target, observed), healed)| {
        let (newest, named) = (&target.newest.image, &observed.image);
        let is_lost = named != newest || healed != newest;
        is_lost.then(|| {
            format!("lost: {newest} is not in place, but {named}; the group boots {healed}")
        })
    });
    events.into_iter().chain(lost).collect()
}

/// Repeated promotions of an image, repeated writes of an image to a parameter, and stack updates
/// that no execution reports.
fn done_twice(
    run: &Run,
    promotions: &[Promotion],
    stacks: &BTreeMap<String, usize>,
) -> Vec<String> {
    let mut known = BTreeSet::new();
    let again = promotions.iter().filter(|promotion| !known.insert(*promotion));
    let mut found: Vec<_> = again.map(|promotion| format!("repeated: {promotion:?}")).collect();
    for one in run.observed {
        let mut known = BTreeSet::new();
        let again = one.written.iter().filter(|image| !known.insert(*image));
        found.extend(again.map(|image| format!("repeated: {image} was written again")));
    }
    for (stack, updates) in stacks {
        let answered = reported(run.ended)
            .filter(|target| target.name == *stack && target.outcome == TargetOutcome::Updated);
        let more = updates.saturating_sub(answered.count());
        found.extend((0..more).map(|_| format!("repeated: {stack} was updated once more")));
    }
    found
}
