//! What the demo does with each of the three stacks, and what it measures.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contract::report::Outcome;
use harness::control::Call;
use harness::execution::{Moment, Visit};
use harness::group::{Group, Instance};
use harness::image::{self, Parameter};
use harness::progress::ProgressLines;
use harness::stack::Drift;
use harness::{Backup, Cloud, Driftless, Stack, naive};
use serde::Serialize;
use tokio::sync::Mutex;

use super::PREFIXES;

/// How an image is promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    /// Pattern 1.
    Parameter,
    /// Pattern 2.
    Stack,
    /// Without CloudFormation, like the usual script.
    Naive,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Parameter => "parameter",
            Self::Stack => "stack",
            Self::Naive => "naive",
        })
    }
}

/// A stack whose instance has been backed up.
pub(super) struct DemoRun {
    method: Method,
    stack: Stack,
    group: Group,
    instance: Instance,
    backup: Backup,
}

/// What the three runs share.
pub(super) struct Demo<'a> {
    pub driftless: Driftless,
    pub progress: &'a ProgressLines,
    /// Allows one promotion at a time: in the log of calls, two executions of the same functions
    /// have the same caller.
    pub call_log_lock: Mutex<()>,
}

/// The result of one run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    #[serde(rename = "pattern")]
    pub method: Method,
    pub image_before: String,
    pub image_after: String,
    /// The image that the healed instance booted.
    pub healed_image: String,
    pub drift: Drift,
    /// The number of states that the execution entered; absent for the script.
    pub steps: Option<usize>,
    /// The number of calls to AWS that the functions (or the script) made, including retries.
    pub aws_calls: usize,
    pub seconds: f64,
    /// Whether it healed into the promoted image, with the stack in sync.
    pub is_proven: bool,
    /// When the execution entered each state.
    #[serde(skip)]
    pub visits: Vec<Visit>,
}

#[cfg(test)]
impl Row {
    /// A row for tests: the execution entered these states, and these properties have drifted.
    pub(super) fn example(
        method: Method,
        entered: &[&str],
        differences: Vec<harness::stack::Difference>,
    ) -> Self {
        let status = if differences.is_empty() { "IN_SYNC" } else { "DRIFTED" };
        let visit = |state: &&str| Visit { state: (*state).into(), seconds: 0.5 };
        Self {
            method,
            image_before: "ami-1".into(),
            image_after: "ami-2".into(),
            healed_image: "ami-2".into(),
            is_proven: differences.is_empty(),
            drift: Drift { status: status.into(), resources_checked: 2, differences },
            steps: (!entered.is_empty()).then_some(entered.len()),
            aws_calls: 3,
            seconds: 0.25,
            visits: entered.iter().map(visit).collect(),
        }
    }
}

/// The result of a promotion.
struct Promotion {
    before: String,
    after: String,
    visits: Vec<Visit>,
    took: Duration,
}

impl DemoRun {
    /// Sets up all three, from one image.
    pub(super) async fn set_up_all(cloud: &Cloud) -> Result<[Self; 3]> {
        let base = image::base(cloud).await?;
        let set_up = |method| Self::set_up(cloud, method, &base);
        let (naive, parameter, stack) = tokio::try_join!(
            set_up(Method::Naive),
            set_up(Method::Parameter),
            set_up(Method::Stack)
        )?;
        Ok([naive, parameter, stack])
    }

    async fn set_up(cloud: &Cloud, method: Method, base: &str) -> Result<Self> {
        let parameter = Parameter::by_name(cloud, &format!("{}image", PREFIXES.parameter));
        let parameters = if method == Method::Parameter {
            parameter.write(base).await?;
            [("ImageIdParameterName", parameter.name.as_str())]
        } else {
            [("ImageId", base)]
        };
        let name = format!("{}{method}", PREFIXES.stack);
        let stack = Stack::create(cloud, &name, &method.to_string(), &parameters).await?;
        let group = stack.group().await?;
        let instance = group.instance().await?;
        let backup = Backup::take(cloud, &instance.id).await?;
        Ok(Self { method, stack, group, instance, backup })
    }
}

