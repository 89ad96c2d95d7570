//! Fuzzes the tags of images and instances: they name targets, or are refused with `InvalidInput` and a
//! short message; the candidates and groups of each target are in order and bounded.
#![no_main]

// As in the target `request`: the modules instead of their crate, because of EC2's SDK.
#[allow(dead_code)]
#[path = "../../src/decide.rs"]
mod decide;
#[allow(dead_code)]
#[path = "../../src/request.rs"]
mod request;

use contract::ids::ImageId;
use contract::target::{Promotion, Run, Selection};
use contract::{ErrorName, Named};
use libfuzzer_sys::fuzz_target;
use step::InvalidInput;

use crate::decide::{
    Destination, Image, Instance, Instances, MAX_CANDIDATES, Tags, destinations,
    images_of_rollback, promotion, truncate_candidates,
};
use crate::request::Rollback;

/// The tags that Driftless reads, and one that it ignores.
const NAMES: [&str; 7] = [
    "ImageIdParameterName",
    "StackName",
    "ImageIdParameterKey",
    "InstanceRefresh",
    "aws:autoscaling:groupName",
    "aws:cloudformation:stack-name",
    "Name",
];

/// Names by index, with values.
type AnyTags = Vec<(u8, String)>;
/// A number for the ID, a date, the number of the source instance, tags.
type AnyImage = (u8, String, Option<u8>, AnyTags);
/// A number for the ID, tags.
type AnyInstance = (u8, AnyTags);

fn tags(tags: AnyTags) -> Tags {
    let name = |index: u8| NAMES[usize::from(index) % NAMES.len()].to_owned();
    tags.into_iter().map(|(index, value)| (name(index), value)).collect()
}

fn image((number, creation_date, source, any): AnyImage) -> Option<Image> {
    Some(Image {
        image_id: format!("ami-{number:08x}").parse().ok()?,
        creation_date,
        source_instance_id: source.map(|number| format!("i-{number}")),
        status_message: None,
        tags: tags(any),
    })
}

fn instance((number, any): AnyInstance) -> (String, Instance) {
    (format!("i-{number}"), Instance { instance_type: None, tags: tags(any) })
}

fn check_refusal(error: &InvalidInput) {
    assert_eq!(error.name(), ErrorName::InvalidInput);
    assert!(error.to_string().chars().count() < 1_000, "{error}");
}

fn check_promotion(made: &Promotion, destination: &Destination, images: &[Image], run: Run) {
    assert_eq!(made.target.name(), destination.tag().1);
    assert_eq!((made.run.dry_run, made.run.selection), (run.dry_run, run.selection));
    assert!(made.target.images().is_sorted_by(|a, b| a.0 < b.0));
    let ids: Vec<&ImageId> = images.iter().map(|image| &image.image_id).collect();
    for (_, parameter) in made.target.images() {
        let ages = parameter.candidates.iter().map(|c| (&c.creation_date, &c.image_id));
        assert!(ages.is_sorted_by(|newer, older| newer >= older));
        let is_rollback = run.selection == Selection::Rollback;
        assert!(is_rollback || parameter.candidates.len() <= MAX_CANDIDATES);
        assert!(parameter.candidates.iter().all(|candidate| ids.contains(&&candidate.image_id)));
        assert!(parameter.groups.is_sorted_by(|a, b| a.group_name < b.group_name));
    }
}

fuzz_target!(|input: (u8, [bool; 2], Vec<AnyImage>, Vec<AnyInstance>)| {
    let (selection, [dry_run, instance_refresh], images, instances) = input;
    let selection = match selection % 3 {
        0 => Selection::Newest,
        1 => Selection::AllowOlder,
        _ => Selection::Rollback,
    };
    let run = Run { selection, dry_run, instance_refresh };
    let images: Vec<Image> = images.into_iter().filter_map(image).collect();
    let instances: Instances = instances.into_iter().map(instance).collect();
    let mut promotions = Vec::new();
    for one in &images {
        match destinations(&one.tags) {
            Ok(found) => {
                for destination in found {
                    let (tag, value) = destination.tag();
                    assert_eq!(one.tags.get(tag).map(String::as_str), Some(value));
                    let made = promotion(&destination, images.clone(), &instances, run);
                    promotions.push((destination, made));
                }
            }
            Err(error) => check_refusal(&error),
        }
    }
    for (destination, made) in promotions {
        let mut alone = [made];
        truncate_candidates(&mut alone);
        check_promotion(&alone[0], &destination, &images, run);
        match images_of_rollback(&Rollback { destination, only: None }, images.clone()) {
            Ok(chosen) => assert!(!chosen.is_empty()),
            Err(error) => check_refusal(&error),
        }
    }
});
