//! resolve-tags: the forms of input, where tags lead, and how images and groups make up a target.

mod handler;

use contract::event::ManualRun;
use contract::target::{Candidate, Destination, Group, Pattern, Target};
use serde_json::{Value, json};

use crate::decide::{
    Image, Instance, MOST_CANDIDATES, Request, Tags, destinations, request, selecting_tag, target,
};

const FIRST: &str = "ami-00000000000000001";
const SECOND: &str = "ami-00000000000000002";
const THIRD: &str = "ami-00000000000000003";

const TO_PARAMETER: &[(&str, &str)] = &[("ImageIdParameterName", "/golden/web")];
const TO_STACK: &[(&str, &str)] = &[("StackName", "web")];

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An image of that night of November.
fn image(id: &str, night: u8, tagged: &[(&str, &str)]) -> Image {
    let candidate = Candidate {
        image_id: id.parse().unwrap(),
        creation_date: format!("2026-11-{night:02}T03:00:00.000Z"),
        source_instance_id: None,
    };
    Image { candidate, tags: tags(tagged) }
}

fn of_instance(mut image: Image, instance: &str) -> Image {
    image.candidate.source_instance_id = Some(instance.into());
    image
}

/// A live instance of group `group`, which stack `infra` made.
fn instance(id: &str, group: &str, tagged: &[(&str, &str)]) -> Instance {
    let mut tags = tags(tagged);
    tags.insert("aws:autoscaling:groupName".into(), group.into());
    tags.insert("aws:cloudformation:stack-name".into(), "infra".into());
    Instance { instance_id: id.into(), tags }
}

fn backup(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "version": "0",
        "detail-type": "Backup Job State Change",
        "source": "aws.backup",
        "resources": [format!("arn:aws:ec2:eu-west-1::image/{FIRST}")],
        "detail": {"state": "COMPLETED", "resourceType": "EC2", "percentDone": 100},
    });
    change(&mut event);
    event
}

#[track_caller]
fn refused(input: Value, expected: &str) {
    let message = request(input).unwrap_err().to_string();
    assert!(message.starts_with(expected), "{message}");
}

// --- the forms of input ------------------------------------------------------------------------

#[test]
fn a_completed_backup_of_an_instance_hints_at_its_image() {
    let hint = Request::Hint(FIRST.parse().unwrap());
    assert_eq!(request(backup(|_| ())), Ok(hint.clone()));
    let behind_another = backup(|event| {
        event["resources"] =
            json!(["arn:aws:backup:eu-west-1:1:recovery-point:x", event["resources"][0]]);
    });
    assert_eq!(request(behind_another), Ok(hint));
}

#[test]
fn a_manual_run_pins_its_image() {
    let run = |allow_older, instance_refresh| {
        let image_id = FIRST.parse().unwrap();
        Ok(Request::Pinned(ManualRun { image_id, allow_older, instance_refresh }))
    };
    assert_eq!(request(json!({"imageId": FIRST})), run(false, false));
    let all = json!({"imageId": FIRST, "allowOlder": true, "instanceRefresh": true});
    assert_eq!(request(all), run(true, true));
}

#[test]
fn events_that_mean_nothing_are_skipped_with_the_reason() {
    let of_volume = backup(|event| event["detail"]["resourceType"] = json!("EBS"));
    let running = backup(|event| {
        event["detail"]["state"] = json!("RUNNING");
        event["resources"] = json!([]);
    });
    // The documented CREATED event has hardly any field.
    let created = backup(|event| {
        event["detail"] = json!({"state": "CREATED"});
        event["resources"] = json!([]);
    });
    let copy = backup(|event| event["detail-type"] = json!("Copy Job State Change"));
    for (input, reason) in [
        (of_volume, "the backup is of EBS, not of EC2"),
        (running, "the backup job is RUNNING, not COMPLETED"),
        (created, "the backup job is CREATED, not COMPLETED"),
        (copy, "\"Copy Job State Change\" is not acted on, only \"Backup Job State Change\" is"),
    ] {
        assert_eq!(request(input), Ok(Request::Skip(reason.into())));
    }
}

