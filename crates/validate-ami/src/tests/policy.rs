//! The operator's decisions as the environment has them.

use contract::steps::{Provenance, ProvenanceVerdict};

use super::{ACCOUNT, policy};
use crate::Policy;

fn refusal(account: &str, disabled: &str, allow: &str) -> String {
    let variable = |name: &str| match name {
        "ACCOUNT_ID" => Some(account.to_owned()),
        "DISABLED_CHECKS" => Some(disabled.to_owned()),
        _ => Some(allow.to_owned()),
    };
    Policy::read(variable).unwrap_err().to_string()
}

#[test]
fn checks_are_turned_off_by_name() {
    let some = policy(" public,bootMode ,", "true");
    assert!(!some.runs("public") && !some.runs("bootMode") && some.runs("owner"));
    assert!(policy("", "true").runs("public"));
}

#[test]
fn what_cannot_be_understood_is_an_error_that_helps() {
    assert_eq!(
        refusal(ACCOUNT, "public,bootmode", "true"),
        "DISABLED_CHECKS: there is no check \"bootmode\"; the checks are: state, owner, \
         deprecated, public, rootDevice, snapshots, backup, architecture, virtualization, \
         bootMode, instanceType, encryption"
    );
    assert_eq!(
        refusal(ACCOUNT, "", "yes"),
        "ALLOW_UNVERIFIED: expected true or false, found \"yes\""
    );
    assert_eq!(
        refusal("", "", "true"),
        "ACCOUNT_ID: expected the 12 digits of an account, found \"\""
    );
}

#[test]
fn unverified_is_the_operators_to_permit_and_violated_nobodys() {
    use ProvenanceVerdict::{Unverified, Verified, Violated};
    for (allow, verdict, permitted) in [
        ("true", Verified, true),
        ("true", Unverified, true),
        ("true", Violated, false),
        ("false", Verified, true),
        ("false", Unverified, false),
        ("false", Violated, false),
    ] {
        let provenance = Provenance { verdict, reason: None };
        assert_eq!(policy("", allow).permits(&provenance), permitted, "{allow} {verdict:?}");
    }
}
