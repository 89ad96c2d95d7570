//! The decisions of resolve-tags, without I/O: the images and groups of a target.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::primitives::DateTime;
use contract::bounds::TAGS_MAY_COME_SECONDS;
use contract::ids::ParameterKey;
use contract::target::{
    Candidate, Group, ImageParameter, Images, Origin, Promotion, Run, Selection, Target,
};
use step::InvalidInput;
use tags::{Destination, Image, Instance, Instances, Settings};

use crate::request::{NamedTarget, Trigger};

/// The maximum number of candidates per parameter: enough to skip a few bad nights.
pub(crate) const MAX_CANDIDATES: usize = 5;
/// The maximum number of candidates of all parameters together: about half of the data that Step
/// Functions passes from one state to the next (256 KiB).
pub(crate) const MAX_CANDIDATES_PER_RUN: usize = 300;

/// The tag with an instance's group (only Auto Scaling can set it).
const TAG_GROUP: &str = "aws:autoscaling:groupName";
/// The tag with the stack of an instance's group (CloudFormation sets it).
const TAG_STACK: &str = "aws:cloudformation:stack-name";

// --- what names an image -----------------------------------------------------------------------

/// The image with what its trigger knows of it.
#[must_use]
pub(crate) fn as_triggered(image: Image, trigger: &Trigger) -> Image {
    let Trigger::Backup { instance_id, status_message } = trigger else { return image };
    let source_instance_id = image.source_instance_id.or_else(|| instance_id.clone());
    Image { source_instance_id, status_message: status_message.clone(), ..image }
}

/// Whether an image without tags may belong where its instance belongs. One that somebody has made
/// without tags is meant to have none, unless a person names it.
#[must_use]
pub(crate) fn may_inherit(image: &Image, trigger: &Trigger) -> bool {
    match trigger {
        Trigger::Backup { .. } | Trigger::Manual(_) => true,
        Trigger::Available { .. } => image.is_backup,
    }
}

/// Whether an image without tags may still get some.
#[must_use]
pub(crate) fn may_be_tagged_yet(trigger: &Trigger, now: DateTime) -> bool {
    match trigger {
        Trigger::Available { time } => now.secs() < time.secs() + i64::from(TAGS_MAY_COME_SECONDS),
        Trigger::Backup { .. } | Trigger::Manual(_) => false,
    }
}

// --- what makes up a target --------------------------------------------------------------------

/// The target of a destination, from the images that carry its tag and the live instances.
///
/// A stack's images are grouped by their `ImageIdParameterKey`, so one target holds all its
/// parameters. An image or instance whose key is malformed is left out: it must not block the
/// others.
#[must_use]
pub(crate) fn promotion(
    settings: &Settings,
    destination: &Destination,
    images: Vec<Image>,
    instances: &Instances,
    run: Run,
) -> Promotion {
    let refresh_tagged = images.iter().any(|image| settings.ask_for_refresh(&image.tags));
    let mut by_parameter = BTreeMap::<ParameterKey, Vec<Image>>::new();
    for image in images {
        if let Some(parameter) = settings.key_at(destination, &image.tags) {
            by_parameter.entry(parameter).or_default().push(image);
        }
    }
    let images = |key: &ParameterKey, images: Vec<Image>| {
        let groups = groups_of(settings, destination, key, &images, instances);
        let candidates = newest_first(images).into_iter().map(|image| candidate(image, instances));
        Images { candidates: candidates.collect(), groups }
    };
    let by_parameter = by_parameter.into_iter();
    let mut parameters =
        by_parameter.map(|(key, found)| ImageParameter { images: images(&key, found), key });
    let target = match destination {
        Destination::Parameter(name) => {
            let images = parameters.next().map(|only| only.images).unwrap_or_default();
            Target::Parameter { name: name.clone(), images, readers: None }
        }
        Destination::Stack(name) => {
            Target::Stack { name: name.clone(), parameters: parameters.collect() }
        }
    };
    let instance_refresh = run.instance_refresh || refresh_tagged;
    Promotion { target, run: Run { instance_refresh, ..run } }
}

/// EC2's dates are ISO 8601 in UTC, so text order is time order. The id breaks a tie, so that every
/// run decides the same. Of duplicate images the first stays.
fn newest_first(mut images: Vec<Image>) -> Vec<Image> {
    images.sort_by(|a, b| (&b.creation_date, &b.image_id).cmp(&(&a.creation_date, &a.image_id)));
    images.dedup_by(|a, b| a.image_id == b.image_id);
    images
}

