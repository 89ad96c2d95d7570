//! What makes up a target.

use aws_sdk_ec2::primitives::DateTime;
use contract::target::{Group, Origin, Pattern, Promotion, Run, Selection};

use super::{
    FIRST, SECOND, THIRD, TO_PARAMETER, TO_STACK, TO_STACKS_DB, candidates, image, instance,
    of_instance, settings,
};
use crate::decide::{
    MAX_CANDIDATES, MAX_CANDIDATES_PER_RUN, images_of_named, may_be_tagged_yet, may_inherit,
    promotion, truncate_candidates,
};
use crate::request::{NamedTarget, Trigger};
use tags::{Destination, Image, Instance, Instances};

fn parameter() -> Destination {
    Destination::Parameter("/golden/web".parse().unwrap())
}

fn stack() -> Destination {
    Destination::Stack("web".parse().unwrap())
}

fn group(name: &str) -> Group {
    Group {
        group_name: name.into(),
        stack_name: Some("infra".parse().unwrap()),
        instance_type: Some("t3.small".into()),
    }
}

// --- what makes up a target --------------------------------------------------------------------

fn target_of(
    destination: &Destination,
    images: Vec<Image>,
    instances: &[(&str, Instance)],
) -> Promotion {
    let instances = instances.iter().map(|(id, instance)| ((*id).to_owned(), instance.clone()));
    promotion(&settings(), destination, images, &instances.collect(), Run::default())
}

#[test]
fn candidates_are_newest_first_without_repetition() {
    let images = vec![
        image(SECOND, 2, TO_PARAMETER),
        image(FIRST, 1, TO_PARAMETER),
        image(THIRD, 3, TO_PARAMETER),
        image(SECOND, 2, TO_PARAMETER),
    ];
    let target = target_of(&parameter(), images, &[]);
    assert_eq!(target.target.pattern(), Pattern::Parameter);
    assert_eq!(candidates(&target), [("/golden/web", vec![THIRD, SECOND, FIRST])]);
    assert_eq!(target.run, Run::default());
}

#[test]
fn of_two_images_of_the_same_moment_the_higher_id_comes_first() {
    for order in [[FIRST, SECOND], [SECOND, FIRST]] {
        let images = order.map(|id| image(id, 1, TO_PARAMETER)).to_vec();
        let target = target_of(&parameter(), images, &[]);
        assert_eq!(candidates(&target), [("/golden/web", vec![SECOND, FIRST])]);
    }
}

#[test]
fn what_the_event_says_of_its_image_stays_with_that_image() {
    let hinted = Image { status_message: Some("VSS".into()), ..image(FIRST, 1, TO_PARAMETER) };
    let listed = [image(SECOND, 2, TO_PARAMETER), image(FIRST, 1, TO_PARAMETER)];
    let images = [vec![hinted], listed.to_vec()].concat();
    let mut target = target_of(&parameter(), images, &[]).target;
    let images = target.images_mut().remove(0);
    let messages: Vec<_> = images.candidates.iter().map(|c| c.status_message.as_deref()).collect();
    assert_eq!(messages, [None, Some("VSS")]);
}

#[test]
fn a_stack_has_a_parameter_for_each_key_and_a_malformed_key_blocks_no_other() {
    let images = vec![
        image(FIRST, 1, TO_STACKS_DB),
        image(SECOND, 2, TO_STACK),
        image(THIRD, 3, &[TO_STACK[0], ("ImageIdParameterKey", "no key")]),
    ];
    let target = target_of(&stack(), images, &[]);
    assert_eq!((target.target.pattern(), target.target.name()), (Pattern::Stack, "web"));
    assert_eq!(candidates(&target), [("DbImage", vec![FIRST]), ("ImageId", vec![SECOND])]);
}

