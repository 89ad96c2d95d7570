//! What resolve-tags decides, without a call: what the input asks for, where an image's tags
//! send it, and which images and groups make up a target.

use std::collections::{BTreeMap, BTreeSet};

use contract::event::{BACKUP_JOB, BACKUP_SOURCE, BackupEvent, ManualRun};
use contract::ids::{ImageId, Malformed, ParameterKey, StackName};
use contract::target::{
    Candidate, Destination, Group, ImageParameter, Pattern, TAG_INSTANCE_REFRESH,
    TAG_PARAMETER_KEY, TAG_PARAMETER_NAME, TAG_STACK_NAME, Target,
};
use serde_json::Value;
use step::{InvalidInput, decode};

/// The most candidates that travel on, per parameter: enough to pass over a few bad nights, few
/// enough that a hundred targets stay far below Step Functions' 256 KiB of state.
pub const MOST_CANDIDATES: usize = 5;

/// The tag by which an instance tells its group (Auto Scaling sets it; nobody else can).
const TAG_GROUP: &str = "aws:autoscaling:groupName";
/// The tag by which an instance tells its group's stack (CloudFormation sets it).
const TAG_STACK: &str = "aws:cloudformation:stack-name";

/// What the input asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Promote the newest image of wherever this one belongs.
    Hint(ImageId),
    /// Promote this image and no other.
    Pinned(ManualRun),
    /// Nothing, for this reason.
    Skip(String),
}

/// An image or an instance with its tags.
pub type Tags = BTreeMap<String, String>;

/// An image as far as this step looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub candidate: Candidate,
    pub tags: Tags,
}

/// Tells the forms of input apart.
///
/// # Errors
/// The input is none of them.
pub fn request(input: Value) -> Result<Request, InvalidInput> {
    let Some(fields) = input.as_object() else {
        return Err(InvalidInput::new(
            "$",
            format!("expected AWS Backup's event or {{\"imageId\": \"ami-…\"}}, found {input}"),
        ));
    };
    if let Some(detail_type) = fields.get("detail-type") {
        // What else is in an event depends on this, so it comes before the decoding.
        return match detail_type.as_str() {
            Some(other) if other != BACKUP_JOB => {
                Ok(Request::Skip(format!("{other:?} is not acted on, only {BACKUP_JOB:?} is")))
            }
            _ => from_event(&decode(input)?),
        };
    }
    if !fields.contains_key("imageId") {
        let found: Vec<_> = fields.keys().map(String::as_str).collect();
        let found = if found.is_empty() { "no field".to_owned() } else { found.join(", ") };
        return Err(InvalidInput::new(
            "imageId",
            format!("expected the id of an image to promote, or AWS Backup's event; found {found}"),
        ));
    }
    decode(input).map(Request::Pinned)
}

fn from_event(event: &BackupEvent) -> Result<Request, InvalidInput> {
    if event.source != BACKUP_SOURCE {
        let found = format!("expected {BACKUP_SOURCE:?}, found {:?}", event.source);
        return Err(InvalidInput::new("source", found));
    }
    if event.detail.state != "COMPLETED" {
        let reason = format!("the backup job is {}, not COMPLETED", event.detail.state);
        return Ok(Request::Skip(reason));
    }
    match event.detail.resource_type.as_deref() {
        Some("EC2") => image_in(&event.resources).map(Request::Hint),
        other => {
            let found = other.unwrap_or("a resource of no named type");
            Ok(Request::Skip(format!("the backup is of {found}, not of EC2")))
        }
    }
}

/// The first image among a backup event's recovery points.
fn image_in(resources: &[String]) -> Result<ImageId, InvalidInput> {
    let images = resources.iter().map(|arn| ImageId::from_arn(arn));
    match images.enumerate().find_map(|(index, image)| image.map(|image| (index, image))) {
        Some((_, Ok(image))) => Ok(image),
        Some((index, Err(malformed))) => {
            Err(InvalidInput::new(format!("resources[{index}]"), malformed.to_string()))
        }
        None => Err(InvalidInput::new(
            "resources",
            format!(
                "expected the ARN of an image (arn:aws:ec2:REGION::image/ami-…), found {resources:?}"
            ),
        )),
    }
}

/// Why an image without a target tag is skipped.
#[must_use]
pub fn no_destination(image: &ImageId) -> String {
    format!("image {image} carries neither the tag {TAG_PARAMETER_NAME} nor {TAG_STACK_NAME}")
}

