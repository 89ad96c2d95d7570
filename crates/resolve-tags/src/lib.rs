//! resolve-tags resolves an input to targets with their candidate images. The event or the manual
//! input is only a hint; the answer comes from the tagged images and instances as they are now. So
//! a late, repeated or out-of-order event leads to the same targets.

mod decide;
mod error;
mod request;
mod settings;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws::{AwsError, Called};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use contract::ids::ImageId;
use contract::report::{Outcome, Report};
use contract::steps::Resolved;
use contract::target::{Promotion, Run};
use serde_json::Value;

use crate::decide::{Image, Instance, Instances};
pub use crate::error::Error;
use crate::request::{NamedTarget, Request};
pub use crate::settings::{BadSettings, Settings, TagKeys};
use crate::tags::{Destination, Tags};

/// The maximum number of values in one filter (EC2 user guide, "List and filter your resources").
const MAX_FILTER_VALUES: usize = 200;
/// Without a page size EC2 does not paginate, and a long listing may exceed a call's timeout (EC2
/// API reference, "Query requests", Pagination).
const PAGE: i32 = 500;

/// Resolves `input` to targets and their candidates.
///
/// # Errors
/// See [`Error`]. An input without targets is an answer, not an error.
pub async fn handle(ec2: &Client, settings: &Settings, input: Value) -> Result<Resolved, Error> {
    match request::request(input)? {
        Request::Skip(reason) => Ok(skipped(reason)),
        Request::Hint { image_id, status_message } => {
            let image = Image { status_message, ..image(ec2, &image_id).await? };
            by_image(ec2, settings, image, None).await
        }
        Request::Pinned(image_id, run) => {
            by_image(ec2, settings, image(ec2, &image_id).await?, Some(run)).await
        }
        Request::Named(named, run) => by_name(ec2, settings, &named, run).await,
        Request::Reconcile(run) => reconcile(ec2, settings, run).await,
    }
}

/// The targets in one image's tags. A run pins the image; without a pin, every image of the same
/// target competes with it.
async fn by_image(
    ec2: &Client,
    settings: &Settings,
    image: Image,
    run: Option<Run>,
) -> Result<Resolved, Error> {
    let leads = settings.leads(&image.tags)?;
    if leads.destinations.is_empty() {
        let image_id = &image.image_id;
        return match (leads.foreign.is_empty(), run) {
            (true, _) => Ok(skipped(settings.no_destination(image_id))),
            (false, None) => Ok(skipped(format!("image {image_id}: {}", leads.foreign.join("; ")))),
            // A person who names an image expects something of it.
            (false, Some(_)) => Err(Error::OutsidePrefixes(leads.foreign.join("; "))),
        };
    }
    let mut targets = Vec::new();
    for destination in &leads.destinations {
        let mut images = vec![image.clone()];
        if run.is_none() {
            images.extend(images_of(ec2, settings, destination).await?);
        }
        let instances = instances_of(ec2, settings, destination, &images).await?;
        let run = run.unwrap_or_default();
        targets.push(decide::promotion(settings, destination, images, &instances, run));
    }
    Ok(resolved(targets))
}

/// The target that the input names.
async fn by_name(
    ec2: &Client,
    settings: &Settings,
    named: &NamedTarget,
    run: Run,
) -> Result<Resolved, Error> {
    let destination = &named.destination;
    if let Some(reason) = settings.forbids(destination) {
        let message = format!("{} names {:?}, {reason}", named.field, destination.name());
        return Err(Error::OutsidePrefixes(message));
    }
    let images = images_of(ec2, settings, destination).await?;
    let instances = instances_of(ec2, settings, destination, &images).await?;
    let images = decide::images_of_named(settings, named, images, &instances)?;
    Ok(resolved(vec![decide::promotion(settings, destination, images, &instances, run)]))
}

/// Every target that any image names. One listing serves all targets, so the number of calls is the
/// listing's number of pages.
async fn reconcile(ec2: &Client, settings: &Settings, run: Run) -> Result<Resolved, Error> {
    let keys = &settings.keys;
    let tagged = || {
        let filter = Filter::builder().name("tag-key");
        filter.values(&keys.parameter_name).values(&keys.stack_name).build()
    };
    let by_destination = by_destination(settings, images_with(ec2, tagged()).await?);
    if by_destination.is_empty() {
        let reason = format!(
            "none of the account's images names a target that Driftless may touch by its tag {}",
            settings.either_tag()
        );
        return Ok(skipped(reason));
    }
    let images = by_destination.values().flatten();
    let instances = instances_for(ec2, tagged(), images).await?;
    let targets = by_destination.into_iter().map(|(destination, images)| {
        decide::promotion(settings, &destination, images, &instances, run)
    });
    Ok(resolved(targets.collect()))
}

fn by_destination(settings: &Settings, images: Vec<Image>) -> BTreeMap<Destination, Vec<Image>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for image in images {
        match settings.leads(&image.tags) {
            Ok(leads) => {
                for destination in leads.destinations {
                    found.entry(destination).or_default().push(image.clone());
                }
            }
            // The other images have nothing to do with this target.
            Err(error) => tracing::warn!(image_id = %image.image_id, %error, "left out"),
        }
    }
    found
}

