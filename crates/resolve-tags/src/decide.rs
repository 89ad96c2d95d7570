//! The decisions of resolve-tags, without I/O: the destinations in an image's tags, and the images
//! and groups of a target.

use std::collections::{BTreeMap, BTreeSet};

use contract::ids::{ImageId, Malformed, ParameterKey, ParameterName, StackName};
use contract::target::{
    Candidate, Group, ImageParameter, Images, Origin, Promotion, Run, Selection,
    TAG_INSTANCE_REFRESH, TAG_PARAMETER_KEY, TAG_PARAMETER_NAME, TAG_STACK_NAME, Target,
};
use step::InvalidInput;

use crate::request::Rollback;

/// The maximum number of candidates per parameter: enough to skip a few bad nights.
pub(crate) const MAX_CANDIDATES: usize = 5;
/// The maximum number of candidates of all parameters together. With these, a hundred targets take
/// about half of the data that Step Functions passes from one state to the next (256 KiB).
pub(crate) const MAX_CANDIDATES_PER_RUN: usize = 300;

/// The tag with an instance's group (only Auto Scaling can set it).
const TAG_GROUP: &str = "aws:autoscaling:groupName";
/// The tag with the stack of an instance's group (CloudFormation sets it).
const TAG_STACK: &str = "aws:cloudformation:stack-name";

/// An image's or an instance's tags.
pub(crate) type Tags = BTreeMap<String, String>;

/// The parts of an image that this step reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub image_id: ImageId,
    pub creation_date: String,
    pub source_instance_id: Option<String>,
    pub status_message: Option<String>,
    pub tags: Tags,
}

/// The parts of a live instance that this step reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub instance_type: Option<String>,
    pub tags: Tags,
}

/// Live instances by ID, to find each image's source.
pub(crate) type Instances = BTreeMap<String, Instance>;

// --- where an image belongs --------------------------------------------------------------------

/// A destination in an image's tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// Pattern 1.
    Parameter(ParameterName),
    /// Pattern 2.
    Stack(StackName),
}

impl Destination {
    /// The tag, with its value, on all images and instances of the destination.
    #[must_use]
    pub(crate) fn tag(&self) -> (&'static str, &str) {
        match self {
            Self::Parameter(name) => (TAG_PARAMETER_NAME, name.as_str()),
            Self::Stack(name) => (TAG_STACK_NAME, name.as_str()),
        }
    }

    /// The stack's parameter in these tags; the default key for an SSM parameter, which has no
    /// others. `None` if the key is malformed.
    fn parameter(&self, tags: &Tags) -> Option<ParameterKey> {
        match self {
            Self::Parameter(_) => Some(ParameterKey::default()),
            Self::Stack(_) => parameter_key(tags).ok(),
        }
    }
}

/// The destinations in an image's tags: a parameter, a stack, both, or none.
///
/// # Errors
/// A tag's value is not a valid name.
pub(crate) fn destinations(tags: &Tags) -> Result<Vec<Destination>, InvalidInput> {
    let parameter = parse_tag(tags, TAG_PARAMETER_NAME)?.map(Destination::Parameter);
    let stack = parse_tag(tags, TAG_STACK_NAME)?.map(Destination::Stack);
    if stack.is_some() {
        parameter_key(tags)?;
    }
    Ok(parameter.into_iter().chain(stack).collect())
}

fn parameter_key(tags: &Tags) -> Result<ParameterKey, InvalidInput> {
    Ok(parse_tag(tags, TAG_PARAMETER_KEY)?.unwrap_or_default())
}

fn parse_tag<T: std::str::FromStr<Err = Malformed>>(
    tags: &Tags,
    name: &str,
) -> Result<Option<T>, InvalidInput> {
    let parsed = tags.get(name).map(|value| value.parse()).transpose();
    parsed.map_err(|malformed: Malformed| {
        InvalidInput::new(format!("tags.{name}"), malformed.to_string())
    })
}

/// Why an image without a target tag is skipped.
#[must_use]
pub(crate) fn no_destination(image: &ImageId) -> String {
    format!("image {image} carries neither the tag {TAG_PARAMETER_NAME} nor {TAG_STACK_NAME}")
}

/// Why a reconcile of an account without targets is skipped.
#[must_use]
pub(crate) fn no_targets() -> String {
    format!(
        "none of the account's images says by its tag {TAG_PARAMETER_NAME} or {TAG_STACK_NAME} where it belongs"
    )
}