fn candidate(image: Image, instances: &Instances) -> Candidate {
    let Image { image_id, creation_date, source_instance_id, status_message, tags_of, .. } = image;
    Candidate {
        image_id,
        creation_date,
        origin: origin(source_instance_id, instances),
        tags_of,
        status_message,
    }
}

fn origin(source: Option<String>, instances: &Instances) -> Origin {
    let Some(instance_id) = source else {
        return Origin::Unknown { reason: "EC2 reports no source instance".to_owned() };
    };
    match instances.get(&instance_id) {
        Some(instance) => match group_of(instance) {
            Some(group) => Origin::Group { instance_id, group },
            None => Origin::NoGroup { instance_id },
        },
        None => Origin::Unknown { reason: format!("instance {instance_id} is gone") },
    }
}

/// The groups of the instances that carry this destination's tag, or that an image is a backup
/// of (a backup plan may have set the tag on the image alone).
fn groups_of(
    settings: &Settings,
    destination: &Destination,
    parameter: &ParameterKey,
    images: &[Image],
    instances: &Instances,
) -> Vec<Group> {
    let sources: BTreeSet<_> =
        images.iter().filter_map(|image| image.source_instance_id.as_deref()).collect();
    let feeds = |(id, instance): &(&String, &Instance)| {
        if settings.names(&instance.tags, destination) {
            settings.key_at(destination, &instance.tags).as_ref() == Some(parameter)
        } else {
            sources.contains(id.as_str())
        }
    };
    let fed = instances.iter().filter(feeds);
    let groups: BTreeSet<Group> = fed.filter_map(|(_, instance)| group_of(instance)).collect();
    let mut groups = Vec::from_iter(groups);
    // Instances of several types are still one group.
    groups.dedup_by(|a, b| a.group_name == b.group_name);
    groups
}

fn group_of(instance: &Instance) -> Option<Group> {
    Some(Group {
        group_name: instance.tags.get(TAG_GROUP)?.clone(),
        stack_name: instance.tags.get(TAG_STACK).and_then(|name| name.parse().ok()),
        instance_type: instance.instance_type.clone(),
    })
}

/// Keeps each parameter's newest candidates: as many as are useful, and at most its share of the
/// maximum for all.
pub(crate) fn truncate_candidates(promotions: &mut [Promotion]) {
    let parameters: usize = promotions.iter().map(|one| one.target.images().len()).sum();
    let share = (MAX_CANDIDATES_PER_RUN / parameters.max(1)).max(1);
    for Promotion { target, run } in promotions {
        // A rollback needs candidates older than the image in place, however old that is.
        let is_rollback = run.selection == Selection::Rollback;
        let most = if is_rollback { share } else { share.min(MAX_CANDIDATES) };
        for images in target.images_mut() {
            images.candidates.truncate(most);
        }
    }
}

// --- what an input names -----------------------------------------------------------------------

/// The images that a run of a named target may choose from: all of the destination, or those of
/// one key.
///
/// # Errors
/// No image names this target. Fail explicitly, so that a misspelt name does not look like a
/// success.
pub(crate) fn images_of_named(
    settings: &Settings,
    named: &NamedTarget,
    mut images: Vec<Image>,
    instances: &Instances,
) -> Result<Vec<Image>, InvalidInput> {
    let NamedTarget { field, destination, only, .. } = named;
    let name = destination.name();
    images.retain(|image| settings.key_at(destination, &image.tags).is_some());
    if images.is_empty() {
        let bears =
            |(_, instance): &(&String, &Instance)| settings.names(&instance.tags, destination);
        let found = match instances.iter().find(bears) {
            Some((id, _)) => format!("{name:?}, which only instance {id} names"),
            None => format!("{name:?}"),
        };
        let expected =
            format!("expected a value of the tag {} on an image", settings.tag_of(destination));
        let path = match destination {
            Destination::Parameter(_) => format!("{field}.parameterName"),
            Destination::Stack(_) => format!("{field}.stackName"),
        };
        return Err(InvalidInput::new(path, format!("{expected}, found {found}")));
    }
    if let Some(key) = only {
        images.retain(|image| settings.parameter_key(&image.tags).as_ref() == Ok(key));
        if images.is_empty() {
            let tag = &settings.keys.parameter_key;
            let problem =
                format!("expected a value of the tag {tag} on an image of {name}, found \"{key}\"");
            return Err(InvalidInput::new(format!("{field}.parameterKey"), problem));
        }
    }
    Ok(images)
}
