//! The Lambda shell that all steps share: decode the input, call the step, encode its answer, and
//! turn every failure into a name of the catalogue.
//!
//! * [`run`]: the shell around a step's `handle`.
//! * [`decode`] and [`InvalidInput`]: typed input, with the path of the invalid field.
//! * [`token()`]: how a step recognises its own write when it is called again.
//! * [`truncated()`]: truncates external texts.
//! * [`rows_within`] and [`json_bytes`]: the same for lists.

mod input;
mod logging;
mod panic;
mod shell;
mod size;
#[cfg(test)]
mod tests;
mod token;
mod truncated;

pub use input::{InvalidInput, decode};
pub use shell::run;
pub use size::{json_bytes, rows_within};
pub use token::token;
pub use truncated::{MAX_MESSAGE_CHARS, truncated};
