//! The rule of a write by a table: every combination of its inputs, once, with its answer.

use std::collections::BTreeMap;

use crate::claim::Claim;
use crate::claim::Claim::{Granted, Mine, Theirs};
use crate::rule::Action::{ChooseAgain, Claim as MakeClaim, DeleteClaim, Done, TakeOver};
use crate::rule::Action::{Wait, Write};
use crate::rule::Shown::{Foreign, New, NextVersion, Old};
use crate::rule::{Action, Answer, Overdue, Shown, rule};

const NO: bool = false;
const YES: bool = true;

/// What Parameter Store shows, the claim, whether this execution has begun the write; then the
/// action at a poll where nothing is overdue, where an own write is, where another execution's is;
/// and whether this execution has begun the write, as the answer says.
type Row = (Shown, Option<Claim>, bool, [Action; 3], bool);

#[rustfmt::skip]
const TABLE: [Row; 32] = [
    // No claim was asked for yet.
    (Old,         None,          NO,  [MakeClaim,   MakeClaim,   MakeClaim],   NO),
    (Old,         None,          YES, [Wait,        MakeClaim,   Wait],        YES),
    // This call asked for it.
    (Old,         Some(Granted), NO,  [Write,       Write,       Write],       NO),
    (Old,         Some(Granted), YES, [Write,       Write,       Write],       YES),
    (Old,         Some(Mine),    NO,  [Wait,        Write,       Wait],        YES),
    (Old,         Some(Mine),    YES, [Wait,        Write,       Wait],        YES),
    (Old,         Some(Theirs),  NO,  [Wait,        Wait,        TakeOver],    NO),
    (Old,         Some(Theirs),  YES, [Wait,        Wait,        TakeOver],    YES),

    (New,         None,          NO,  [Done,        Done,        Done],        NO),
    (New,         None,          YES, [Done,        Done,        Done],        YES),
    (New,         Some(Mine),    NO,  [Done,        Done,        Done],        YES),
    (New,         Some(Mine),    YES, [DeleteClaim, DeleteClaim, DeleteClaim], YES),
    (New,         Some(Theirs),  NO,  [Done,        Done,        Done],        NO),
    (New,         Some(Theirs),  YES, [Done,        Done,        Done],        NO),
    // Does not occur: a write is not claimed when the image is in place.
    (New,         Some(Granted), NO,  [DeleteClaim, DeleteClaim, DeleteClaim], NO),
    (New,         Some(Granted), YES, [DeleteClaim, DeleteClaim, DeleteClaim], YES),

    (Foreign,     None,          NO,  [ChooseAgain, ChooseAgain, ChooseAgain], NO),
    (Foreign,     None,          YES, [ChooseAgain, ChooseAgain, ChooseAgain], YES),
    // Does not occur: no claim is asked for then.
    (Foreign,     Some(Granted), NO,  [ChooseAgain, ChooseAgain, ChooseAgain], NO),
    (Foreign,     Some(Granted), YES, [ChooseAgain, ChooseAgain, ChooseAgain], YES),
    (Foreign,     Some(Mine),    NO,  [ChooseAgain, ChooseAgain, ChooseAgain], NO),
    (Foreign,     Some(Mine),    YES, [ChooseAgain, ChooseAgain, ChooseAgain], YES),
    (Foreign,     Some(Theirs),  NO,  [ChooseAgain, ChooseAgain, ChooseAgain], NO),
    (Foreign,     Some(Theirs),  YES, [ChooseAgain, ChooseAgain, ChooseAgain], YES),

    (NextVersion, Some(Granted), NO,  [DeleteClaim, DeleteClaim, DeleteClaim], NO),
    (NextVersion, Some(Granted), YES, [DeleteClaim, DeleteClaim, DeleteClaim], YES),
    (NextVersion, Some(Mine),    NO,  [Wait,        Wait,        Wait],        NO),
    (NextVersion, Some(Mine),    YES, [Wait,        Wait,        Wait],        YES),
    (NextVersion, Some(Theirs),  NO,  [DeleteClaim, DeleteClaim, DeleteClaim], NO),
    (NextVersion, Some(Theirs),  YES, [DeleteClaim, DeleteClaim, DeleteClaim], YES),
    // Does not occur: it takes a claim to see it.
    (NextVersion, None,          NO,  [Wait,        Wait,        Wait],        NO),
    (NextVersion, None,          YES, [Wait,        Wait,        Wait],        YES),
];

#[test]
fn every_combination_has_its_action() {
    let mut rows = BTreeMap::new();
    for (shown, claim, begun, actions, written) in TABLE {
        for (overdue, action) in [Overdue::None, Overdue::Own, Overdue::Others].iter().zip(actions)
        {
            let found = rule(shown, claim, begun, *overdue);
            let case = format!("{shown:?} {claim:?} {begun} {overdue:?}");
            assert_eq!(found, Answer { action, written }, "{case}");
            *rows.entry(case).or_insert(0) += 1;
        }
    }
    // What is shown, the claims and none, whether it was begun, what is overdue.
    assert_eq!(rows.len(), 4 * 4 * 2 * 3);
    assert!(rows.values().all(|times| *times == 1), "{rows:#?}");
}

#[test]
fn a_write_is_overdue_at_one_poll_only() {
    for polls in 0..=7 {
        let expected = match polls {
            4 => Overdue::Own,
            5 => Overdue::Others,
            _ => Overdue::None,
        };
        assert_eq!(Overdue::at(polls), expected, "{polls}");
    }
}
