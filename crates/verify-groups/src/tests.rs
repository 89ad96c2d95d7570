//! verify-groups: which groups belong to the target, what is wrong with them, and the handler against
//! rules.

mod handle;

use std::collections::BTreeMap;

use aws_sdk_ec2::types::ImageState;
use contract::ErrorName;
use contract::ids::ImageId;
use contract::output::StepOutput;
use contract::steps::{ExpectedLaunch, GroupLaunch, Proof, RefreshPhase, Rows, Scope, Verified};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::arbitrary::text;

use crate::decide::{rows, verified};

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const OTHER: &str = "ami-0000000000000000c";

fn images(ids: &[&str]) -> Vec<ImageId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn stack() -> Scope {
    Scope::Stack("web".parse().unwrap())
}

fn parameter() -> Scope {
    Scope::Parameter("/golden/web".parse().unwrap())
}

/// A promotion from the old image to the new one, and the groups that live instances named.
fn proof(scope: Scope, named: &[&str]) -> Proof {
    let group = |name: &&str| ExpectedLaunch {
        group_name: (*name).to_owned(),
        expected: NEW.parse().unwrap(),
    };
    let groups = named.iter().map(group).collect();
    Proof { scope, groups, is_complete: false, before: images(&[OLD]), after: images(&[NEW]) }
}

/// The groups and the images of the rows about these groups.
fn found(proof: &Proof, groups: &[(&str, &[&str])]) -> Vec<(String, Option<String>)> {
    let booted: BTreeMap<_, _> = groups
        .iter()
        .map(|(name, ids)| ((*name).to_owned(), ids.iter().map(ToString::to_string).collect()))
        .collect();
    let rows = rows(proof, &booted);
    assert!(rows.iter().all(|row| row.expected.as_str() == NEW));
    rows.into_iter().map(|row| (row.group_name, row.boots)).collect()
}

fn row(group: &str, image: &str) -> (String, Option<String>) {
    (group.to_owned(), Some(image.to_owned()))
}

fn launch(boots: Option<&str>, state: Option<&str>) -> GroupLaunch {
    GroupLaunch {
        group_name: "web-group".into(),
        expected: NEW.parse().unwrap(),
        boots: boots.map(Into::into),
        image_state: state.map(Into::into),
    }
}

fn finding(rows: Vec<GroupLaunch>) -> Option<ErrorName> {
    verified(rows).finding.map(|finding| finding.name)
}

#[test]
fn a_stacks_group_without_a_live_instance_is_known_by_what_it_boots() {
    let none = proof(stack(), &[]);
    assert_eq!(found(&none, &[("a", &[NEW])]), [row("a", NEW)]);
    // An override has an image of its own: the group is the target's all the same.
    assert_eq!(found(&none, &[("a", &[NEW, OTHER])]), [row("a", NEW), row("a", OTHER)]);
    // The launch template has not followed; or the group boots from another parameter.
    assert_eq!(found(&none, &[("a", &[OLD])]), [row("a", OLD)]);
    assert_eq!(found(&none, &[("a", &[OLD]), ("b", &[NEW])]), [row("b", NEW)]);
    // Another group of the stack, or a launch template that ignores its parameter.
    assert_eq!(found(&none, &[("a", &[OTHER]), ("b", &[])]), []);
    let known = proof(stack(), &["k"]);
    assert_eq!(found(&known, &[("a", &[OLD]), ("k", &[NEW])]), [row("k", NEW)]);
}

#[test]
fn every_group_that_reads_the_parameter_counts() {
    let none = proof(parameter(), &[]);
    assert_eq!(found(&none, &[("a", &[NEW]), ("b", &[OLD])]), [row("a", NEW), row("b", OLD)]);
    assert_eq!(found(&none, &[]), []);
    let known = proof(parameter(), &["a"]);
    assert_eq!(found(&known, &[("a", &[NEW]), ("b", &[NEW])]), [row("a", NEW), row("b", NEW)]);
}

#[test]
fn a_group_without_an_image_has_a_row_without_one() {
    let known = proof(stack(), &["k"]);
    assert_eq!(found(&known, &[("k", &[])]), [("k".to_owned(), None)]);
}

/// buildkite/elastic-ci-stack-for-aws#764: the update creates a group with another name.
#[test]
fn a_group_that_was_replaced_is_proved_by_its_successor() {
    let known = proof(stack(), &["before"]);
    assert_eq!(found(&known, &[("after", &[NEW])]), [row("after", NEW)]);
    // The update has replaced the group, and the new one boots the image from before.
    assert_eq!(found(&known, &[("after", &[OLD])]), [row("after", OLD)]);
    assert_eq!(found(&known, &[]), []);
}

