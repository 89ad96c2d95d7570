//! Every type that is passed from one step to the next, and the catalogue of errors. The crate does
//! no I/O and uses no SDK. The state machine's JSONata relies on these types.
//!
//! * [`event`]: what starts the workflow.
//! * [`ids`]: identifiers with a fixed form (image IDs, parameter names, stack names).
//! * [`placed`]: the value in place in a parameter, which redacts itself.
//! * [`target`]: targets and their candidate images.
//! * [`steps`]: input and output of each Lambda.
//! * [`report`]: the result of an execution, for people and for programs that start executions.
//! * [`announcement`]: the events that Driftless puts on the event bus when an execution has ended.
//! * [`error_name`]: every error that Step Functions can see, and how it is retried.
//! * [`bounds`]: how often the state machine retries and polls, and how long it waits.
//! * [`output`]: how large each step's output may be.
//! * [`metrics`]: what executions count in CloudWatch.

pub mod announcement;
pub mod bounds;
pub mod error_name;
pub mod event;
mod gather;
pub mod ids;
pub mod metrics;
pub mod output;
pub mod placed;
pub mod report;
pub mod steps;
pub mod target;
#[cfg(test)]
mod tests;

pub use error_name::{Class, ErrorName, Named};
pub use gather::Gather;