#[test]
fn groups_are_those_of_tagged_instances_and_of_the_images_sources() {
    let images = [image(FIRST, 1, TO_STACKS_DB), of_instance(image(SECOND, 2, TO_STACK), "i-src")];
    let mut handmade = instance("", TO_STACK);
    handmade.tags.remove("aws:autoscaling:groupName");
    let mut made_by_api = instance("api-group", TO_STACK);
    made_by_api.tags.remove("aws:cloudformation:stack-name");
    let mut of_another_type = instance("web-group", TO_STACK);
    of_another_type.instance_type = Some("t3.xlarge".into());
    let instances = [
        ("i-db", instance("db-group", TO_STACKS_DB)),
        ("i-web", instance("web-group", TO_STACK)),
        ("i-web2", of_another_type),
        ("i-src", instance("source-group", &[])),
        ("i-stranger", instance("stranger-group", &[("StackName", "another")])),
        ("i-handmade", handmade),
        ("i-api", made_by_api),
    ];
    let target = target_of(&stack(), images.to_vec(), &instances);
    let groups: Vec<_> =
        target.target.images().into_iter().map(|(key, it)| (key, it.groups.clone())).collect();
    let of_no_stack = Group { stack_name: None, ..group("api-group") };
    let of_image_id = vec![of_no_stack, group("source-group"), group("web-group")];
    assert_eq!(groups, [("DbImage", vec![group("db-group")]), ("ImageId", of_image_id)]);
}

#[test]
fn an_origin_is_a_group_no_group_or_the_reason_why_none_is_known() {
    let mut handmade = instance("", &[]);
    handmade.tags.remove("aws:autoscaling:groupName");
    let instances = [("i-web", instance("web-group", &[])), ("i-handmade", handmade)];
    let source = |source: &str| of_instance(image(FIRST, 1, TO_PARAMETER), source);
    let unknown = |reason: &str| Origin::Unknown { reason: reason.into() };
    let (live, handmade) = ("i-web".to_owned(), "i-handmade".to_owned());
    for (image, expected) in [
        (source("i-web"), Origin::Group { instance_id: live, group: group("web-group") }),
        (source("i-handmade"), Origin::NoGroup { instance_id: handmade }),
        (source("i-gone"), unknown("instance i-gone is gone")),
        (image(FIRST, 1, TO_PARAMETER), unknown("EC2 reports no source instance")),
    ] {
        let mut target = target_of(&parameter(), vec![image], &instances).target;
        assert_eq!(target.images_mut().remove(0).candidates.remove(0).origin, expected);
    }
}

#[test]
fn a_target_is_what_its_run_says_and_a_tag_too_asks_for_a_refresh() {
    let run = Run::default();
    let tagged = |value| [TO_PARAMETER[0], ("InstanceRefresh", value)].to_vec();
    for (run, tagged, refresh) in [
        (run, TO_PARAMETER.to_vec(), false),
        (run, tagged("true"), true),
        (run, tagged("True"), true),
        (run, tagged("false"), false),
        (Run { instance_refresh: true, ..run }, TO_PARAMETER.to_vec(), true),
        (Run { instance_refresh: true, ..run }, tagged("false"), true),
        (Run { selection: Selection::AllowOlder, ..run }, tagged("true"), true),
        (Run { selection: Selection::Rollback, ..run }, TO_PARAMETER.to_vec(), false),
        (Run { dry_run: true, ..run }, TO_PARAMETER.to_vec(), false),
    ] {
        let images = vec![image(FIRST, 1, &tagged)];
        let promotion = promotion(&settings(), &parameter(), images, &Instances::new(), run);
        assert_eq!(promotion.run, Run { instance_refresh: refresh, ..run }, "{tagged:?}");
    }
}

