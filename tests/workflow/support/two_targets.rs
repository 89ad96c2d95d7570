//! Two targets of one image, a parameter and a stack with a group: whatever happens to one, the
//! other must get its image.

use anyhow::{Context, Result, ensure};
use contract::report::{Outcome, TargetOutcome, TargetReport};
use contract::target::{Pattern, TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::cloud::Called;
use harness::image::{self, Parameter};
use harness::scenario::AutoHealingStack;
use harness::{Ended, Scenario};
use serde_json::{Value, json};

use super::{control, expect};

/// The two targets.
pub struct TwoTargets {
    pub parameter: Parameter,
    pub healing: AutoHealingStack,
}

/// What was written to them so far.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The parameter's value and version.
    pub value: String,
    pub version: i64,
    /// The stack's image, and how often the stack was updated.
    pub image: String,
    pub updates: usize,
    /// How many refreshes the group has had.
    pub refreshes: usize,
}

impl TwoTargets {
    pub async fn new(s: &Scenario) -> Result<Self> {
        let base = image::base(s.cloud()).await?;
        let parameter = s.parameter_with_group(&base).await?;
        Ok(Self { parameter, healing: s.stack_pattern().await? })
    }

    /// An image that is meant for both.
    pub async fn image(&self, s: &Scenario) -> Result<String> {
        let stack = self.healing.stack.name.as_str();
        s.image(&[(TAG_PARAMETER_NAME, &self.parameter.name), (TAG_STACK_NAME, stack)]).await
    }

    pub async fn snapshot(&self, s: &Scenario) -> Result<Snapshot> {
        let contents = self.parameter.read().await?;
        let request = s.cloud().autoscaling.describe_instance_refreshes();
        let refreshes = request.auto_scaling_group_name(&self.healing.group.name).send().await;
        let refreshes = refreshes.called("autoscaling:DescribeInstanceRefreshes")?;
        Ok(Snapshot {
            value: contents.value,
            version: contents.version,
            image: self.healing.stack.parameter("ImageId").await?,
            updates: self.healing.stack.updates().await?,
            refreshes: refreshes.instance_refreshes.unwrap_or_default().len(),
        })
    }

    /// Promotes the image into both, and refreshes the group. The execution has the image's name,
    /// and so what it sends bears that too.
    pub async fn promote(&self, s: &Scenario, image: &str) -> Result<Ended> {
        let input = json!({"imageId": image, "instanceRefresh": true});
        s.driftless.start_named(image, &input).await?.ended().await
    }

    /// The same while this fault strikes, which it must.
    pub async fn promote_with(&self, s: &Scenario, image: &str, fault: &Value) -> Result<Ended> {
        let control = control(s)?;
        let fault = control.add_fault(fault).await?;
        let ended = self.promote(s, image).await;
        let hits = control.remove_fault(fault).await?;
        self.healing.stack.settled().await?;
        let ended = ended?;
        ensure!(hits > 0, "the fault struck nothing: {:?}", ended.states());
        Ok(ended)
    }

    /// Both have the image, by one write of each kind since `before`, and the group heals into it.
    pub async fn are_updated_once(
        &self,
        s: &Scenario,
        ended: &Ended,
        before: &Snapshot,
        image: &str,
    ) -> Result<()> {
        both_updated(ended)?;
        let once = Snapshot {
            value: image.to_owned(),
            version: before.version + 1,
            image: image.to_owned(),
            updates: before.updates + 1,
            refreshes: before.refreshes + 1,
        };
        let after = self.snapshot(s).await?;
        ensure!(after == once, "{after:#?}, not {once:#?}");
        expect::heals_into(&self.healing, image).await
    }
}

/// The report says that both targets were updated.
pub fn both_updated(ended: &Ended) -> Result<()> {
    let report = expect::report(ended, Outcome::Promoted)?;
    let is_updated = report.targets.iter().all(|target| target.outcome == TargetOutcome::Updated);
    ensure!(is_updated && report.targets.len() == 2, "{report:#?}");
    Ok(())
}

/// The target of this pattern.
pub fn target(targets: &[TargetReport], pattern: Pattern) -> Result<&TargetReport> {
    targets.iter().find(|target| target.pattern == pattern).context("no such target")
}
