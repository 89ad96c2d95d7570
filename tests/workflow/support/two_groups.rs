//! One stack with two Auto Healing groups, each with its own image parameter.

use anyhow::{Result, ensure};
use futures_util::future::try_join;
use harness::group::{Group, Instance};
use harness::{Scenario, Stack, image};

use super::expect;

/// One stack with two Auto Healing groups.
#[derive(Debug)]
pub struct TwoGroups {
    pub stack: Stack,
    pub web: Group,
    pub worker: Group,
    pub web_instance: Instance,
    pub worker_instance: Instance,
    /// The image that both booted.
    pub base: String,
}

impl TwoGroups {
    pub async fn new(s: &Scenario) -> Result<Self> {
        let base = image::base(s.cloud()).await?;
        let parameters = [("WebImageId", base.as_str()), ("WorkerImageId", base.as_str())];
        let stack = s.stack("two-groups", &parameters).await?;
        let web = stack.group_called("WebGroup").await?;
        let worker = stack.group_called("WorkerGroup").await?;
        let (web_instance, worker_instance) = try_join(web.instance(), worker.instance()).await?;
        Ok(Self { stack, web, worker, web_instance, worker_instance, base })
    }

    pub async fn heal_into(&self, web: &str, worker: &str) -> Result<()> {
        let (web_healed, worker_healed) = try_join(self.web.heal(), self.worker.heal()).await?;
        ensure!(web_healed.image == web, "web healed into {}, not {web}", web_healed.image);
        let found = &worker_healed.image;
        ensure!(found == worker, "worker healed into {found}, not {worker}");
        expect::in_sync(&self.stack).await
    }
}