#[test]
fn only_the_newest_few_travel_on_and_fewer_when_they_are_of_many_targets() {
    let nights = || (1..=28).map(|n| image(&format!("ami-{n:017}"), n, TO_PARAMETER)).collect();
    let rollback = Run { selection: Selection::Rollback, ..Run::default() };
    for (targets, run, expected) in [
        (1, Run::default(), MAX_CANDIDATES),
        (100, Run::default(), MAX_CANDIDATES_PER_RUN / 100),
        (MAX_CANDIDATES_PER_RUN + 1, Run::default(), 1),
        (1, rollback, 28),
        (20, rollback, MAX_CANDIDATES_PER_RUN / 20),
    ] {
        let one = promotion(&settings(), &parameter(), nights(), &Instances::new(), run);
        let mut promotions = vec![one; targets];
        truncate_candidates(&mut promotions);
        for promotion in &promotions {
            let kept = &promotion.target.images()[0].1.candidates;
            assert_eq!(kept.len(), expected, "{run:?}");
            assert_eq!(kept[0].image_id.as_str(), "ami-00000000000000028");
        }
    }
}

// --- what an input names -----------------------------------------------------------------------

fn named(destination: Destination, only: Option<&str>) -> NamedTarget {
    let only = only.map(|key| key.parse().unwrap());
    NamedTarget { field: "target", destination, only, groups: None }
}

#[test]
fn a_named_target_has_all_images_of_its_destination_or_those_of_one_key() {
    let images = || {
        vec![
            image(FIRST, 1, TO_STACKS_DB),
            image(SECOND, 2, TO_STACK),
            image(THIRD, 3, &[TO_STACK[0], ("ImageIdParameterKey", "no key")]),
        ]
    };
    for (only, expected) in [
        (None, Ok(vec![FIRST, SECOND])),
        (Some("DbImage"), Ok(vec![FIRST])),
        (Some("ImageId"), Ok(vec![SECOND])),
        (
            Some("AppImage"),
            Err(
                "target.parameterKey: expected a value of the tag ImageIdParameterKey on an image of web, found \"AppImage\"",
            ),
        ),
    ] {
        let named = named(stack(), only);
        let found = images_of_named(&settings(), &named, images(), &Instances::new());
        let found = found.as_ref().map_err(ToString::to_string);
        let ids =
            found.map(|images| images.iter().map(|i| i.image_id.as_str()).collect::<Vec<_>>());
        assert_eq!(ids, expected.map_err(str::to_owned));
    }
}

#[test]
fn a_name_that_no_image_bears_is_invalid_input_and_says_which_instance_does() {
    let nobody = Instances::new();
    let tagged = Instances::from([("i-web".to_owned(), instance("web-group", TO_STACK))]);
    for (destination, instances, expected) in [
        (
            parameter(),
            &nobody,
            "target.parameterName: expected a value of the tag ImageIdParameterName on an image, found \"/golden/web\"",
        ),
        (
            stack(),
            &nobody,
            "target.stackName: expected a value of the tag StackName on an image, found \"web\"",
        ),
        (
            stack(),
            &tagged,
            "target.stackName: expected a value of the tag StackName on an image, found \"web\", which only instance i-web names",
        ),
    ] {
        let error = images_of_named(&settings(), &named(destination, None), vec![], instances);
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}

// --- what names an image -----------------------------------------------------------------------

#[test]
fn only_an_image_that_became_available_a_moment_ago_may_be_tagged_yet() {
    let at = |secs: i64| DateTime::from_secs(1_795_143_600 + secs);
    let available = Trigger::Available { time: at(0) };
    let backup = Trigger::Backup { instance_id: None, status_message: None };
    for (trigger, now, expected) in [
        (&available, at(0), true),
        (&available, at(899), true),
        (&available, at(900), false),
        (&backup, at(0), false),
        (&Trigger::Manual(Run::default()), at(0), false),
    ] {
        assert_eq!(may_be_tagged_yet(trigger, now), expected, "{trigger:?}");
    }
}

#[test]
fn an_image_that_a_person_made_without_tags_inherits_none_from_an_event() {
    let by_hand = image(FIRST, 1, &[]);
    let backup = Image { is_backup: true, ..by_hand.clone() };
    let available = Trigger::Available { time: DateTime::from_secs(0) };
    assert!(may_inherit(&backup, &available) && !may_inherit(&by_hand, &available));
    assert!(may_inherit(&by_hand, &Trigger::Manual(Run::default())));
}
