//! Measures how long each test takes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many are named.
const NAMED: usize = 5;

static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// The time of a test, noted when this is dropped.
pub struct Time {
    name: String,
    began: Instant,
}

/// The time of this test, from now on.
pub fn of(name: String) -> Time {
    Time { name, began: Instant::now() }
}

impl Drop for Time {
    fn drop(&mut self) {
        let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
        times.push((self.began.elapsed(), std::mem::take(&mut self.name)));
    }
}

/// The tests that took longest, in one line.
pub fn slowest() -> String {
    let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    times.sort_unstable_by(|a, b| b.cmp(a));
    let named = times.iter().take(NAMED);
    let named = named.map(|(time, name)| format!("{name} ({} s)", time.as_secs()));
    named.collect::<Vec<_>>().join(", ")
}
