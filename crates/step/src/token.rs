//! Owns the token that a write bears: how a step that is called again, because the answer to an
//! earlier call was lost, recognises its own write.

use std::hash::Hasher;

use fnv::FnvHasher;

/// How much of the execution's name the token repeats, for people; a name has no more
/// (`StartExecution`, name).
const MAX_NAME_CHARS: usize = 80;

/// The same for a repeated call, and another for every other write: `execution` names the
/// execution and its decision, `parts` what is written.
///
/// It has letters, digits and hyphens alone, at most 128, which a stack update allows
/// (`UpdateStack`, `ClientRequestToken`) and a tag's value too. That is less than many parts take:
/// so they are hashed, by a hash that is the same in every process.
#[must_use]
pub fn token<'a>(execution: &'a str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = FnvHasher::default();
    for part in std::iter::once(execution).chain(parts) {
        hasher.write(part.as_bytes());
        // No text holds it: "ab" and "c" are not "a" and "bc".
        hasher.write(&[0xff]);
    }
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = execution.chars().map(allowed).take(MAX_NAME_CHARS).collect();
    format!("driftless-{name}-{:016x}", hasher.finish())
}
