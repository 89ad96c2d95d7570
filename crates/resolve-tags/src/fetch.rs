//! Reads images and instances from EC2.

use std::collections::BTreeSet;

use aws::{AwsError, Called};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use contract::ids::ImageId;

use crate::Error;
use crate::decide::{Image, Instance, Instances};
use crate::settings::Settings;
use crate::tags::{Destination, Tags};

/// The maximum number of values in one filter (EC2 user guide, "List and filter your resources").
const MAX_FILTER_VALUES: usize = 200;
/// Without a page size EC2 does not paginate, and a long listing may exceed a call's timeout (EC2
/// API reference, "Query requests", Pagination).
const PAGE: i32 = 500;
/// How AWS Backup's names of images begin, for example `AwsBackup_i-09bba03659a0990da_e4a139ba-…` in
/// ministryofjustice/modernisation-platform-environments.
const BACKUP_NAME: &str = "AwsBackup_";

/// The source of an image that carries no target tag, if EC2 names one, and the instance if it
/// lives.
pub(crate) async fn source(
    ec2: &Client,
    settings: &Settings,
    image: &Image,
) -> Result<Option<(String, Option<Instance>)>, AwsError> {
    let Some(id) = image.source_instance_id.clone().filter(|_| !settings.carry_target(&image.tags))
    else {
        return Ok(None);
    };
    let by_id = Filter::builder().name("instance-id").values(&id).build();
    let instance = live_instances(ec2, by_id).await?.remove(&id);
    Ok(Some((id, instance)))
}

/// The image that the input names.
pub(crate) async fn image(ec2: &Client, image_id: &ImageId) -> Result<Image, Error> {
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
pub(crate) async fn images_of(
    ec2: &Client,
    settings: &Settings,
    destination: &Destination,
) -> Result<Vec<Image>, AwsError> {
    let mut images = images_with(ec2, [tag_filter(settings, destination)]).await?;
    images.retain(|image| settings.names(&image.tags, destination));
    Ok(images)
}

/// The backups of these live instances that carry no target tag, with their instances' tags.
pub(crate) async fn untagged<'a>(
    ec2: &Client,
    settings: &Settings,
    instances: &Instances,
    ids: impl Iterator<Item = &'a String>,
) -> Result<Vec<Image>, AwsError> {
    let mut found = Vec::new();
    for ids in ids.cloned().collect::<Vec<_>>().chunks(MAX_FILTER_VALUES) {
        let sources = Filter::builder().name("source-instance-id").set_values(Some(ids.to_vec()));
        // An image that a person made without tags is meant to have none.
        let by_backup = Filter::builder().name("name").values(format!("{BACKUP_NAME}*"));
        let by_backup = by_backup.build();
        for image in images_with(ec2, [sources.build(), by_backup]).await? {
            let source = image.source_instance_id.clone();
            let source = source.and_then(|id| Some((instances.get(&id)?, id)));
            let image = source.map(|(instance, id)| image.with_tags_of(settings, &id, instance));
            found.extend(image.filter(|image| image.tags_of.is_some()));
        }
    }
    Ok(found)
}

/// The live instances that name this destination or that the images are backups of.
pub(crate) async fn instances_of(
    ec2: &Client,
    settings: &Settings,
    destination: &Destination,
    images: &[Image],
) -> Result<Instances, AwsError> {
    instances_for(ec2, tag_filter(settings, destination), images).await
}

/// The account's own images that all filters find.
pub(crate) async fn images_with(
    ec2: &Client,
    filters: impl IntoIterator<Item = Filter>,
) -> Result<Vec<Image>, AwsError> {
    let filters = filters.into_iter().collect();
    let request = ec2.describe_images().owners("self").set_filters(Some(filters));
    let pages = request.into_paginator().page_size(PAGE).items();
    let images: Result<Vec<_>, _> = pages.send().collect().await;
    let images = images.called("ec2:DescribeImages")?;
    Ok(images.into_iter().filter_map(to_image).collect())
}

/// The live instances that the filter finds or that the images are backups of.
pub(crate) async fn instances_for(
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
        is_backup: image.name.is_some_and(|name| name.starts_with(BACKUP_NAME)),
        status_message: None,
        tags_of: None,
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
