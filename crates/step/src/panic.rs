//! Reports a panic: its location, and its message only if that is a string literal. A formatted
//! message (`"… {value}"`, an `unwrap` of an error) may contain a value, and a value may be a
//! secret, so such a message appears neither in the log nor in the execution's history.

use std::any::Any;
use std::cell::Cell;

thread_local! {
    /// Where this thread has panicked: only the hook can read it.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Replaces Rust's own hook, which writes every message to the log.
pub(crate) fn replace_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, text = text(panic.payload()), "the step panicked");
        LOCATION.set(location);
    }));
}

/// Summarizes a panic of this thread that was caught with this payload.
pub(crate) fn summary(payload: &(dyn Any + Send)) -> String {
    let location = LOCATION.take().unwrap_or_else(|| "an unknown location".to_owned());
    format!("panicked at {location}: {}", text(payload))
}

/// The payload of `panic!` is a `&str` if the message is a literal, and a `String` if it was
/// formatted.
fn text(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("message withheld, because it may contain a secret")
}
