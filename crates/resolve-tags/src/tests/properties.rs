//! What holds for any input and any tags: an answer or a named error, neither of them long, and
//! targets whose candidates are newest first.

use contract::{ErrorName, Named};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::arbitrary::{corrupted, json, json_paths, text};

use super::{FIRST, backup, image, instance, settings};
use crate::decide::{MAX_CANDIDATES, images_of_named, promotion, truncate_candidates};
use crate::request::{NamedTarget, Request, Trigger, request};
use contract::target::{Run, Selection};
use tags::{Destination, Image, Instances, Tags};

/// The most characters of a message, of one that is skipped too.
const MAX_MESSAGE_CHARS: usize = 1_000;

/// One input of each form.
fn inputs() -> Vec<Value> {
    vec![
        backup(|event| event["detail"]["statusMessage"] = "VSS".into()),
        json!({"imageId": FIRST, "allowOlder": true, "instanceRefresh": true, "dryRun": true}),
        json!({"target": {"parameterName": "/golden/web"}, "instanceRefresh": true}),
        json!({"target": {"stackName": "web", "parameterKey": "ImageId"}, "allowOlder": true}),
        json!({"rollback": {"parameterName": "/golden/web"}, "instanceRefresh": true}),
        json!({"rollback": {"stackName": "web", "parameterKey": "ImageId"}, "dryRun": true}),
        json!({"target": {"parameterName": "/golden/web"}, "verify": false, "groups": ["web"]}),
    ]
}

/// The request, or `None` when it is refused correctly.
fn requested(input: Value) -> Option<Request> {
    let request = request(input);
    let said = match &request {
        Ok(Request::Skip(reason)) => reason.clone(),
        Ok(Request::Image(_, Trigger::Backup { status_message, .. })) => {
            status_message.clone().unwrap_or_default()
        }
        Ok(_) => String::new(),
        Err(error) => {
            assert_eq!(error.name(), ErrorName::InvalidInput);
            error.to_string()
        }
    };
    assert!(said.chars().count() <= MAX_MESSAGE_CHARS + 100, "{said}");
    request.ok()
}

#[test]
fn a_value_of_another_type_is_refused_with_its_path() {
    // AWS's event has more than is read.
    let is_read = |path: &str| !["version", "detail.percentDone"].contains(&path);
    for input in inputs() {
        assert!(requested(input.clone()).is_some(), "{input}");
        for (pointer, path) in json_paths(&input).into_iter().filter(|(_, path)| is_read(path)) {
            let mut corrupted = input.clone();
            let place = corrupted.pointer_mut(&pointer).unwrap();
            *place = if place.is_string() { json!({"a": 7}) } else { json!("seven") };
            let message = request(corrupted).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{path}: ")), "{path}: {message}");
        }
    }
}

/// Tags that mean something, with any values.
fn tags() -> impl Strategy<Value = Tags> {
    let name = prop_oneof![
        Just("ImageIdParameterName".to_owned()),
        Just("StackName".to_owned()),
        Just("ImageIdParameterKey".to_owned()),
        Just("InstanceRefresh".to_owned()),
        text(),
    ];
    let value = prop_oneof![
        text(),
        Just("/golden/web".to_owned()),
        Just(" /golden/web ".to_owned()),
        Just("arn:aws:ssm:eu-west-1:111122223333:parameter/golden/web".to_owned()),
        Just("arn:aws:cloudformation:eu-west-1:111122223333:stack/web/1a-2b".to_owned()),
        Just("web".to_owned()),
        Just("DbImage".to_owned()),
        Just("true".to_owned()),
    ];
    btree_map(name, value, 0..5)
}

fn images() -> impl Strategy<Value = Vec<Image>> {
    let source = proptest::option::of(prop_oneof![Just("i-1".to_owned()), text()]);
    let one = (0..40_u32, 1..30_u8, tags(), source).prop_map(|(number, night, tags, source)| {
        let image = image(&format!("ami-{number:017x}"), night, &[]);
        Image { tags, source_instance_id: source, ..image }
    });
    vec(one, 0..30)
}

/// A run's flags; those of a rollback or not.
fn run() -> impl Strategy<Value = Run> {
    let selections = vec![Selection::Newest, Selection::AllowOlder, Selection::Rollback];
    let selection = proptest::sample::select(selections);
    (selection, any::<[bool; 3]>()).prop_map(|(selection, [dry_run, instance_refresh, verify])| {
        Run { selection, dry_run, instance_refresh, verify }
    })
}