impl Demo<'_> {
    /// Promotes the backup, kills the instance, and reads which image heals and the drift.
    pub(super) async fn run(&self, run: &DemoRun) -> Result<Row> {
        let (promotion, aws_calls) = self.promote(run).await?;
        let healed = self.heal(run).await?;
        let drift = self.drift(run).await?;
        let is_in_sync = drift.status == "IN_SYNC" && drift.resources_checked > 0;
        Ok(Row {
            method: run.method,
            is_proven: is_in_sync && healed.image == promotion.after,
            image_before: promotion.before,
            image_after: promotion.after,
            healed_image: healed.image,
            drift,
            steps: (run.method != Method::Naive).then_some(promotion.visits.len()),
            aws_calls,
            seconds: promotion.took.as_secs_f64(),
            visits: promotion.visits,
        })
    }

    /// The promotion, and the number of calls that it made.
    async fn promote(&self, run: &DemoRun) -> Result<(Promotion, usize)> {
        let _lock = self.call_log_lock.lock().await;
        let before = self.calls(run.method).await?;
        let promotion = if run.method == Method::Naive {
            self.by_script(run).await?
        } else {
            self.by_driftless(run).await?
        };
        Ok((promotion, self.calls(run.method).await? - before))
    }

    async fn by_script(&self, run: &DemoRun) -> Result<Promotion> {
        let image = &run.backup.image;
        self.print(run, &format!("a script sets {image} in the group, without CloudFormation"));
        let started = Instant::now();
        naive::promote(self.driftless.cloud(), &run.group, image).await?;
        let before = run.instance.image.clone();
        let (after, visits) = (image.clone(), Vec::new());
        Ok(Promotion { before, after, visits, took: started.elapsed() })
    }

    async fn by_driftless(&self, run: &DemoRun) -> Result<Promotion> {
        self.print(run, &format!("AWS Backup: COMPLETED, {}", run.backup.image));
        let execution = self.driftless.send(&run.backup.event()).await?;
        let ended = execution.follow(|moment| self.print(run, &line(moment))).await?;
        let report = ended.report()?;
        let (outcome, summary) = (report.outcome, &report.summary);
        ensure!(
            outcome == Outcome::Promoted,
            "the outcome of the execution is {outcome:?}: {summary}"
        );
        self.print(run, summary);
        let [target] = report.targets.as_slice() else {
            anyhow::bail!("{} targets instead of one", report.targets.len())
        };
        let [image] = target.images.as_slice() else {
            anyhow::bail!("{} images instead of one", target.images.len())
        };
        let backup = &run.backup.image;
        ensure!(image.after.as_str() == backup, "{} was promoted, not {backup}", image.after);
        Ok(Promotion {
            before: image.before.to_string(),
            after: image.after.to_string(),
            visits: execution.visits().await?,
            took: ended.took,
        })
    }

    /// The number of calls that this method's promotions have made so far. Functions call with
    /// their roles; while the script holds the lock, it makes all other calls.
    async fn calls(&self, method: Method) -> Result<usize> {
        let is_a_functions = |call: &Call| call.caller.contains(":assumed-role/");
        let control = self.driftless.cloud().control().context("a local AWS has a control API")?;
        let calls = control.calls().await?;
        Ok(calls.iter().filter(|call| is_a_functions(call) == (method != Method::Naive)).count())
    }

    async fn heal(&self, run: &DemoRun) -> Result<Instance> {
        let Instance { id, image } = &run.instance;
        self.print(run, &format!("killing {id} ({image})"));
        run.group.kill(&run.instance).await?;
        let healed = run.group.instance_other_than(Some(id)).await?;
        self.print(run, &format!("healed: {} boots {}", healed.id, healed.image));
        Ok(healed)
    }

    async fn drift(&self, run: &DemoRun) -> Result<Drift> {
        let drift = run.stack.drift().await?;
        let checked = drift.resources_checked;
        self.print(run, &format!("{}, {checked} resources compared", drift.status));
        Ok(drift)
    }

    fn print(&self, run: &DemoRun, text: &str) {
        self.progress.about(&run.method.to_string(), text);
    }
}

fn line(moment: &Moment) -> String {
    match moment {
        Moment::Entered(step) => format!("→ {}", step.state),
        Moment::Failed { state, error, .. } => format!("  {state}: {error}"),
    }
}
