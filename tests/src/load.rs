//! The load test: many backups end in the same second, their events come twice and in the wrong
//! order, and AWS throttles a fraction of all calls. Every target must end on its newest image,
//! with as few writes as possible.

mod figures;
mod target;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contract::report::TargetReport;
use futures_util::{StreamExt, TryStreamExt, stream};
use harness::driftless::Prefixes;
use harness::emulator::{self, Emulator, Lifetime, WAIT_SCALE};
use harness::progress::ProgressLines;
use harness::{Cloud, Driftless, Ended, Execution};
use serde_json::{Value, json};

use crate::demo::Format;
use figures::Figures;
use target::Target;

/// The size of the load.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Load {
    /// How many events to send, all in the same second.
    #[arg(long, default_value_t = 200)]
    pub events: usize,
    /// The number of targets: half of them parameters, half of them groups of stacks.
    #[arg(long, default_value_t = 50)]
    pub targets: usize,
    /// The percentage of calls to AWS that is throttled.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..100))]
    pub throttle: u8,
}

/// The prefixes of the targets' names, which Driftless may write.
const PREFIXES: Prefixes<'_> = Prefixes { parameter: "/load/", stack: "load-" };
/// The number of concurrent calls of the load test itself.
const MAX_CONCURRENCY: usize = 8;
/// The timeout of all executions together.
const TIMEOUT: Duration = Duration::from_mins(15);
/// How often to poll.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Runs it in a local AWS of its own. Returns whether nothing was lost and nothing was repeated.
pub(crate) async fn run(load: Load, format: Format) -> Result<bool> {
    ensure!(load.targets > 0 && load.events >= load.targets, "each target needs an event");
    ensure!(load.throttle < 100, "if all calls are throttled, nothing can succeed");
    let progress = ProgressLines::start();
    let folder = emulator::scratch_folder()?;
    let started = Emulator::start(&folder, Lifetime::Attached, WAIT_SCALE);
    let emulator = progress.during("Starting a local AWS", started).await?;
    let cloud = Cloud::local(&emulator.endpoint);
    let deployed = Driftless::deploy(&cloud, &folder, PREFIXES);
    let driftless = progress.during("Deploying template.yaml", deployed).await?;
    let what = format!("Deploying {} targets, backing each up twice", load.targets);
    let targets = progress.during(&what, target::set_up(&cloud, load.targets)).await?;

    let figures = send_load(&progress, &driftless, &targets, load).await;
    if figures.is_err() {
        eprintln!("\nThe last lines of the local AWS's log:\n{}\n", emulator.log_tail());
    }
    let figures = figures?;
    print!("{}", figures.printed(format)?);
    progress.line(if figures.is_good() {
        "Every target is on its newest image; nothing was lost and nothing was repeated"
    } else {
        "FAILED: not every target got its newest image by exactly one promotion"
    });
    Ok(figures.is_good())
}

async fn send_load(
    progress: &ProgressLines,
    driftless: &Driftless,
    targets: &[Target],
    load: Load,
) -> Result<Figures> {
    let control = driftless.cloud().control().context("a local AWS has a control API")?;
    let calls_before = control.calls_of_functions().await?.len();
    // Every service: those that the steps call, Lambda for the state machine, and Step Functions
    // for the rule.
    let throttle = json!({
        "service": "*", "action": "*", "kind": "throttle", "caller": "assumed-role/",
        "rate": f64::from(load.throttle) / 100.0,
    });
    let throttle = control.add_fault(&throttle).await?;
    let events = events(targets, load.events);
    let began = Instant::now();
    driftless.put_all(&events).await?;
    let sent_in = began.elapsed();
    progress.line(&format!("Sent {} events in {:.2} s", events.len(), sent_in.as_secs_f64()));
    let ended = progress.during("Promoting", all_ended(driftless, events.len())).await?;
    let took = began.elapsed();
    let throttled = control.remove_fault(throttle).await?;
    let calls = control.calls_of_functions().await?.len() - calls_before;
    let observed = target::observe(targets).await?;
    let healed = progress.during("Killing every instance", target::heal(targets)).await?;
    Ok(Figures::new(&figures::Run {
        events: &events,
        sent_in,
        took,
        ended: &ended,
        targets,
        observed: &observed,
        healed: &healed,
        calls,
        throttled,
        throttle: load.throttle,
    }))
}

/// The events of each target's newest backup, then of the one before it, and so on alternately:
/// late, repeated, and out of order.
fn events(targets: &[Target], count: usize) -> Vec<Value> {
    let pairs: Vec<[Value; 2]> =
        targets.iter().map(|t| [t.newest.event(), t.older.event()]).collect();
    let event = |n: usize| pairs[n % targets.len()][(n / targets.len()) % 2].clone();
    (0..count).map(event).collect()
}

/// Waits until all executions have ended.
async fn all_ended(driftless: &Driftless, count: usize) -> Result<Vec<Ended>> {
    let began = Instant::now();
    loop {
        let running = driftless.running().await?;
        let all = driftless.executions().await?;
        if running == 0 && all.len() >= count {
            let ended = stream::iter(all)
                .map(async |arn| Execution::by_arn(driftless.cloud(), &arn).ended().await);
            return ended.buffered(MAX_CONCURRENCY).try_collect().await;
        }
        ensure!(
            began.elapsed() < TIMEOUT,
            "{running} of {} executions are still running after {} s",
            all.len(),
            TIMEOUT.as_secs()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The targets of all reports.
fn reported(ended: &[Ended]) -> impl Iterator<Item = TargetReport> {
    ended.iter().filter_map(|ended| ended.report().ok()).flat_map(|report| report.targets)
}
