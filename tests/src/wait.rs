//! Waiting: for how long, and how often to poll.
//!
//! The limits make a hanging test fail with a message. They do not measure speed: locally each is a
//! hundred times longer than the operation takes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::cloud::Cloud;

/// How long to wait, in the local AWS and in the real one.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    local: Duration,
    aws: Duration,
}

impl Limit {
    const fn minutes(local: u64, aws: u64) -> Self {
        Self { local: Duration::from_secs(60 * local), aws: Duration::from_secs(60 * aws) }
    }
}

/// For a stack to be created, updated or deleted. Locally it takes seconds; on AWS a group's first
/// instance and IAM roles take minutes.
pub const STACK: Limit = Limit::minutes(10, 20);
/// For an instance of a group to be in service, perhaps after a replacement: Auto Scaling checks
/// instances about once a minute.
pub const INSTANCE: Limit = Limit::minutes(5, 10);
/// For an image to be available: the snapshot of an 8 GB root volume.
pub const IMAGE: Limit = Limit::minutes(5, 20);
/// For a drift detection.
pub const DRIFT: Limit = Limit::minutes(5, 10);
/// For an event's execution to be listed. EventBridge delivers within seconds.
pub const START: Limit = Limit::minutes(5, 1);
/// For an execution to be stopped with the one that waits for it: one state of it, no more.
pub const STOP: Limit = Limit::minutes(1, 2);
/// For an execution to end, with its stack update, drift detection, and perhaps an instance
/// refresh. Locally it may poll hundreds of times without a pause, until it gives up.
pub const EXECUTION: Limit = Limit::minutes(20, 45);

/// How often to poll.
const LOCAL_INTERVAL: Duration = Duration::from_millis(100);
const AWS_INTERVAL: Duration = Duration::from_secs(5);

/// How long to sleep between two polls.
#[must_use]
pub fn pause(cloud: &Cloud) -> Duration {
    if cloud.is_local() { LOCAL_INTERVAL } else { AWS_INTERVAL }
}

/// Polls until there is a result. `what` completes "waited for …" in the error.
pub async fn until<T>(
    cloud: &Cloud,
    limit: Limit,
    what: &str,
    mut poll: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let limit = if cloud.is_local() { limit.local } else { limit.aws };
    let started = Instant::now();
    loop {
        if let Some(found) = poll().await? {
            return Ok(found);
        }
        if started.elapsed() > limit {
            bail!("waited {} s for {what}, without success", limit.as_secs());
        }
        tokio::time::sleep(pause(cloud)).await;
    }
}
