//! The operator's decisions as the environment has them.

use contract::steps::{Provenance, ProvenanceVerdict};

use super::{ACCOUNT, policy};
use crate::Policy;
use crate::backups::Job;

fn refusal(account: &str, disabled: &str, allow: &str) -> String {
    let variable = |name: &str| match name {
        "ACCOUNT_ID" => Some(account.to_owned()),
        "DISABLED_CHECKS" => Some(disabled.to_owned()),
        "MINIMUM_LIFETIME_HOURS" => Some("48".to_owned()),
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
         deprecated, public, rootDevice, snapshots, tags, backup, lifetime, architecture, \
         virtualization, bootMode, instanceType, encryption"
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
fn hours_that_are_no_number_and_what_lambda_has_not_set_are_refused() {
    let read = |hours: Option<&'static str>, region: Option<&'static str>| {
        let variable = |name: &str| match name {
            "ACCOUNT_ID" => Some(ACCOUNT.to_owned()),
            "ALLOW_UNVERIFIED" => Some("true".to_owned()),
            "PARTITION" => Some("aws-cn".to_owned()),
            "AWS_REGION" => region.map(str::to_owned),
            "MINIMUM_LIFETIME_HOURS" => hours.map(str::to_owned),
            _ => None,
        };
        Policy::read(variable).map_err(|error| error.to_string())
    };
    for hours in [None, Some("two"), Some("-1")] {
        let error = read(hours, Some("cn-north-1")).unwrap_err();
        assert!(error.starts_with("MINIMUM_LIFETIME_HOURS: expected a number of hours"), "{error}");
    }
    assert_eq!(read(Some("48"), None).unwrap_err(), "AWS_REGION is not set");
    let policy = read(Some("48"), Some("cn-north-1")).unwrap();
    assert_eq!(policy.instance_arn("i-1"), "arn:aws-cn:ec2:cn-north-1:111122223333:instance/i-1");
}

#[test]
fn a_message_is_harmful_if_it_or_its_category_has_one_of_the_words() {
    for (message, category, harmful) in [
        (None, None, false),
        (Some("Windows VSS Backup attempt failed"), None, true),
        (Some("windows vss"), Some("OTHER"), true),
        (Some("x"), Some("PARTIAL_METADATA"), true),
        (Some("unable to persist NetworkInterfaces metadata"), Some("OTHER"), false),
    ] {
        let job = Job::saying(message, category);
        assert_eq!(policy("", "true").is_harmful(&job), harmful, "{job:?}");
    }
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
