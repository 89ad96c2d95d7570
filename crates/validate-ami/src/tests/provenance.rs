//! Where an image comes from, against where it is to go.

use std::collections::{BTreeMap, BTreeSet};

use contract::steps::ProvenanceVerdict::{self, Unverified, Verified, Violated};
use contract::target::{Candidate, Group, Origin, Target};

use super::{ACCOUNT, NEW, candidate, group, origin, unknown_origin};
use crate::provenance::{
    LaunchImages, LaunchSources, group_names, groups_fed_by, provenance, stack_names, verdict,
};

fn target(candidates: Vec<Candidate>) -> Target {
    super::target(candidates).target
}

fn parameter_target(candidates: Vec<Candidate>) -> Target {
    super::parameter_target(candidates).target
}

#[track_caller]
fn is(
    target: &Target,
    origin: &Origin,
    sources: &LaunchSources,
    expected: (ProvenanceVerdict, &str),
) {
    let found = provenance(target, origin, sources, ACCOUNT);
    assert_eq!((found.verdict, found.reason.as_deref().unwrap_or("")), expected);
}

fn launching(launches: LaunchImages) -> LaunchSources {
    LaunchSources {
        launches: BTreeMap::from([("group".to_owned(), launches)]),
        ..LaunchSources::default()
    }
}

#[test]
fn an_origin_that_is_not_known_or_outside_of_any_group() {
    for target in [target(Vec::new()), parameter_target(Vec::new())] {
        let sources = LaunchSources::default();
        is(&target, &unknown_origin(), &sources, (Unverified, "instance i-1 is gone"));
        is(&target, &origin(None), &sources, (Violated, "i-1, which is in no group"));
    }
}

#[test]
fn the_groups_launch_template_has_to_read_the_parameter() {
    let target = parameter_target(Vec::new());
    let origin = origin(Some(group("group", None)));
    for reads in [
        "resolve:ssm:/golden/web",
        "resolve:ssm:/golden/web:7",
        "resolve:ssm:/golden/web:stable",
        "resolve:ssm:arn:aws:ssm:eu-west-1:111122223333:parameter/golden/web",
        "resolve:ssm:arn:aws:ssm:eu-west-1:111122223333:parameter/golden/web:7",
        "resolve:ssm:arn:aws-cn:ssm:cn-north-1:111122223333:parameter/golden/web",
        "resolve:ssm:arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/golden/web",
    ] {
        is(&target, &origin, &launching(Ok([reads.to_owned()].into())), (Verified, ""));
    }
    for other in [
        NEW,
        "resolve:ssm:/golden/web2",
        "resolve:ssm:/golden",
        "resolve:ssm:arn:aws:ssm:eu-west-1:444455556666:parameter/golden/web",
        "resolve:ssm:arn:aws-cn:ssm:cn-north-1:444455556666:parameter/golden/web",
        "resolve:ssm:arn:aws:ssm",
    ] {
        let reason = format!("group group, whose launch template boots {other}");
        is(&target, &origin, &launching(Ok([other.to_owned()].into())), (Violated, &reason));
    }
}

#[test]
fn one_of_several_launch_templates_is_enough_and_none_is_not() {
    let target = parameter_target(Vec::new());
    let origin = origin(Some(group("group", None)));
    let several = [NEW.to_owned(), "resolve:ssm:/golden/web".to_owned()].into();
    is(&target, &origin, &launching(Ok(several)), (Verified, ""));
    let none = (Violated, "group group, which has no launch template with an image");
    is(&target, &origin, &launching(Ok(BTreeSet::new())), none);
}

#[test]
fn a_group_or_template_that_is_gone_tells_nothing() {
    let target = parameter_target(Vec::new());
    let origin = origin(Some(group("group", None)));
    is(&target, &origin, &LaunchSources::default(), (Unverified, "group group is gone"));
    let gone = launching(Err("no such version".to_owned()));
    is(&target, &origin, &gone, (Unverified, "group group: no such version"));
}

