//! The rule of a parameter's write: the value in Parameter Store, the owner of the write, and the
//! number of polls decide what this call does.
//!
//! A new value becomes visible some time after the write was accepted, and a call may be lost or
//! repeated. So the step waits for a write that has begun. It makes the write again only when it is
//! overdue, and only at that one poll.

use contract::steps::ParameterWrite;

use crate::claim::Claim;

/// At this poll, about 20 seconds after the first one, a write of this execution whose value is not
/// visible was never made.
const OWN_OVERDUE: u32 = 4;
/// The same for a write of another execution, which has its own chance to make it first: about 20
/// seconds later, and as long before the last poll.
const OTHERS_OVERDUE: u32 = 5;

/// The value in Parameter Store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The value that the decision was based on. A write may have been accepted already.
    Old,
    /// The image.
    New,
    /// Another value: another writer wrote after the decision.
    Foreign,
    /// A version other than the one that this call has just claimed.
    NextVersion,
}

/// Whether a write whose value is not visible is overdue at this poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// No write is.
    None,
    /// A write of this execution is.
    Own,
    /// A write of another execution is.
    Others,
}

/// What to do about the parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Claim the write, and ask the rule again with the answer.
    Claim,
    /// Write the image.
    Write,
    /// Take the claim over, and write the image.
    TakeOver,
    /// Do nothing. The next poll decides.
    Wait,
    /// Do nothing. The image is in place.
    Done,
    /// Delete the claim: it has served its purpose.
    DeleteClaim,
    /// Fail, so that the image is chosen again.
    ChooseAgain,
}

/// The rule's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What to do.
    pub action: Action,
    /// Whether this execution has begun the write, as far as is known before the action.
    pub written: bool,
}

impl Shown {
    /// Compares a value with what the decision saw and chose.
    #[must_use]
    pub(crate) fn of(write: &ParameterWrite, value: &str) -> Self {
        if value == write.after.as_str() {
            Self::New
        } else if value == write.before.expose() {
            Self::Old
        } else {
            Self::Foreign
        }
    }
}

impl Overdue {
    /// After this number of earlier polls.
    #[must_use]
    pub(crate) fn at(polls: u32) -> Self {
        match polls {
            OWN_OVERDUE => Self::Own,
            OTHERS_OVERDUE => Self::Others,
            _ => Self::None,
        }
    }
}

/// The rule. `claim` is `None` if there is no claim, or it has not been read yet. `written` is from
/// the last answer of this execution.
#[expect(clippy::match_same_arms, reason = "each row of the table stands for itself")]
#[must_use]
pub(crate) fn rule(shown: Shown, claim: Option<Claim>, written: bool, overdue: Overdue) -> Answer {
    use Claim::{Granted, Mine, Theirs};
    let (action, written) = match (shown, claim) {
        // validate-ami decides whether it is newer.
        (Shown::Foreign, _) => (Action::ChooseAgain, written),

        (Shown::Old, None) if written && overdue != Overdue::Own => (Action::Wait, written),
        (Shown::Old, None) => (Action::Claim, written),
        (Shown::Old, Some(Granted)) => (Action::Write, written),
        (Shown::Old, Some(Mine)) if overdue == Overdue::Own => (Action::Write, true),
        (Shown::Old, Some(Mine)) => (Action::Wait, true),
        (Shown::Old, Some(Theirs)) if overdue == Overdue::Others => (Action::TakeOver, written),
        (Shown::Old, Some(Theirs)) => (Action::Wait, written),

        (Shown::New, None) => (Action::Done, written),
        // An earlier call wrote, and its answer was lost. If this answer is lost too, the next call
        // finds the same claim.
        (Shown::New, Some(Mine)) if !written => (Action::Done, true),
        (Shown::New, Some(Granted | Mine)) => (Action::DeleteClaim, written),
        // Another execution took the write over.
        (Shown::New, Some(Theirs)) => (Action::Done, false),

        // The claim was free because its write is already visible, or it was taken over too late.
        (Shown::NextVersion, Some(Granted | Theirs)) => (Action::DeleteClaim, written),
        // The next poll sees the image, and deletes the claim.
        (Shown::NextVersion, Some(Mine) | None) => (Action::Wait, written),
    };
    Answer { action, written }
}
