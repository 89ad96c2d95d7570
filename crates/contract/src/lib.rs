//! The contract owns every type that crosses from one step to the next, and the catalogue of error
//! names. It does no I/O and uses no SDK. The state machine's JSONata relies on these types.
//!
//! * [`event`]: what starts the workflow.
//! * [`ids`]: names with a form (image ids, parameter names, stack names), checked once, here.
//! * [`placed`]: the value in place in a parameter, which redacts itself.
//! * [`target`]: targets and their candidate images.
//! * [`steps`]: input and output of each Lambda.
//! * [`report`]: the result of an execution, for people and for programs that start executions.
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