/// Where the tags send an image: to a parameter, to a stack, to both, or nowhere.
///
/// # Errors
/// A tag's value cannot be the name that it stands for.
pub fn destinations(tags: &Tags) -> Result<Vec<Destination>, InvalidInput> {
    let parameter = parse_tag(tags, TAG_PARAMETER_NAME)?.map(Destination::Parameter);
    let stack = match parse_tag::<StackName>(tags, TAG_STACK_NAME)? {
        Some(stack) => Some(Destination::Stack(stack, parameter_key(tags)?)),
        None => None,
    };
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

/// The tag, with its value, that all images and instances of a destination carry.
#[must_use]
pub fn selecting_tag(destination: &Destination) -> (&'static str, &str) {
    match destination {
        Destination::Parameter(name) => (TAG_PARAMETER_NAME, name.as_str()),
        Destination::Stack(name, _) => (TAG_STACK_NAME, name.as_str()),
    }
}

/// The target of a destination, from the images and the live instances that carry its tag.
///
/// A stack's images go by their `ImageIdParameterKey`, so one target holds all its parameters.
/// An image or instance whose key is malformed is left out: it must not block the others.
#[must_use]
pub fn target(
    destination: &Destination,
    images: Vec<Image>,
    instances: &[Instance],
    run: Option<&ManualRun>,
) -> Target {
    let refresh_tagged = images.iter().any(|image| asks_for_refresh(&image.tags));
    let mut by_parameter = BTreeMap::<String, Vec<Candidate>>::new();
    for image in images {
        if let Some(parameter) = parameter_of(destination, &image.tags) {
            by_parameter.entry(parameter).or_default().push(image.candidate);
        }
    }
    let parameters = by_parameter
        .into_iter()
        .map(|(parameter, candidates)| {
            let groups = groups_of(destination, &parameter, &candidates, instances);
            ImageParameter { parameter, candidates: newest_first(candidates), groups }
        })
        .collect();
    let (pattern, name) = match destination {
        Destination::Parameter(name) => (Pattern::Parameter, name.as_str()),
        Destination::Stack(name, _) => (Pattern::Stack, name.as_str()),
    };
    Target {
        pattern,
        name: name.to_owned(),
        parameters,
        allow_older: run.is_some_and(|run| run.allow_older),
        instance_refresh: run.is_some_and(|run| run.instance_refresh) || refresh_tagged,
    }
}

fn asks_for_refresh(tags: &Tags) -> bool {
    tags.get(TAG_INSTANCE_REFRESH).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn parameter_of(destination: &Destination, tags: &Tags) -> Option<String> {
    match destination {
        Destination::Parameter(name) => Some(name.to_string()),
        Destination::Stack(..) => parameter_key(tags).ok().map(String::from),
    }
}

/// EC2's dates are ISO 8601 in UTC, so text order is time order. The id breaks a tie, so that
/// every run decides alike.
fn newest_first(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates
        .sort_by(|a, b| (&b.creation_date, &b.image_id).cmp(&(&a.creation_date, &a.image_id)));
    candidates.dedup_by(|a, b| a.image_id == b.image_id);
    candidates.truncate(MOST_CANDIDATES);
    candidates
}

/// An instance as far as this step looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub instance_id: String,
    pub tags: Tags,
}

/// The groups of the instances that carry this destination's tag, or that a candidate is a
/// backup of (a backup plan may have set the tag on the image alone).
fn groups_of(
    destination: &Destination,
    parameter: &str,
    candidates: &[Candidate],
    instances: &[Instance],
) -> Vec<Group> {
    let (tag, value) = selecting_tag(destination);
    let feeds = |instance: &&Instance| {
        let is_tagged = instance.tags.get(tag).is_some_and(|found| found == value);
        if is_tagged {
            parameter_of(destination, &instance.tags).as_deref() == Some(parameter)
        } else {
            let is_source =
                |c: &Candidate| c.source_instance_id.as_ref() == Some(&instance.instance_id);
            candidates.iter().any(is_source)
        }
    };
    let groups: BTreeSet<Group> = instances.iter().filter(feeds).filter_map(group_of).collect();
    groups.into_iter().collect()
}

fn group_of(instance: &Instance) -> Option<Group> {
    let group_name = instance.tags.get(TAG_GROUP)?.clone();
    let stack_name = instance.tags.get(TAG_STACK).and_then(|name| name.parse().ok());
    Some(Group { group_name, stack_name })
}
