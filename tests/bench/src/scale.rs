//! `cargo xtask bench scale`: reconciles an account with many targets twice, first with a new image for
//! each and then with nothing to do, and counts what each target costs.

mod cost;
mod count;
mod table;
mod targets;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use contract::report::ReconcileReport;
use harness::driftless::Prefixes;
use harness::emulator::{self, Emulator, Lifetime, WAIT_SCALE};
use harness::progress::ProgressLines;
use harness::{Cloud, Driftless, wait};
use serde::Serialize;
use serde_json::json;

use crate::cold::Format;
use count::Counts;

/// The options of the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many targets: a third of them stacks, the others parameters, each with its group.
    #[arg(long, default_values_t = [10, 100, 1000])]
    targets: Vec<usize>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The prefixes of the targets' names, which Driftless may write.
const PREFIXES: Prefixes<'_> = Prefixes { parameter: "/scale/", stack: "scale-" };
/// Where the local AWS records executions; xtask sets it.
const RECORDINGS: &str = "OVERLAY_HISTORIES";
/// By how much the costs of a target may grow from a hundred targets to a thousand.
const MAX_GROWTH: f64 = 1.1;

/// What was measured with one number of targets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    targets: usize,
    /// Every target has a new image.
    promoting: Run,
    /// Nothing has changed.
    unchanged: Run,
}

/// One reconcile.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    seconds: f64,
    /// How many targets are not in the report's counts as they should be.
    lost: usize,
    counts: Counts,
}

/// All figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    sizes: Vec<Size>,
    nights: Vec<cost::Night>,
    findings: Vec<String>,
}

/// Runs it. Returns whether nothing was lost and the costs of a target do not grow.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let progress = ProgressLines::start();
        let mut sizes = Vec::new();
        for &targets in &options.targets {
            ensure!(targets > 0, "--targets 0 is no account");
            sizes.push(measured(&progress, targets).await?);
        }
        let findings = findings(&sizes);
        let nights = sizes.last().map(cost::nights).unwrap_or_default();
        let figures = Figures { sizes, nights, findings };
        match options.format {
            Format::Table => print!("{}", table::printed(&figures)),
            Format::Json => println!("{}", serde_json::to_string_pretty(&figures)?),
        }
        Ok(figures.findings.is_empty())
    })
}

async fn measured(progress: &ProgressLines, targets: usize) -> Result<Size> {
    let recordings = std::env::var_os(RECORDINGS).map(PathBuf::from);
    let recordings = recordings.with_context(|| format!("{RECORDINGS} is not set"))?;
    let folder = emulator::scratch_folder()?;
    let started = Emulator::start(&folder, Lifetime::Attached, WAIT_SCALE);
    let emulator = progress.during("Starting a local AWS", started).await?;
    let cloud = Cloud::local(&emulator.endpoint);
    let deploying = Driftless::deploy(&cloud, &folder, PREFIXES);
    let driftless = progress.during("Deploying template.yaml", deploying).await?;
    let making = targets::make(&cloud, PREFIXES, targets);
    progress.during(&format!("Making {targets} targets with an image each"), making).await?;
    let of = async |what: &str| {
        count::forget(&recordings)?;
        let control = cloud.control().context("a local AWS has a control API")?;
        let before = control.calls_of_functions().await?.len();
        let running = async { driftless.reconcile(&json!({})).await?.ended().await };
        let ended = progress.during(what, running).await?;
        ensure!(ended.status == "SUCCEEDED", "{}: {:?}", ended.status, ended.cause);
        let report = ended.reconcile_report()?;
        // Each execution is announced when it has ended.
        let announced = wait::until(&cloud, wait::START, "the announcements", async || {
            let counts = Counts::of(&recordings)?;
            Ok(counts.are_announced(targets).then_some(counts))
        });
        let mut counts = announced.await?;
        counts.add(control.calls_of_functions().await?.iter().skip(before));
        anyhow::Ok((ended.took.as_secs_f64(), report, counts))
    };
    let (seconds, report, counts) = of(&format!("Promoting {targets} targets")).await?;
    let lost = lost(targets, &report, report.results.counts.promoted);
    let promoting = Run { seconds, lost, counts };
    let (seconds, report, counts) = of(&format!("Reconciling {targets} unchanged targets")).await?;
    let lost = self::lost(targets, &report, report.results.counts.unchanged);
    Ok(Size { targets, promoting, unchanged: Run { seconds, lost, counts } })
}

fn lost(targets: usize, report: &ReconcileReport, as_expected: usize) -> usize {
    targets.abs_diff(report.targets) + targets.saturating_sub(as_expected)
}

/// What is wrong, in a line each.
fn findings(sizes: &[Size]) -> Vec<String> {
    let mut findings = Vec::new();
    for size in sizes {
        for (what, run) in [("promoting", &size.promoting), ("unchanged", &size.unchanged)] {
            if run.lost > 0 {
                findings.push(format!("{} targets, {what}: {} lost", size.targets, run.lost));
            }
        }
    }
    let of = |targets| sizes.iter().find(|size| size.targets == targets);
    if let (Some(few), Some(many)) = (of(100), of(1000)) {
        for (what, few, many) in [
            ("promoting", &few.promoting, &many.promoting),
            ("unchanged", &few.unchanged, &many.unchanged),
        ] {
            for (figure, growth) in growth(few, many) {
                if growth > MAX_GROWTH {
                    let times = format!("{growth:.2} times");
                    findings.push(format!("{what}: {figure} of a target grow {times}"));
                }
            }
        }
    }
    findings
}

/// How many times as much a target costs with a thousand targets as with a hundred.
fn growth(few: &Run, many: &Run) -> [(&'static str, f64); 3] {
    let of = |figure: fn(&Counts) -> usize| {
        let each = |run: &Run| ratio(figure(&run.counts), run.counts.promotions.executions);
        each(many) / each(few)
    };
    [
        ("state transitions", of(Counts::transitions)),
        ("invocations", of(Counts::invocations)),
        ("AWS calls", of(Counts::calls)),
    ]
}

/// A count as a part of another.
fn ratio(count: usize, of: usize) -> f64 {
    number(count) / number(of)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}
