//! AWS calls that several steps share, and how to read the responses. Calls that only one step
//! makes are in that step.
//!
//! * [`sdk_config`] and [`RetryOnlyThrottling`]: the configuration of all clients.
//! * [`AwsError`] and [`Called`]: failed calls.
//! * [`refusals`]: predicates on AWS's error texts, where AWS returns no specific code.
//! * [`stacks`]: changing a stack's parameters.
//! * [`groups`]: Auto Scaling groups, and the images that each may boot.
//! * [`images`]: images as EC2 lists them.
//! * [`pages`]: listings that come in pages.
//! * [`parameters`]: the values of SSM parameters.

mod config;
mod connector;
mod error;
pub mod groups;
pub mod images;
pub mod pages;
pub mod parameters;
mod readiness;
pub mod refusals;
pub mod stacks;
#[cfg(test)]
mod tests;

pub use config::{RetryOnlyThrottling, sdk_config};
pub use error::{AwsError, Called};