#[test]
fn only_the_right_and_available_image_boots() {
    for (boots, state, expected) in [
        (Some(NEW), Some("available"), None),
        (Some(OLD), Some("available"), Some(ErrorName::LaunchImageMismatch)),
        (Some(OLD), None, Some(ErrorName::LaunchImageMismatch)),
        (None, None, Some(ErrorName::LaunchImageMismatch)),
        (Some(NEW), None, Some(ErrorName::LaunchImageUnavailable)),
    ] {
        assert_eq!(finding(vec![launch(boots, state)]), expected, "{boots:?} {state:?}");
    }
    for state in ImageState::values() {
        let expected = (*state != "available").then_some(ErrorName::LaunchImageUnavailable);
        assert_eq!(finding(vec![launch(Some(NEW), Some(state))]), expected, "{state}");
    }
    let gone = verified(vec![launch(Some(NEW), None)]).finding.unwrap();
    assert_eq!(gone.message, format!("image {NEW}, which group web-group would boot, is gone"));
}

/// druids/terraform-aws-asg-instance-refresh#15: an override with a launch template of its own.
#[test]
fn one_wrong_image_of_several_is_a_mismatch_and_comes_first() {
    let right = launch(Some(NEW), Some("available"));
    let wrong = launch(Some(OLD), Some("disabled"));
    let answer = verified(vec![right.clone(), wrong.clone()]);
    assert_eq!(answer.groups.rows, [wrong, right]);
    let finding = answer.finding.unwrap();
    assert_eq!(finding.name, ErrorName::LaunchImageMismatch);
    assert_eq!(
        finding.message,
        format!(
            "group web-group would boot {OLD}, not {NEW}; \
             image {OLD}, which group web-group would boot, is disabled"
        )
    );
}

#[test]
fn every_group_is_refreshed_once_and_the_report_has_the_first() {
    let of = |n: usize, boots| GroupLaunch {
        group_name: format!("web-{n}"),
        ..launch(Some(boots), Some("available"))
    };
    let rows = (0..100).flat_map(|n| [of(n, NEW), of(n, OLD)]).collect();
    let answer = verified(rows);
    assert_eq!(answer.refresh.len(), 100);
    let phase = |refresh: &contract::steps::GroupRefresh| refresh.phase.clone();
    assert!(answer.refresh.iter().map(phase).all(|phase| phase == RefreshPhase::NotStarted {}));
    assert_eq!(answer.groups.more, 200 - Rows::<GroupLaunch>::MAX);
    assert!(answer.groups.rows.iter().all(|row| row.boots.as_deref() == Some(OLD)));
}

fn launches() -> impl Strategy<Value = Vec<GroupLaunch>> {
    let boots = proptest::option::of(prop_oneof![Just(NEW.to_owned()), text()]);
    let state = proptest::option::of(prop_oneof![Just("available".to_owned()), text()]);
    let launch = (text(), boots, state).prop_map(|(group_name, boots, image_state)| GroupLaunch {
        group_name,
        boots,
        image_state,
        ..launch(None, None)
    });
    vec(launch, 0..3)
}

proptest! {
    #[test]
    fn nothing_is_proved_by_a_group_that_boots_another_image(launches in launches()) {
        let boots = |row: &GroupLaunch| {
            (row.boots.as_deref(), row.image_state.as_deref()) == (Some(NEW), Some("available"))
        };
        let are_right = launches.iter().all(boots);
        let answer = verified(launches);
        prop_assert_eq!(answer.finding.is_none(), are_right);
        if let Some(finding) = answer.finding {
            prop_assert!(finding.message.chars().count() < step::MAX_MESSAGE_CHARS + 40);
        }
    }
}

#[test]
fn two_dozen_groups_fit() {
    let group = |n: usize| GroupLaunch {
        group_name: format!("{}-{n}", "g".repeat(125)),
        ..launch(Some(OLD), Some(ImageState::Available.as_str()))
    };
    let verified = verified((0..24).map(group).collect());
    assert_eq!(
        (verified.refresh.len(), verified.groups.rows.len() + verified.groups.more),
        (24, 24)
    );
    let bytes = step::json_bytes(&verified);
    assert!(bytes <= Verified::MAX_BYTES, "{bytes} bytes");
}
