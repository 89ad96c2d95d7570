//! What is told of a panic: the place, and the text where the source has it as it is. A text that
//! was put together (`"… {value}"`, an `unwrap` of an error) may repeat a value, and a value may be
//! a secret: it goes neither into the log nor into the execution's history.

use std::any::Any;
use std::cell::Cell;

thread_local! {
    /// Where this thread has panicked: only the hook gets to know.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Takes the place of Rust's own hook, which writes every text to the log.
pub(crate) fn replace_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, text = text(panic.payload()), "panicked");
        PLACE.set(place);
    }));
}

/// What a panic of this thread, caught with this payload, comes to.
pub(crate) fn told(payload: &(dyn Any + Send)) -> String {
    let place = PLACE.take().unwrap_or_else(|| "a place unknown".to_owned());
    format!("panicked at {place}: {}", text(payload))
}

/// `panic!` gives a `&str` where nothing was put into the text, and else a `String`.
fn text(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("its text may repeat a value")
}