#[test]
fn any_other_input_is_refused_with_the_field() {
    for (input, expected) in [
        (json!("ami"), "$: expected AWS Backup's event or {\"imageId\": \"ami-…\"}, found \"ami\""),
        (json!([]), "$: expected AWS Backup's event"),
        (json!({}), "imageId: expected the id of an image to promote"),
        (
            json!({"image": FIRST, "x": 1}),
            "imageId: expected the id of an image to promote, or AWS Backup's event; found image, x",
        ),
        (json!({"imageId": "i-1"}), "imageId: expected an image id"),
        (json!({"imageId": FIRST, "allowOlder": 1}), "allowOlder: invalid type"),
        (json!({"imageId": FIRST, "alowOlder": true}), "alowOlder: unknown field"),
        (
            backup(|event| event["source"] = json!("my.app")),
            "source: expected \"aws.backup\", found \"my.app\"",
        ),
        (backup(|event| event["detail"]["state"] = json!(7)), "detail.state: invalid type"),
        (backup(|event| event["resources"] = json!([])), "resources: expected the ARN of an image"),
        (
            backup(|event| event["resources"] = json!(["x", "arn:aws:ec2:eu-west-1::image/ami-x"])),
            "resources[1]: expected an image id",
        ),
    ] {
        refused(input, expected);
    }
}

// --- where tags lead ---------------------------------------------------------------------------

#[test]
fn tags_send_an_image_to_a_parameter_to_a_stack_to_both_or_nowhere() {
    let parameter = || Destination::Parameter("/golden/web".parse().unwrap());
    let stack = |key: &str| Destination::Stack("web".parse().unwrap(), key.parse().unwrap());
    for (tagged, expected) in [
        (vec![("Name", "web")], vec![]),
        (TO_PARAMETER.to_vec(), vec![parameter()]),
        (TO_STACK.to_vec(), vec![stack("ImageId")]),
        (vec![("StackName", "web"), ("ImageIdParameterKey", "WebImage")], vec![stack("WebImage")]),
        ([TO_PARAMETER, TO_STACK].concat(), vec![parameter(), stack("ImageId")]),
        // A key says nothing without a stack.
        (vec![("ImageIdParameterKey", "no key")], vec![]),
    ] {
        assert_eq!(destinations(&tags(&tagged)), Ok(expected), "{tagged:?}");
    }
}

#[test]
fn a_tag_that_cannot_be_a_name_is_invalid_input() {
    for (tagged, field) in [
        (vec![("ImageIdParameterName", "")], "tags.ImageIdParameterName"),
        (vec![("ImageIdParameterName", "/a*")], "tags.ImageIdParameterName"),
        (vec![("StackName", "1-web")], "tags.StackName"),
        (vec![("StackName", "web"), ("ImageIdParameterKey", "a-b")], "tags.ImageIdParameterKey"),
    ] {
        let message = destinations(&tags(&tagged)).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{field}: expected the name of")), "{message}");
    }
}

// --- what makes up a target --------------------------------------------------------------------

fn only_destination(tagged: &[(&str, &str)]) -> Destination {
    destinations(&tags(tagged)).unwrap().remove(0)
}

fn target_of(tagged: &[(&str, &str)], images: Vec<Image>, instances: &[Instance]) -> Target {
    target(&only_destination(tagged), images, instances, None)
}

/// Each parameter with its candidates.
fn candidates(target: &Target) -> Vec<(&str, Vec<&str>)> {
    target
        .parameters
        .iter()
        .map(|p| (p.parameter.as_str(), p.candidates.iter().map(|c| c.image_id.as_str()).collect()))
        .collect()
}

#[test]
fn candidates_are_newest_first_without_repetition() {
    let images = vec![
        image(SECOND, 2, TO_PARAMETER),
        image(FIRST, 1, TO_PARAMETER),
        image(THIRD, 3, TO_PARAMETER),
        image(SECOND, 2, TO_PARAMETER),
    ];
    let target = target_of(TO_PARAMETER, images, &[]);
    assert_eq!((target.pattern, target.name.as_str()), (Pattern::Parameter, "/golden/web"));
    assert_eq!(candidates(&target), [("/golden/web", vec![THIRD, SECOND, FIRST])]);
    assert!(!target.allow_older && !target.instance_refresh);
}