fn resolved(mut promotions: Vec<Promotion>) -> Resolved {
    decide::truncate_candidates(&mut promotions);
    let targets: Vec<_> = promotions.iter().map(|one| one.target.name()).collect();
    tracing::info!(?targets, "resolved the targets");
    Resolved::Targets { promotions }
}

fn skipped(reason: String) -> Resolved {
    tracing::info!(reason, "skipped");
    let report = Report { outcome: Outcome::Skipped, summary: reason, targets: Vec::new() };
    Resolved::Skipped { report }
}

/// The image that the input names.
async fn image(ec2: &Client, image_id: &ImageId) -> Result<Image, Error> {
    // EC2 omits a disabled image by default, so it would look as if it did not exist.
    let request = ec2.describe_images().image_ids(image_id.as_str()).include_disabled(true);
    let answer = request.send().await;
    let found = match answer.called("ec2:DescribeImages") {
        Ok(answer) => answer.images.unwrap_or_default(),
        Err(error) if is_image_missing(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let image = found.into_iter().find_map(to_image);
    image.ok_or_else(|| Error::ImageNotFound(image_id.clone()))
}

/// EC2's error codes for an ID without an image, or whose image no longer exists: EC2 API
/// reference, "Error codes".
fn is_image_missing(error: &AwsError) -> bool {
    error.has_code("InvalidAMIID.NotFound") || error.has_code("InvalidAMIID.Unavailable")
}

/// The account's own images that name this destination.
async fn images_of(
    ec2: &Client,
    settings: &Settings,
    destination: &Destination,
) -> Result<Vec<Image>, AwsError> {
    let mut images = images_with(ec2, tag_filter(settings, destination)).await?;
    images.retain(|image| settings.names(&image.tags, destination));
    Ok(images)
}

/// The live instances that name this destination or that the images are backups of.
async fn instances_of(
    ec2: &Client,
    settings: &Settings,
    destination: &Destination,
    images: &[Image],
) -> Result<Instances, AwsError> {
    instances_for(ec2, tag_filter(settings, destination), images).await
}

/// The account's own images that the filter finds.
async fn images_with(ec2: &Client, filter: Filter) -> Result<Vec<Image>, AwsError> {
    let request = ec2.describe_images().owners("self").filters(filter);
    let pages = request.into_paginator().page_size(PAGE).items();
    let images: Result<Vec<_>, _> = pages.send().collect().await;
    let images = images.called("ec2:DescribeImages")?;
    Ok(images.into_iter().filter_map(to_image).collect())
}

/// The live instances that the filter finds or that the images are backups of.
async fn instances_for(
    ec2: &Client,
    filter: Filter,
    images: impl IntoIterator<Item = &Image>,
) -> Result<Instances, AwsError> {
    let mut found = live_instances(ec2, filter).await?;
    // A set: the images of many nights have the same source.
    let sources: BTreeSet<_> = images
        .into_iter()
        .filter_map(|image| image.source_instance_id.as_deref())
        .filter(|id| !found.contains_key(*id))
        .map(str::to_owned)
        .collect();
    for sources in Vec::from_iter(sources).chunks(MAX_FILTER_VALUES) {
        let by_id = Filter::builder().name("instance-id").set_values(Some(sources.to_vec()));
        found.extend(live_instances(ec2, by_id.build()).await?);
    }
    Ok(found)
}

async fn live_instances(ec2: &Client, filter: Filter) -> Result<Instances, AwsError> {
    let live = Filter::builder().name("instance-state-name");
    let live = live.values("pending").values("running").values("stopping").values("stopped");
    let request = ec2.describe_instances().filters(filter).filters(live.build());
    let pages: Result<Vec<_>, _> = request.into_paginator().page_size(PAGE).send().collect().await;
    let pages = pages.called("ec2:DescribeInstances")?;
    let instances = pages
        .into_iter()
        .flat_map(|page| page.reservations.unwrap_or_default())
        .flat_map(|reservation| reservation.instances.unwrap_or_default());
    Ok(instances.filter_map(to_instance).collect())
}

/// Finds the destination's name in every form, and other names that contain it. EC2 reads * in a
/// filter's value as a wildcard; names of parameters and stacks contain none.
fn tag_filter(settings: &Settings, destination: &Destination) -> Filter {
    let tag = settings.tag_of(destination);
    Filter::builder().name(format!("tag:{tag}")).values(format!("*{}*", destination.name())).build()
}

fn to_image(image: aws_sdk_ec2::types::Image) -> Option<Image> {
    Some(Image {
        image_id: image.image_id?.parse().ok()?,
        creation_date: image.creation_date.unwrap_or_default(),
        source_instance_id: image.source_instance_id,
        status_message: None,
        tags: to_tags(image.tags),
    })
}

fn to_instance(instance: aws_sdk_ec2::types::Instance) -> Option<(String, Instance)> {
    let instance_type = instance.instance_type.map(|kind| kind.as_str().to_owned());
    Some((instance.instance_id?, Instance { instance_type, tags: to_tags(instance.tags) }))
}

fn to_tags(tags: Option<Vec<Tag>>) -> Tags {
    tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect()
}