// --- what makes up a target --------------------------------------------------------------------

/// The target of a destination, from the images that carry its tag and the live instances.
///
/// A stack's images are grouped by their `ImageIdParameterKey`, so one target holds all its
/// parameters. An image or instance whose key is malformed is left out: it must not block the
/// others.
#[must_use]
pub(crate) fn promotion(
    destination: &Destination,
    images: Vec<Image>,
    instances: &Instances,
    run: Run,
) -> Promotion {
    let refresh_tagged = images.iter().any(|image| asks_for_refresh(&image.tags));
    let mut by_parameter = BTreeMap::<ParameterKey, Vec<Image>>::new();
    for image in images {
        if let Some(parameter) = destination.parameter(&image.tags) {
            by_parameter.entry(parameter).or_default().push(image);
        }
    }
    let images = |key: &ParameterKey, images: Vec<Image>| {
        let groups = groups_of(destination, key, &images, instances);
        let candidates = newest_first(images).into_iter().map(|image| candidate(image, instances));
        Images { candidates: candidates.collect(), groups }
    };
    let by_parameter = by_parameter.into_iter();
    let mut parameters =
        by_parameter.map(|(key, found)| ImageParameter { images: images(&key, found), key });
    let target = match destination {
        Destination::Parameter(name) => {
            let images = parameters.next().map(|only| only.images).unwrap_or_default();
            Target::Parameter { name: name.clone(), images }
        }
        Destination::Stack(name) => {
            Target::Stack { name: name.clone(), parameters: parameters.collect() }
        }
    };
    let instance_refresh = run.instance_refresh || refresh_tagged;
    Promotion { target, run: Run { instance_refresh, ..run } }
}

fn asks_for_refresh(tags: &Tags) -> bool {
    tags.get(TAG_INSTANCE_REFRESH).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// EC2's dates are ISO 8601 in UTC, so text order is time order. The id breaks a tie, so that every
/// run decides the same. Of duplicate images the first stays.
fn newest_first(mut images: Vec<Image>) -> Vec<Image> {
    images.sort_by(|a, b| (&b.creation_date, &b.image_id).cmp(&(&a.creation_date, &a.image_id)));
    images.dedup_by(|a, b| a.image_id == b.image_id);
    images
}

fn candidate(image: Image, instances: &Instances) -> Candidate {
    let Image { image_id, creation_date, source_instance_id, status_message, .. } = image;
    Candidate {
        image_id,
        creation_date,
        origin: origin(source_instance_id, instances),
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
    destination: &Destination,
    parameter: &ParameterKey,
    images: &[Image],
    instances: &Instances,
) -> Vec<Group> {
    let (tag, value) = destination.tag();
    let sources: BTreeSet<_> =
        images.iter().filter_map(|image| image.source_instance_id.as_deref()).collect();
    let feeds = |(id, instance): &(&String, &Instance)| {
        if instance.tags.get(tag).is_some_and(|found| found == value) {
            destination.parameter(&instance.tags).as_ref() == Some(parameter)
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

// --- what a rollback takes ---------------------------------------------------------------------

/// The images that a rollback may choose from: all of the destination, or those of one key.
///
/// # Errors
/// No image names this target. Fail explicitly, so that an empty rollback does not look like a
/// success.
pub(crate) fn images_of_rollback(
    rollback: &Rollback,
    mut images: Vec<Image>,
) -> Result<Vec<Image>, InvalidInput> {
    let Rollback { destination, only } = rollback;
    let (tag, value) = destination.tag();
    images.retain(|image| destination.parameter(&image.tags).is_some());
    if images.is_empty() {
        let path = match destination {
            Destination::Parameter(_) => "rollback.parameterName",
            Destination::Stack(_) => "rollback.stackName",
        };
        let problem = format!("expected what images name by their tag {tag}, found {value:?}");
        return Err(InvalidInput::new(path, problem));
    }
    if let Some(key) = only {
        images.retain(|image| parameter_key(&image.tags).as_ref() == Ok(key));
        if images.is_empty() {
            let problem = format!(
                "expected what {value}'s images name by their tag {TAG_PARAMETER_KEY}, found \"{key}\""
            );
            return Err(InvalidInput::new("rollback.parameterKey", problem));
        }
    }
    Ok(images)
}
