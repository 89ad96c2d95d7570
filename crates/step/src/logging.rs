//! Writes the log as JSON, which is what `template.yaml` sets, from the level that Lambda's logging
//! controls say: `AWS_LAMBDA_LOG_LEVEL` (Lambda developer guide, "Configuring advanced logging controls").
//!
//! `lambda_runtime` can do it too. But it also reads filters for single modules from `RUST_LOG`, and
//! would bring a library for regular expressions into every function.

use tracing::level_filters::LevelFilter;

/// Sets it up, once in a process.
pub(crate) fn begin() {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = variable("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    // Lambda adds the time and the request.
    let log = tracing_subscriber::fmt().json().with_max_level(level);
    log.with_target(false).without_time().init();
}
