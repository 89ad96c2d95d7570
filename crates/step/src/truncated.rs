//! Texts from outside, cut to a length: what is in a message travels through the state machine,
//! which carries 256 KiB from one state to the next and 32,768 characters of an error's cause.

/// The most characters of an error's or a finding's message. A cause is the message as JSON, and
/// one that is cut off there is JSON no more; a run's report has the messages of all its targets.
pub const MAX_MESSAGE_CHARS: usize = 2_000;

/// At most the first `most` characters, followed by how many there were where some are left out.
#[must_use]
pub fn truncated(text: impl Into<String>, most: usize) -> String {
    let mut text = text.into();
    if let Some((end, _)) = text.char_indices().nth(most) {
        let count = text.chars().count();
        text.truncate(end);
        text.push_str(&format!("… ({count} characters)"));
    }
    text
}
