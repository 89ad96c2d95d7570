//! guard-images: what is changed about one image, and the handler against rules.

mod handle;

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Image, Tag};
use contract::steps::{Guard, HeldImage, Scope};
use proptest::prelude::*;
use testkit::arbitrary::text;

use crate::decide::{Change, Holder, MARK, Switch, change, holders};

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const OFF: &str = "disabled";
const ON: &str = "enabled-without-cooldown";

fn stack() -> Scope {
    Scope::Stack("web".parse().unwrap())
}

fn parameter(name: &str) -> Scope {
    Scope::Parameter(name.parse().unwrap())
}

/// A target whose only image parameter holds the new image instead of the old one.
fn guard(scope: Scope) -> Guard {
    let parameter = "ImageId".to_owned();
    let (image, replaced) = (NEW.parse().unwrap(), Some(OLD.parse().unwrap()));
    Guard { scope, images: vec![HeldImage { parameter, image, replaced }] }
}

/// The keys of two targets: the one that the step works for, and another.
fn keys() -> (Vec<Holder>, String, String) {
    let ours = holders(&guard(stack()));
    let key = ours[0].key.clone();
    (ours, key, holders(&guard(parameter("/golden/web")))[0].key.clone())
}

fn image(id: &str, status: &str, keys: &[&str]) -> Image {
    let tags = keys.iter().map(|key| Tag::builder().key(*key).value("x").build()).collect();
    let image = Image::builder().image_id(id).deregistration_protection(status);
    image.owner_id(handle::ACCOUNT).set_tags(Some(tags)).build()
}

/// The keys to add, what happens to the protection, the keys to remove, whether it is shared.
type Row<'a> = (Vec<&'a str>, Option<Switch>, Vec<&'a str>, bool);

fn row(change: &Change) -> Row<'_> {
    (
        change.add.keys().map(String::as_str).collect(),
        change.switch,
        change.remove.iter().map(String::as_str).collect(),
        change.is_shared,
    )
}

#[test]
fn an_image_is_protected_while_a_parameter_holds_it() {
    let (ours, key, other) = keys();
    let (key, other, mark) = (key.as_str(), other.as_str(), MARK.0);
    let (enable, disable) = (Some(Switch::Enable), Some(Switch::Disable));
    for (id, status, tags, expected) in [
        // In place, for the first time; already; by another's hand; after a part of that.
        (NEW, OFF, vec![], (vec![key, mark], enable, vec![], false)),
        (NEW, ON, vec![key, mark], (vec![], None, vec![], false)),
        (NEW, ON, vec![], (vec![key], None, vec![], false)),
        (NEW, "enabled-with-cooldown", vec![key], (vec![], None, vec![], false)),
        (NEW, OFF, vec![key, mark], (vec![], enable, vec![], false)),
        (NEW, OFF, vec![key], (vec![mark], enable, vec![], false)),
        (
            NEW,
            "disabled after 2026-11-20T03:00:00Z",
            vec![],
            (vec![key, mark], enable, vec![], false),
        ),
        // Another target has it too.
        (NEW, ON, vec![other, mark], (vec![key], None, vec![], false)),
        // Replaced: nobody else has it, or another target, or it was another who protected it.
        (OLD, ON, vec![key, mark], (vec![], disable, vec![key, mark], false)),
        (OLD, ON, vec![key, other, mark], (vec![], None, vec![key], true)),
        (OLD, ON, vec![key], (vec![], None, vec![key], false)),
        (OLD, ON, vec![], (vec![], None, vec![], false)),
        (OLD, OFF, vec!["StackName"], (vec![], None, vec![], false)),
        // An earlier run was cut off: after the tag of the target, after the protection.
        (OLD, ON, vec![mark], (vec![], disable, vec![mark], false)),
        (OLD, OFF, vec![key, mark], (vec![], None, vec![key, mark], false)),
        (OLD, ON, vec![other, mark], (vec![], None, vec![], false)),
    ] {
        let mut expected = expected;
        expected.0.sort_unstable();
        expected.2.sort_unstable();
        let found = change(&image(id, status, &tags), &ours);
        assert_eq!(row(&found), expected, "{id} {status} {tags:?}");
    }
}

#[test]
fn each_image_parameter_has_a_tag_of_its_own_that_people_can_read() {
    let long = format!("/{}", "n".repeat(1_010));
    let of = |scope, parameter: &str| {
        let mut guard = guard(scope);
        guard.images[0].parameter = parameter.to_owned();
        holders(&guard).remove(0)
    };
    let all = [
        of(stack(), "ImageId"),
        of(stack(), "WorkerImageId"),
        of(parameter("/web"), "/web"),
        of(parameter(&long), &long),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other.key != one.key), "{one:?}");
        let added = change(&image(NEW, ON, &[]), std::slice::from_ref(one)).add;
        let [(key, value)] = Vec::from_iter(added).try_into().unwrap();
        assert!(key.len() <= 128 && value.chars().count() <= 256, "{key}: {value}");
    }
    // FNV-1a, like the tags that are on images already: they outlive the function.
    assert_eq!(all[0].key, "driftless:in-place:1610767ac4c7043f");
    let values = change(&image(NEW, ON, &[]), &all[..1]).add;
    assert_eq!(values.into_values().collect::<Vec<_>>(), ["stack web, ImageId"]);
}

/// The image as it is after the change.
fn applied(image: &Image, change: &Change) -> Image {
    let mut tags: BTreeMap<_, _> =
        image.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?))).collect();
    tags.extend(change.add.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    tags.retain(|key, _| !change.remove.contains(*key));
    let status = match change.switch {
        Some(Switch::Enable) => ON,
        Some(Switch::Disable) => OFF,
        None => image.deregistration_protection().unwrap_or_default(),
    };
    let id = image.image_id().unwrap_or_default();
    self::image(id, status, &tags.into_keys().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn a_change_is_made_once(
        id in prop_oneof![Just(OLD), Just(NEW)],
        status in prop_oneof![Just(OFF.to_owned()), Just(ON.to_owned()), text()],
        chosen in proptest::sample::subsequence(vec![0, 1, 2], 0..=3),
    ) {
        let (ours, key, other) = keys();
        let all = [key.as_str(), other.as_str(), MARK.0];
        let tags: Vec<_> = chosen.into_iter().map(|index: usize| all[index]).collect();
        let before = image(id, &status, &tags);
        let after = applied(&before, &change(&before, &ours));
        prop_assert_eq!(change(&after, &ours), Change::default(), "{:?}", before);
        let has = |image: &Image, key| image.tags().iter().any(|tag| tag.key() == Some(key));
        let is_protected = |image: &Image| image.deregistration_protection().is_some_and(|status| status.starts_with("enabled"));
        // In place is protected, and what another enabled or needs stays.
        let must_be = id == NEW || (is_protected(&before) && (has(&before, &other) || !has(&before, MARK.0)));
        prop_assert!(!must_be || is_protected(&after), "{:?}", before);
    }
}