#[test]
fn the_group_has_to_be_of_the_stack_or_of_one_nested_in_it() {
    let target = target(Vec::new());
    let of = |stack| origin(Some(group("group", stack)));
    let roots = |root: Option<&str>| LaunchSources {
        roots: BTreeMap::from([("web-Group-1X".to_owned(), root.map(str::to_owned))]),
        ..LaunchSources::default()
    };
    let none = LaunchSources::default();
    is(&target, &of(Some("web")), &none, (Verified, ""));
    is(&target, &of(Some("db")), &none, (Violated, "group group of stack db"));
    is(&target, &of(None), &none, (Violated, "group group, which belongs to no stack"));

    let nested = of(Some("web-Group-1X"));
    is(&target, &nested, &roots(Some("web")), (Verified, ""));
    let elsewhere = (Violated, "group group of stack web-Group-1X");
    is(&target, &nested, &roots(Some("web-Group")), elsewhere);
    is(&target, &nested, &roots(None), elsewhere);
    is(&target, &nested, &none, (Unverified, "stack web-Group-1X is gone"));
}

#[test]
fn only_what_is_needed_is_looked_at() {
    let from = |stack| {
        let mut candidate = candidate(NEW);
        candidate.origin = origin(Some(group("group", Some(stack))));
        candidate
    };
    let all = || vec![from("web"), from("db"), from("web-Group-1X"), from("website"), from("db")];
    assert_eq!(stack_names(&target(all())).into_iter().collect::<Vec<_>>(), ["web-Group-1X"]);
    assert!(group_names(&target(all())).is_empty());
    assert!(stack_names(&parameter_target(all())).is_empty());
    assert_eq!(group_names(&parameter_target(all())).into_iter().collect::<Vec<_>>(), ["group"]);

    // What no candidate comes from may be fed all the same.
    let with = |mut target: Target| {
        target.images_mut().remove(0).groups =
            vec![group("web-1", Some("web-Group-2X")), group("web-2", Some("db"))];
        target
    };
    let (stack, parameter) = (with(target(Vec::new())), with(parameter_target(Vec::new())));
    assert_eq!(stack_names(&stack), BTreeSet::from(["web-Group-2X"]));
    assert_eq!(group_names(&parameter), BTreeSet::from(["web-1", "web-2"]));
}

#[test]
fn a_target_keeps_the_groups_that_it_feeds_and_those_of_which_that_cannot_be_told() {
    let said = |image: &str| Ok(BTreeSet::from([image.to_owned()]));
    let sources = LaunchSources {
        launches: BTreeMap::from([
            ("reads".to_owned(), said("resolve:ssm:/golden/web")),
            ("reads-another".to_owned(), said("resolve:ssm:/golden/db")),
            ("by-stack".to_owned(), said(NEW)),
            ("no-template".to_owned(), Ok(BTreeSet::new())),
            ("template-gone".to_owned(), Err("no such version".to_owned())),
        ]),
        roots: BTreeMap::from([
            ("web-Group-1X".to_owned(), Some("web".to_owned())),
            ("web-Other-1X".to_owned(), Some("web-Other".to_owned())),
            ("web-alone".to_owned(), None),
        ]),
        readers: Vec::new(),
    };
    let kept = |target: Target, groups: &[Group]| {
        let kept = groups_fed_by(&target, groups, &sources, ACCOUNT).into_iter();
        kept.map(|group| group.group_name).collect::<Vec<_>>()
    };
    let groups = ["reads", "reads-another", "by-stack", "no-template", "template-gone", "gone"]
        .map(|name| group(name, Some("web")));
    assert_eq!(kept(parameter_target(Vec::new()), &groups), ["reads", "template-gone", "gone"]);

    let groups = [
        // It is unknown by which of the stack's image parameters.
        group("reads-another", Some("web")),
        group("nested", Some("web-Group-1X")),
        group("nested-gone", Some("web-Gone-1X")),
        group("nested-elsewhere", Some("web-Other-1X")),
        group("of-a-stack-alike", Some("web-alone")),
        group("of-another", Some("db")),
        group("of-none", None),
    ];
    let expected = ["reads-another", "nested", "nested-gone"];
    assert_eq!(kept(target(Vec::new()), &groups), expected);
}

#[test]
fn the_report_says_what_had_to_be() {
    let row = |target: &Target, origin: &Origin| {
        let provenance = provenance(target, origin, &LaunchSources::default(), ACCOUNT);
        let row = verdict(target, &provenance);
        assert!(!row.passed && row.check == "provenance");
        (row.actual, row.expected)
    };
    let (actual, expected) = row(&target(Vec::new()), &origin(None));
    assert_eq!(actual, "i-1, which is in no group");
    assert_eq!(expected, "a group of stack web");
    let (actual, expected) = row(&parameter_target(Vec::new()), &unknown_origin());
    assert_eq!(actual, "unverified (instance i-1 is gone)");
    assert_eq!(expected, "a group that boots from /golden/web");
}
