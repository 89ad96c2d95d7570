//! Any tags of images and instances: where they lead, or refused by name and in few words; and what
//! makes up the targets.
#![no_main]

// As in the other target: the modules instead of their crate, because of EC2's SDK.
#[allow(dead_code)]
#[path = "../../src/decide.rs"]
mod decide;
#[allow(dead_code)]
#[path = "../../src/request.rs"]
mod request;

use contract::ids::ImageId;
use contract::target::Target;
use contract::{ErrorName, Named};
use libfuzzer_sys::fuzz_target;
use step::InvalidInput;

use crate::decide::{
    Destination, Image, Instance, Instances, MOST_CANDIDATES, Tags, destinations,
    images_of_rollback, keep_newest, target,
};
use crate::request::{Rollback, Run};

/// The tags that mean something, and one that does not.
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
/// A number for the id, a date, the number of the source, tags.
type AnyImage = (u8, String, Option<u8>, AnyTags);
/// A number for the id, tags.
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

fn is_refused_well(error: &InvalidInput) {
    assert_eq!(error.name(), ErrorName::InvalidInput);
    assert!(error.to_string().chars().count() < 1_000, "{error}");
}

fn is_made_up_well(made: &Promotion, destination: &Destination, images: &[Image], run: Run) {
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

fuzz_target!(|input: ([bool; 4], Vec<AnyImage>, Vec<AnyInstance>)| {
    let ([allow_older, rollback, dry_run, instance_refresh], images, instances) = input;
    let run = Run { allow_older, rollback, dry_run, instance_refresh };
    let images: Vec<Image> = images.into_iter().filter_map(image).collect();
    let instances: Instances = instances.into_iter().map(instance).collect();
    let mut targets = Vec::new();
    for one in &images {
        match destinations(&one.tags) {
            Ok(found) => {
                for destination in found {
                    let (tag, value) = destination.tag();
                    assert_eq!(one.tags.get(tag).map(String::as_str), Some(value));
                    let target = target(&destination, images.clone(), &instances, run);
                    targets.push((destination, target));
                }
            }
            Err(error) => is_refused_well(&error),
        }
    }
    for (destination, target) in targets {
        let mut alone = [target];
        keep_newest(&mut alone);
        is_made_up_well(&alone[0], &destination, &images, run);
        match images_of_rollback(&Rollback { destination, only: None }, images.clone()) {
            Ok(chosen) => assert!(!chosen.is_empty()),
            Err(error) => is_refused_well(&error),
        }
    }
});
