//! Truncates external texts: a message passes through the state machine, which limits the data
//! between states to 256 KiB and an error's cause to 32,768 characters.

/// The maximum length of an error's or a finding's message. A cause contains the message as JSON,
/// which would be invalid if it were cut off; a report contains the messages of all targets.
pub const MAX_MESSAGE_CHARS: usize = 2_000;

/// The first `most` characters, followed by the original number of characters if any are left out.
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
