//! Owns two targets of one image, a parameter and a stack with a group: whatever becomes of the
//! one, the other has to get its image.

use anyhow::{Context, Result, ensure};
use contract::report::TargetReport;
use contract::target::{Pattern, TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::cloud::Called;
use harness::control::Control;
use harness::image::{self, Parameter};
use harness::scenario::Healing;
use harness::{Ended, Scenario};
use serde_json::{Value, json};

/// The two targets.
pub struct Pair {
    pub parameter: Parameter,
    pub healing: Healing,
}

/// How they stand.
#[derive(Debug, PartialEq, Eq)]
pub struct Stand {
    /// The parameter's value and version.
    pub value: String,
    pub version: i64,
    /// The stack's image, and how often the stack was updated.
    pub image: String,
    pub updates: usize,
    /// How many refreshes the group has had.
    pub refreshes: usize,
}

impl Pair {
    pub async fn new(s: &Scenario) -> Result<Self> {
        let base = image::base(s.cloud()).await?;
        Ok(Self { parameter: s.parameter(&base).await?, healing: s.by_stack().await? })
    }

    /// An image that is meant for both.
    pub async fn image(&self, s: &Scenario) -> Result<String> {
        let stack = self.healing.stack.name.as_str();
        s.image(&[(TAG_PARAMETER_NAME, &self.parameter.name), (TAG_STACK_NAME, stack)]).await
    }

    pub async fn stand(&self, s: &Scenario) -> Result<Stand> {
        let contents = self.parameter.read().await?;
        let request = s.cloud().autoscaling.describe_instance_refreshes();
        let refreshes = request.auto_scaling_group_name(&self.healing.group.name).send().await;
        let refreshes = refreshes.called("autoscaling:DescribeInstanceRefreshes")?;
        Ok(Stand {
            value: contents.value,
            version: contents.version,
            image: self.healing.stack.parameter("ImageId").await?,
            updates: self.healing.stack.updates().await?,
            refreshes: refreshes.instance_refreshes.unwrap_or_default().len(),
        })
    }

    /// Promotes the image into both, and refreshes the group, while this fault strikes, which it
    /// has to. The execution has the image's name, and so what it sends bears that too.
    pub async fn promote(&self, s: &Scenario, image: &str, fault: &Value) -> Result<Ended> {
        let control = control(s)?;
        let fault = control.add_fault(fault).await?;
        let input = json!({"imageId": image, "instanceRefresh": true});
        let ended = s.driftless.start_named(image, &input).await?.ended().await;
        let hits = control.remove_fault(fault).await?;
        self.healing.stack.settled().await?;
        let ended = ended?;
        ensure!(hits > 0, "the fault struck nothing: {:?}", ended.states());
        Ok(ended)
    }
}

pub fn control(s: &Scenario) -> Result<Control> {
    s.cloud().control().context("a local AWS has a control API")
}

/// The target of this pattern.
pub fn target(targets: &[TargetReport], pattern: Pattern) -> Result<&TargetReport> {
    targets.iter().find(|target| target.pattern == pattern).context("no such target")
}
