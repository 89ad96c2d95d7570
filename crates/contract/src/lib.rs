//! The contract owns every type that crosses from one step to the next, and the catalogue of
//! error names. It does no I/O and knows no SDK: what is in here is what the state machine's
//! JSONata may rely on.
//!
//! * [`event`]: what starts the workflow.
//! * [`ids`]: names with a form (image ids, parameter names, stack names), checked once, here.
//! * [`placed`]: the value that a parameter has, which redacts itself.
//! * [`target`]: what is to be promoted where.
//! * [`steps`]: input and output of each Lambda.
//! * [`report`]: what an execution ends with, for people and for whoever starts it.
//! * [`error_name`]: every error that Step Functions can see, and how it is retried.
//! * [`bounds`]: how long the state machine waits for what, and how often it polls.

pub mod bounds;
pub mod error_name;
pub mod event;
pub mod ids;
pub mod placed;
pub mod report;
pub mod steps;
pub mod target;
#[cfg(test)]
mod tests;

pub use error_name::{Class, ErrorName, Named};