proptest! {
    #[test]
    fn any_json_is_a_request_or_refused(input in json()) {
        requested(input);
    }

    #[test]
    fn one_wrong_value_is_a_request_or_refused(
        input in proptest::sample::select(inputs()).prop_flat_map(|input| corrupted(&input))
    ) {
        requested(input);
    }

    #[test]
    fn a_run_does_no_more_than_it_says(
        input in proptest::sample::select(inputs()).prop_flat_map(|input| corrupted(&input))
    ) {
        let says = |field: &str| input[field] == json!(true);
        let (older, dry, refresh) = (says("allowOlder"), says("dryRun"), says("instanceRefresh"));
        let back = input.get("rollback").is_some();
        if let Some(Request::Image(_, Trigger::Manual(run)) | Request::Named(_, run)) =
            requested(input)
        {
            prop_assert_eq!((run.dry_run, run.instance_refresh), (dry, refresh));
            let expected = match (back, older) {
                (true, _) => Selection::Rollback,
                (false, true) => Selection::AllowOlder,
                (false, false) => Selection::Newest,
            };
            prop_assert_eq!(run.selection, expected);
        }
    }

    #[test]
    fn a_backup_of_any_partition_names_its_image(
        partition in "aws(-cn|-us-gov|-iso|-iso-b|-iso-e|-iso-f|-eusc)?",
        region in "[a-z]{2}(-[a-z]{2,4})?-[a-z]{4,9}-[0-9]",
        others in vec(testkit::arbitrary::arn(), 0..3),
    ) {
        let mut resources = others;
        resources.retain(|arn| !arn.contains(":image/"));
        resources.push(format!("arn:{partition}:ec2:{region}::image/{FIRST}"));
        let input = backup(|event| event["resources"] = json!(resources));
        let trigger = Trigger::Backup { instance_id: None, status_message: None };
        let hint = Request::Image(FIRST.parse().unwrap(), trigger);
        prop_assert_eq!(request(input), Ok(hint));
    }

    #[test]
    fn any_tags_lead_somewhere_or_are_refused(tags in tags()) {
        let settings = settings();
        match settings.leads(&tags) {
            Ok(leads) => {
                for destination in &leads.destinations {
                    let value = tags.get(settings.tag_of(destination)).unwrap();
                    prop_assert!(value.contains(destination.name().trim_start_matches('/')));
                    prop_assert!(settings.names(&tags, destination));
                    prop_assert_eq!(settings.forbids(destination), None);
                }
                for reason in &leads.foreign {
                    prop_assert!(reason.chars().count() <= MAX_MESSAGE_CHARS);
                }
            }
            Err(error) => {
                prop_assert_eq!(error.name(), ErrorName::InvalidInput);
                prop_assert!(error.to_string().chars().count() <= MAX_MESSAGE_CHARS);
            }
        }
    }

    #[test]
    fn a_targets_candidates_are_newest_first_and_each_once(
        images in images(), run in run(), group in tags(), to_stack in any::<bool>()
    ) {
        let destination = if to_stack {
            Destination::Stack("web".parse().unwrap())
        } else {
            Destination::Parameter("/golden/web".parse().unwrap())
        };
        let mut instance = instance("group", &[]);
        instance.tags.extend(group);
        let instances = [("i-1".to_owned(), instance)].into();
        let mut promotions = [promotion(&settings(), &destination, images.clone(), &instances, run)];
        truncate_candidates(&mut promotions);
        let [promotion] = promotions;
        let is_rollback = run.selection == Selection::Rollback;
        prop_assert_eq!(promotion.run.selection, run.selection);
        prop_assert_eq!(promotion.run.dry_run, run.dry_run);
        for (_, parameter) in promotion.target.images() {
            let ages = parameter.candidates.iter().map(|c| (&c.creation_date, &c.image_id));
            prop_assert!(ages.is_sorted_by(|newer, older| newer.0 >= older.0 && newer != older));
            prop_assert!(is_rollback || parameter.candidates.len() <= MAX_CANDIDATES);
            for candidate in &parameter.candidates {
                prop_assert!(images.iter().any(|image| image.image_id == candidate.image_id));
            }
        }
    }

    #[test]
    fn a_tag_that_is_none_of_ours_is_not_told(images in images(), secret in "hush-[a-z]{9}") {
        let mut images = images;
        let mut instance = instance("group", &[("Password", secret.as_str())]);
        for image in &mut images {
            image.tags.insert("Password".to_owned(), secret.clone());
            instance.tags.extend(image.tags.clone());
            let refusal = settings().leads(&image.tags).err().map(|error| error.to_string());
            prop_assert!(refusal.is_none_or(|refusal| !refusal.contains(&secret)));
        }
        let instances = [("i-1".to_owned(), instance)].into();
        let destination = Destination::Stack("web".parse().unwrap());
        let promotion = promotion(&settings(), &destination, images, &instances, Run::default());
        let told = format!("{promotion:?}");
        prop_assert!(!told.contains(&secret), "{}", told);
    }

    #[test]
    fn a_named_target_chooses_among_images_of_its_own(images in images(), with_key in any::<bool>()) {
        let only = with_key.then(|| "DbImage".parse().unwrap());
        let destination = Destination::Stack("web".parse().unwrap());
        let named = NamedTarget { field: "rollback", destination, only, groups: None };
        match images_of_named(&settings(), &named, images.clone(), &Instances::new()) {
            Ok(chosen) => prop_assert!(
                !chosen.is_empty() && chosen.iter().all(|image| images.contains(image))
            ),
            Err(error) => prop_assert_eq!(error.name(), ErrorName::InvalidInput),
        }
    }
}
