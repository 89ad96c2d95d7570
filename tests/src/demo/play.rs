//! Owns what is done to each of the three stacks, and what is measured.

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
    /// Past CloudFormation, as the usual script does it.
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

/// A stack with its instance backed up: all that is needed to begin.
pub(super) struct Play {
    way: Way,
    stack: Stack,
    group: Group,
    instance: Instance,
    backup: Backup,
}

/// What the plays share.
pub(super) struct Stage<'a> {
    pub driftless: Driftless,
    pub live: &'a Live,
    /// One promotion at a time: the log of calls shows who called, and two executions of the same
    /// functions are the same caller.
    pub turn: Mutex<()>,
}

/// The result of one play.
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
    /// How many states the execution entered; a script has none.
    pub steps: Option<usize>,
    /// How many calls to AWS the promotion took, repeated ones too: those of the functions, or
    /// those of the script.
    pub aws_calls: usize,
    pub seconds: f64,
    /// Healed into the promoted image, and in sync.
    pub is_proven: bool,
}

/// What a promotion reports.
struct Promotion {
    before: String,
    after: String,
    steps: Option<usize>,
    took: Duration,
}

impl Play {
    /// All three, from one image.
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
    /// Promotes the backup, kills the instance, looks at what heals and at the drift.
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

    /// The promotion, and how many calls it took.
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
        self.say(play, &format!("a script makes {image} the group's image, past CloudFormation"));
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
        ensure!(outcome == Outcome::Promoted, "the execution came to {outcome:?}: {summary}");
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

    /// How many calls this way's promotions have made so far. Functions call with their roles;
    /// the script is the only one who calls otherwise while it has its turn.
    async fn calls(&self, way: Way) -> Result<usize> {
        let is_a_functions = |call: &Call| call.caller.contains(":assumed-role/");
        let control = self.driftless.cloud().control().context("this is a local AWS")?;
        let calls = control.calls().await?;
        Ok(calls.iter().filter(|call| is_a_functions(call) == (way != Way::Naive)).count())
    }

    async fn heal(&self, play: &Play) -> Result<Instance> {
        let Instance { id, image } = &play.instance;
        self.say(play, &format!("kills {id} ({image})"));
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
