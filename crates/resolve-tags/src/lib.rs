//! resolve-tags owns the question "what is to be promoted where?". The event or the manual input
//! is only a hint; the answer comes from the tagged images and instances as they are now. So a
//! late, repeated or out-of-order event leads to the same targets.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use contract::ids::ImageId;
use contract::steps::Resolved;
use contract::target::{Candidate, Destination, Target};
use serde_json::Value;
use step::AwsError;

use crate::decide::{Image, Instance, Request, Tags};
pub use crate::error::Error;

/// EC2 takes no more values in one filter (EC2 user guide, "List and filter your resources").
const MOST_FILTER_VALUES: usize = 200;

/// Looks once: which targets does `input` mean, and what are their candidates?
///
/// # Errors
/// See [`Error`]. That an input means nothing is an answer, not an error.
pub async fn handle(ec2: &Client, input: Value) -> Result<Resolved, Error> {
    let (image_id, run) = match decide::request(input)? {
        Request::Skip(reason) => return Ok(skipped(reason)),
        Request::Hint(image_id) => (image_id, None),
        Request::Pinned(run) => (run.image_id.clone(), Some(run)),
    };
    let image = image(ec2, &image_id).await?;
    let destinations = decide::destinations(&image.tags)?;
    if destinations.is_empty() {
        return Ok(skipped(decide::no_destination(&image_id)));
    }
    let mut targets = Vec::new();
    for destination in &destinations {
        // What names the image pins it; what only hints at it lets every image compete.
        let mut images = vec![image.clone()];
        if run.is_none() {
            images.extend(images_for(ec2, destination).await?);
        }
        let instances = instances_for(ec2, destination, &images).await?;
        targets.push(decide::target(destination, images, &instances, run.as_ref()));
    }
    tracing::info!(%image_id, targets = ?targets.iter().map(|t: &Target| &t.name).collect::<Vec<_>>());
    Ok(Resolved { targets, skipped: None })
}

fn skipped(reason: String) -> Resolved {
    tracing::info!(reason, "skipped");
    Resolved { targets: Vec::new(), skipped: Some(reason) }
}

/// The one image that the input names.
async fn image(ec2: &Client, image_id: &ImageId) -> Result<Image, Error> {
    // A disabled image is left out unless asked for, and would look like one that never was.
    let request = ec2.describe_images().image_ids(image_id.as_str()).include_disabled(true);
    let answer = request.send().await;
    let found = match answer.map_err(|error| AwsError::new("ec2:DescribeImages", error)) {
        Ok(answer) => answer.images.unwrap_or_default(),
        Err(error) if is_image_missing(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let image = found.into_iter().find_map(to_image);
    image.ok_or_else(|| Error::ImageNotFound(image_id.clone()))
}

/// EC2's codes for an id that names no image (any more): EC2 API reference, "Error codes".
fn is_image_missing(error: &AwsError) -> bool {
    error.has_code("InvalidAMIID.NotFound") || error.has_code("InvalidAMIID.Unavailable")
}

/// The account's own images that carry the destination's tag.
async fn images_for(ec2: &Client, destination: &Destination) -> Result<Vec<Image>, AwsError> {
    let request = ec2.describe_images().owners("self").filters(tag_filter(destination));
    let images: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
    let images = images.map_err(|error| AwsError::new("ec2:DescribeImages", error))?;
    Ok(images.into_iter().filter_map(to_image).collect())
}

/// The live instances that carry the destination's tag or that the images are backups of.
async fn instances_for(
    ec2: &Client,
    destination: &Destination,
    images: &[Image],
) -> Result<Vec<Instance>, AwsError> {
    let mut found = live_instances(ec2, tag_filter(destination)).await?;
    // A set: many nights of images have one source.
    let sources: BTreeSet<_> = images
        .iter()
        .filter_map(|image| image.candidate.source_instance_id.clone())
        .filter(|id| found.iter().all(|instance| &instance.instance_id != id))
        .collect();
    for sources in Vec::from_iter(sources).chunks(MOST_FILTER_VALUES) {
        let by_id = Filter::builder().name("instance-id").set_values(Some(sources.to_vec()));
        found.extend(live_instances(ec2, by_id.build()).await?);
    }
    Ok(found)
}

async fn live_instances(ec2: &Client, filter: Filter) -> Result<Vec<Instance>, AwsError> {
    let live = Filter::builder().name("instance-state-name");
    let live = live.values("pending").values("running").values("stopping").values("stopped");
    let request = ec2.describe_instances().filters(filter).filters(live.build());
    let pages: Result<Vec<_>, _> = request.into_paginator().send().collect().await;
    let pages = pages.map_err(|error| AwsError::new("ec2:DescribeInstances", error))?;
    let instances = pages
        .into_iter()
        .flat_map(|page| page.reservations.unwrap_or_default())
        .flat_map(|reservation| reservation.instances.unwrap_or_default())
        .filter_map(|i| Some(Instance { instance_id: i.instance_id?, tags: to_tags(i.tags) }));
    Ok(instances.collect())
}

fn tag_filter(destination: &Destination) -> Filter {
    let (tag, value) = decide::selecting_tag(destination);
    // EC2 reads * and ? in a filter's value as wildcards; a name of either kind has none.
    Filter::builder().name(format!("tag:{tag}")).values(value).build()
}

fn to_image(image: aws_sdk_ec2::types::Image) -> Option<Image> {
    Some(Image {
        candidate: Candidate {
            image_id: image.image_id?.parse().ok()?,
            creation_date: image.creation_date.unwrap_or_default(),
            source_instance_id: image.source_instance_id,
        },
        tags: to_tags(image.tags),
    })
}

fn to_tags(tags: Option<Vec<Tag>>) -> Tags {
    tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect()
}
