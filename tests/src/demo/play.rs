//! What the demo does with each of the three stacks, and what it measures.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contract::report::Outcome;
use harness::control::Call;
use harness::execution::Moment;
use harness::group::{Group, Instance};
use harness::image::{self, Parameter};
use harness::stack::Drift;
use harness::{Backup, Cloud, Driftless, Stack, naive};
use serde::Serialize;
use tokio::sync::Mutex;

use super::PREFIXES;
use crate::live::Live;

/// How an image is promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// Pattern 1.
    Parameter,
    /// Pattern 2.
    Stack,
    /// Without CloudFormation, like the usual script.
    Naive,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Parameter => "parameter",
            Self::Stack => "stack",
            Self::Naive => "naive",
        })
    }
}

/// A stack whose instance has been backed up.
pub(super) struct Play {
    way: Way,
    stack: Stack,
    group: Group,
    instance: Instance,
    backup: Backup,
}

/// What the three runs share.
pub(super) struct Stage<'a> {
    pub driftless: Driftless,
    pub live: &'a Live,
    /// Allows one promotion at a time: in the log of calls, two executions of the same functions
    /// have the same caller.
    pub turn: Mutex<()>,
}

/// The result of one run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    #[serde(rename = "pattern")]
    pub way: Way,
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
}

/// The result of a promotion.
struct Promotion {
    before: String,
    after: String,
    steps: Option<usize>,
    took: Duration,
}

impl Play {
    /// Sets up all three, from one image.
    pub(super) async fn set_all(cloud: &Cloud) -> Result<[Self; 3]> {
        let base = image::base(cloud).await?;
        let set = |way| Self::set(cloud, way, &base);
        let (naive, parameter, stack) =
            tokio::try_join!(set(Way::Naive), set(Way::Parameter), set(Way::Stack))?;
        Ok([naive, parameter, stack])
    }

    async fn set(cloud: &Cloud, way: Way, base: &str) -> Result<Self> {
        let parameter = Parameter::named(cloud, &format!("{}image", PREFIXES.parameter));
        let parameters = if way == Way::Parameter {
            parameter.write(base).await?;
            [("ImageIdParameterName", parameter.name.as_str())]
        } else {
            [("ImageId", base)]
        };
        let name = format!("{}{way}", PREFIXES.stack);
        let stack = Stack::create(cloud, &name, &way.to_string(), &parameters).await?;
        let group = stack.group().await?;
        let instance = group.instance().await?;
        let backup = Backup::take(cloud, &instance.id).await?;
        Ok(Self { way, stack, group, instance, backup })
    }
}

impl Stage<'_> {
    /// Promotes the backup, kills the instance, and reads which image heals and the drift.
    pub(super) async fn play(&self, play: &Play) -> Result<Row> {
        let (promotion, aws_calls) = self.promote(play).await?;
        let healed = self.heal(play).await?;
        let drift = self.drift(play).await?;
        let is_in_sync = drift.status == "IN_SYNC" && drift.resources_checked > 0;
        Ok(Row {
            way: play.way,
            is_proven: is_in_sync && healed.image == promotion.after,
            image_before: promotion.before,
            image_after: promotion.after,
            healed_image: healed.image,
            drift,
            steps: promotion.steps,
            aws_calls,
            seconds: promotion.took.as_secs_f64(),
        })
    }

    /// The promotion, and the number of calls that it made.
    async fn promote(&self, play: &Play) -> Result<(Promotion, usize)> {
        let _turn = self.turn.lock().await;
        let before = self.calls(play.way).await?;
        let promotion = if play.way == Way::Naive {
            self.by_script(play).await?
        } else {
            self.by_driftless(play).await?
        };
        Ok((promotion, self.calls(play.way).await? - before))
    }

    async fn by_script(&self, play: &Play) -> Result<Promotion> {
        let image = &play.backup.image;
        self.say(play, &format!("a script sets {image} in the group, without CloudFormation"));
        let started = Instant::now();
        naive::promote(self.driftless.cloud(), &play.group, image).await?;
        let before = play.instance.image.clone();
        Ok(Promotion { before, after: image.clone(), steps: None, took: started.elapsed() })
    }

    async fn by_driftless(&self, play: &Play) -> Result<Promotion> {
        self.say(play, &format!("AWS Backup: COMPLETED, {}", play.backup.image));
        let execution = self.driftless.send(&play.backup.event()).await?;
        let ended = execution.follow(|moment| self.say(play, &told(moment))).await?;
        let report = ended.report()?;
        let (outcome, summary) = (report.outcome, &report.summary);
        ensure!(outcome == Outcome::Promoted, "the outcome of the execution is {outcome:?}: {summary}");
        self.say(play, summary);
        let [target] = report.targets.as_slice() else {
            anyhow::bail!("{} targets instead of one", report.targets.len())
        };
        let [image] = target.images.as_slice() else {
            anyhow::bail!("{} images instead of one", target.images.len())
        };
        let backup = &play.backup.image;
        ensure!(image.after.as_str() == backup, "{} was promoted, not {backup}", image.after);
        Ok(Promotion {
            before: image.before.to_string(),
            after: image.after.to_string(),
            steps: Some(ended.transcript.len()),
            took: ended.took,
        })
    }

    /// The number of calls that this method's promotions have made so far. Functions call with
    /// their roles; while the script holds the lock, it makes all other calls.
    async fn calls(&self, way: Way) -> Result<usize> {
        let is_a_functions = |call: &Call| call.caller.contains(":assumed-role/");
        let control = self.driftless.cloud().control().context("a local AWS has a control API")?;
        let calls = control.calls().await?;
        Ok(calls.iter().filter(|call| is_a_functions(call) == (way != Way::Naive)).count())
    }

    async fn heal(&self, play: &Play) -> Result<Instance> {
        let Instance { id, image } = &play.instance;
        self.say(play, &format!("killing {id} ({image})"));
        play.group.kill(&play.instance).await?;
        let healed = play.group.instance_other_than(Some(id)).await?;
        self.say(play, &format!("healed: {} boots {}", healed.id, healed.image));
        Ok(healed)
    }

    async fn drift(&self, play: &Play) -> Result<Drift> {
        let drift = play.stack.drift().await?;
        let checked = drift.resources_checked;
        self.say(play, &format!("{}, {checked} resources compared", drift.status));
        Ok(drift)
    }

    fn say(&self, play: &Play, text: &str) {
        self.live.about(&play.way.to_string(), text);
    }
}

fn told(moment: &Moment) -> String {
    match moment {
        Moment::Entered(step) => format!("→ {}", step.state),
        Moment::Failed { state, error, .. } => format!("  {state}: {error}"),
    }
}
