//! Tests of following an execution.

mod ended;
mod trace;

use std::time::Duration;

use crate::follow;

#[test]
fn the_polls_become_rarer_while_nothing_happens() {
    let first = follow::next_pause(Duration::from_secs(9), false);
    assert_eq!(first, Duration::from_millis(500));
    let mut pause = first;
    for _ in 0..30 {
        let next = follow::next_pause(pause, true);
        assert!(next >= pause);
        pause = next;
    }
    assert_eq!(pause, Duration::from_secs(15));
}
