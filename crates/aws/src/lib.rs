//! How AWS is called and what its answers mean, where several steps need it: a room for each noun.
//! What one step alone needs stays in that step.
//!
//! * [`sdk_config`] and [`RetryOnlyThrottling`]: the configuration of all clients.
//! * [`AwsError`] and [`Called`]: what a failed call is.
//! * [`refusals`]: the predicates on AWS's error texts, where there is nothing but text to go by.
//! * [`stacks`]: what changing a stack's parameters takes.
//! * [`groups`]: Auto Scaling groups, and which images each may boot.
//! * [`images`]: what EC2 knows of images.
//! * [`parameters`]: the values of SSM parameters.

mod config;
mod error;
pub mod groups;
pub mod images;
pub mod parameters;
mod readiness;
pub mod refusals;
pub mod stacks;
#[cfg(test)]
mod tests;

pub use config::{RetryOnlyThrottling, sdk_config};
pub use error::{AwsError, Called};
