//! The harness has everything that the tests and the demo need *around* Driftless: a local AWS (or
//! the real one), the deployment of `template.yaml`, stacks with an Auto Healing group, backups of
//! instances, executions. It treats Driftless as a black box: it uses AWS's API and `contract`, but
//! no code of the steps.
//!
//! A test runs in a [`Scenario`], creates a stack from a fixture, takes a [`Backup`] of its
//! instance, sends the event, waits for the [`Execution`] and checks what heals:
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use contract::report::Outcome;
//! let deployed = harness::Driftless::for_tests(1).await?;
//! harness::scenario::run(&deployed[0].driftless, async |scenario| {
//!     let healing = scenario.stack_pattern().await?;
//!     let backup = scenario.backup(&healing.instance).await?;
//!     let ended = scenario.driftless.send(&backup.event()).await?.ended().await?;
//!     assert_eq!(ended.report()?.outcome, Outcome::Promoted);
//!     assert_eq!(healing.group.heal().await?.image, backup.image);
//!     Ok(())
//! })
//! .await
//! # }
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "indexing JSON returns null for a missing field; a test fails by panicking"
)]
#![allow(
    clippy::missing_errors_doc,
    reason = "an error fails the test, and its text says what failed"
)]

mod archive;
mod artifacts;
pub mod backup;
pub mod cli;
pub mod cloud;
pub mod control;
pub mod deploy;
pub mod driftless;
pub mod emulator;
pub mod execution;
pub mod functions;
pub mod group;
pub mod groups_template;
pub mod hold;
pub mod image;
pub mod listing;
pub mod naive;
pub mod order;
pub mod paths;
pub mod progress;
pub mod reader;
pub mod scenario;
pub mod stack;
pub mod wait;

use std::hash::{BuildHasher, RandomState};

pub use backup::Backup;
pub use cloud::Cloud;
pub use driftless::Driftless;
pub use execution::{Ended, Execution};
pub use hold::{Hold, What};
pub use scenario::Scenario;
pub use stack::Stack;

/// A unique name: `prefix` with 64 random bits.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:016x}", random())
}

/// Each `RandomState` has its own keys, so the hash of any value is a random number.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
