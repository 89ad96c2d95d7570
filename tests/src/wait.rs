//! Owns waiting: how long for what, and how often to poll.
//!
//! The bounds are there so that what hangs ends with a name. They do not measure how fast anything
//! must be: locally each is a hundred times what it takes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::cloud::Cloud;

/// How long to wait for one thing, in the local AWS and in the real one.
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

/// A stack to be created, updated or deleted. Locally seconds; a group's first instance and IAM
/// roles take minutes on AWS.
pub const STACK: Limit = Limit::minutes(10, 20);
/// An instance of a group to be in service, also a replaced one: Auto Scaling looks at instances
/// about once a minute.
pub const INSTANCE: Limit = Limit::minutes(5, 10);
/// An image to be available: the snapshot of an 8 GB root volume.
pub const IMAGE: Limit = Limit::minutes(5, 20);
/// A drift detection.
pub const DRIFT: Limit = Limit::minutes(5, 10);
/// An execution that an event starts to be listed. EventBridge delivers within seconds.
pub const START: Limit = Limit::minutes(5, 1);
/// An execution to end: its stack update, its drift detection, perhaps an instance refresh. Locally
/// one may poll hundreds of times without a pause, until it gives up.
pub const EXECUTION: Limit = Limit::minutes(20, 45);

/// How often to poll.
const LOOK_LOCAL: Duration = Duration::from_millis(100);
const LOOK_AWS: Duration = Duration::from_secs(5);

/// How long to sleep between two polls.
#[must_use]
pub fn pause(cloud: &Cloud) -> Duration {
    if cloud.is_local() { LOOK_LOCAL } else { LOOK_AWS }
}

/// Polls until there is a result. `what` completes "waited for …".
pub async fn until<T>(
    cloud: &Cloud,
    limit: Limit,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let limit = if cloud.is_local() { limit.local } else { limit.aws };
    let started = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if started.elapsed() > limit {
            bail!("waited {} s in vain for {what}", limit.as_secs());
        }
        tokio::time::sleep(pause(cloud)).await;
    }
}
