//! How long a promotion takes, for `docs/operations.md`: most of it is waiting, so it follows from the waits
//! between polls and from how long AWS takes for what is waited for.

use anyhow::{Context, Result};
use contract::bounds::{POLLS, Poll};

/// What is waited for: the step that polls, what AWS does, how many seconds it typically takes, and
/// whether it is part of the pattern of parameters and of that of stacks.
///
/// A small stack, as in `tests/fixtures/stacks`: a launch template gets a version and a group is
/// changed; drift detection reads three resources.
const OPERATIONS: [(&str, &str, u32, [bool; 2]); 3] = [
    ("PromoteSsm", "the parameter has its new value", 2, [true, false]),
    ("WaitStackComplete", "the stack is updated", 45, [false, true]),
    ("DetectDrift", "the drift is detected", 15, [true, true]),
];
/// What all steps of a promotion take themselves.
const STEPS_SECONDS: u32 = 3;

const BEGIN: &str = "<!-- made by `cargo xtask generate` -->\n";
const END: &str = "<!-- end of what is made -->\n";

/// The text with its table as the waits are now.
pub(crate) fn replaced(text: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("the table has no beginning")?;
    let (_, after) = rest.split_once(END).context("the table has no end")?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table()?))
}

fn table() -> Result<String> {
    let mut text =
        "| noticed after | AWS takes | parameter | stack |\n|---|---|---|---|\n".to_owned();
    let mut sums = [STEPS_SECONDS; 2];
    for (state, what, takes, is_part) in OPERATIONS {
        let poll = POLLS.iter().find(|poll| poll.state == state);
        let noticed = noticed(poll.with_context(|| format!("{state} does not poll"))?, takes);
        let cells = is_part.map(|is_part| if is_part { seconds(noticed) } else { "–".to_owned() });
        text += &format!("| {what} | {takes} s | {} |\n", cells.join(" | "));
        for (sum, is_part) in sums.iter_mut().zip(is_part) {
            *sum += if is_part { noticed } else { 0 };
        }
    }
    let sums = sums.map(seconds).join(" | ");
    Ok(text + &format!("| **a promotion**, with its steps | | {sums} |\n"))
}

fn seconds(seconds: u32) -> String {
    format!("{seconds} s")
}

/// When a poll finds an operation finished that takes this long.
fn noticed(poll: &Poll, takes: u32) -> u32 {
    let mut passed = 0;
    for wait in poll.waits() {
        passed += wait;
        if passed >= takes {
            break;
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_replaced() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        let replaced_once = replaced(&text).unwrap();
        assert!(replaced_once.starts_with("before\n") && replaced_once.ends_with("after\n"));
        assert!(
            !replaced_once.contains("old") && replaced_once.contains("| the stack is updated |")
        );
        assert_eq!(replaced(&replaced_once).unwrap(), replaced_once);
        assert!(replaced("no table").is_err());
    }

    #[test]
    fn what_ends_between_two_polls_is_noticed_at_the_second() {
        let poll = &POLLS[0];
        let wait = noticed(poll, 1);
        assert_eq!(noticed(poll, wait), wait);
        assert!(noticed(poll, wait + 1) > wait);
    }
}
