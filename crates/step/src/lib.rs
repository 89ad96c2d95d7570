//! The step crate owns the Lambda shell that all steps share: decode the input, call the step,
//! encode its answer, and turn every failure into a name of the catalogue.
//!
//! * [`run`]: the shell around a step's `handle`.
//! * [`decode`] and [`InvalidInput`]: typed input with the path of what is wrong.
//! * [`sdk_config`] and [`AwsError`]: how AWS is called, and what its failures are.
//! * [`texts`]: the predicates on AWS's error texts, where there is nothing but text to go by.
//! * [`token`]: how a step recognises its own write when it is called again.
//! * [`bounded`]: texts from outside, cut to a length.
//! * `stack`: what changing a stack's parameters takes, for the steps that do or plan it.
//! * `testing` and `hostile`: clients that answer from rules, and what nobody sends who means
//!   well, for the steps' tests.

mod aws;
mod bounded;
#[cfg(any(test, feature = "testing"))]
pub mod hostile;
mod input;
mod panic;
mod shell;
#[cfg(feature = "stack")]
pub mod stack;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod texts;
mod token;

pub use aws::{AwsError, OnlyThrottling, sdk_config};
pub use bounded::{LONGEST_MESSAGE, bounded};
pub use input::{InvalidInput, decode};
pub use shell::run;
pub use token::token;
