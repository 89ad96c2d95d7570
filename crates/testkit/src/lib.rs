//! What the steps' unit tests share. It is never part of a deployed function.
//!
//! * [`mocks`]: SDK clients that answer from rules, and the log of a call.
//! * [`arbitrary`]: proptest strategies for malformed and malicious input.
//! * [`stacks`]: the same for a stack's parameters and the changes to them.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "only tests use this crate, and a test fails by panicking"
)]

pub mod arbitrary;
pub mod mocks;
pub mod stacks;

pub use mocks::logged;
