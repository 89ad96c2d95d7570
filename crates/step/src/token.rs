//! Owns the tokens of writes, by which a step that is called again after a lost response recognises
//! its own write.

use std::hash::Hasher;

use fnv::FnvHasher;

/// The maximum length of the execution's name in the token, for people; a name has at most this
/// length (`StartExecution`, name).
const MAX_NAME_CHARS: usize = 80;

/// The token is the same for a repeated call, and different for every other write: `execution`
/// names the execution and its decision, `parts` is what is written.
///
/// It has only letters, digits and hyphens, at most 128, which a stack update allows
/// (`UpdateStack`, `ClientRequestToken`) and a tag's value too. Many parts would be longer, so they
/// are hashed, with a hash that is the same in every process.
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