#[test]
fn of_two_images_of_the_same_moment_the_higher_id_comes_first() {
    for order in [[FIRST, SECOND], [SECOND, FIRST]] {
        let images = order.map(|id| image(id, 1, TO_PARAMETER)).to_vec();
        let target = target_of(TO_PARAMETER, images, &[]);
        assert_eq!(candidates(&target), [("/golden/web", vec![SECOND, FIRST])]);
    }
}

#[test]
fn only_the_newest_few_travel_on() {
    let nights = 1..=9;
    let images = nights.map(|n| image(&format!("ami-{n:017}"), n, TO_PARAMETER)).collect();
    let parameter = target_of(TO_PARAMETER, images, &[]).parameters.remove(0);
    assert_eq!(parameter.candidates.len(), MOST_CANDIDATES);
    assert_eq!(parameter.candidates[0].image_id.as_str(), "ami-00000000000000009");
}

#[test]
fn a_stack_has_a_parameter_for_each_key_and_a_malformed_key_blocks_no_other() {
    let keyed = |key| [TO_STACK[0], ("ImageIdParameterKey", key)];
    let images = vec![
        image(FIRST, 1, &keyed("DbImage")),
        image(SECOND, 2, TO_STACK),
        image(THIRD, 3, &keyed("no key")),
    ];
    let target = target_of(TO_STACK, images, &[]);
    assert_eq!((target.pattern, target.name.as_str()), (Pattern::Stack, "web"));
    assert_eq!(candidates(&target), [("DbImage", vec![FIRST]), ("ImageId", vec![SECOND])]);
}

#[test]
fn groups_are_those_of_tagged_instances_and_of_the_images_sources() {
    let keyed = [TO_STACK[0], ("ImageIdParameterKey", "DbImage")];
    let images = vec![image(FIRST, 1, &keyed), of_instance(image(SECOND, 2, TO_STACK), "i-source")];
    let mut handmade = instance("i-handmade", "", TO_STACK);
    handmade.tags.remove("aws:autoscaling:groupName");
    let mut made_by_api = instance("i-api", "api-group", TO_STACK);
    made_by_api.tags.remove("aws:cloudformation:stack-name");
    let instances = [
        instance("i-db", "db-group", &keyed),
        instance("i-web", "web-group", TO_STACK),
        instance("i-web2", "web-group", TO_STACK),
        instance("i-source", "source-group", &[]),
        instance("i-stranger", "stranger-group", &[("StackName", "another")]),
        handmade,
        made_by_api,
    ];
    let target = target_of(TO_STACK, images, &instances);
    let group = |name: &str| Group {
        group_name: name.into(),
        stack_name: (name != "api-group").then(|| "infra".parse().unwrap()),
    };
    let groups: Vec<_> =
        target.parameters.iter().map(|p| (p.parameter.as_str(), p.groups.clone())).collect();
    let of_image_id = ["api-group", "source-group", "web-group"].map(group).to_vec();
    assert_eq!(groups, [("DbImage", vec![group("db-group")]), ("ImageId", of_image_id)]);
}

#[test]
fn a_run_and_the_images_tag_ask_for_a_refresh_and_only_a_run_allows_older() {
    let run = |allow_older, instance_refresh| {
        Some(ManualRun { image_id: FIRST.parse().unwrap(), allow_older, instance_refresh })
    };
    let tagged = |value| [TO_PARAMETER[0], ("InstanceRefresh", value)];
    for (run, tagged, expected) in [
        (None, TO_PARAMETER.to_vec(), (false, false)),
        (None, tagged("true").to_vec(), (false, true)),
        (None, tagged("True").to_vec(), (false, true)),
        (None, tagged("false").to_vec(), (false, false)),
        (run(false, false), tagged("true").to_vec(), (false, true)),
        (run(true, false), TO_PARAMETER.to_vec(), (true, false)),
        (run(false, true), TO_PARAMETER.to_vec(), (false, true)),
    ] {
        let images = vec![image(FIRST, 1, &tagged)];
        let target = target(&only_destination(TO_PARAMETER), images, &[], run.as_ref());
        assert_eq!((target.allow_older, target.instance_refresh), expected, "{tagged:?} {run:?}");
    }
}

#[test]
fn the_tag_that_selects_is_the_one_that_names_the_destination() {
    for tagged in [TO_PARAMETER, TO_STACK] {
        assert_eq!(selecting_tag(&only_destination(tagged)), tagged[0]);
    }
}
