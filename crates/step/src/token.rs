//! Tokens that mark writes, so that a step that is called again after a lost response recognises
//! its own write.

use std::hash::Hasher;

use fnv::FnvHasher;

/// The maximum length of the execution's name, which the token contains for people
/// (`StartExecution`, name).
const MAX_NAME_CHARS: usize = 80;

/// The token is the same for a repeated call, and different for every other write: `execution`
/// names the execution and its decision, `parts` is what is written.
///
/// It has at most 128 letters, digits and hyphens, which a stack update allows (`UpdateStack`,
/// `ClientRequestToken`). All parts together may be longer, so they are hashed, with a hash that is
/// the same in every process.
#[must_use]
pub fn token<'a>(execution: &'a str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = FnvHasher::default();
    for part in std::iter::once(execution).chain(parts) {
        hasher.write(part.as_bytes());
        // A separator that no text contains: "ab" and "c" differ from "a" and "bc".
        hasher.write(&[0xff]);
    }
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = execution.chars().map(allowed).take(MAX_NAME_CHARS).collect();
    format!("driftless-{name}-{:016x}", hasher.finish())
}
