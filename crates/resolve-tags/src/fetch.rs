//! Reads the images and instances of one input from EC2.

use std::collections::BTreeSet;

use aws::{AwsError, Called};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Filter;
use contract::ids::ImageId;
use tags::{Destination, Image, Instance, Instances, Settings, listing};

use crate::Error;

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
    let instance = listing::instances(ec2, by_id).await?.remove(&id);
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
    let image = found.into_iter().find_map(listing::image);
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
    let mut images = listing::images(ec2, [tag_filter(settings, destination)]).await?;
    images.retain(|image| settings.names(&image.tags, destination));
    Ok(images)
}

/// The live instances that name this destination or that the images are backups of.
pub(crate) async fn instances_of(
    ec2: &Client,
    settings: &Settings,
    destination: &Destination,
    images: &[Image],
) -> Result<Instances, AwsError> {
    let mut found = listing::instances(ec2, tag_filter(settings, destination)).await?;
    // A set: the images of many nights have the same source.
    let sources: BTreeSet<_> = images
        .iter()
        .filter_map(|image| image.source_instance_id.as_deref())
        .filter(|id| !found.contains_key(*id))
        .map(str::to_owned)
        .collect();
    for by_id in aws::images::filters("instance-id", &Vec::from_iter(sources)) {
        found.extend(listing::instances(ec2, by_id).await?);
    }
    Ok(found)
}

/// Finds the destination's name in every form, and other names that contain it. EC2 reads * in a
/// filter's value as a wildcard; names of parameters and stacks contain none.
fn tag_filter(settings: &Settings, destination: &Destination) -> Filter {
    let tag = settings.tag_of(destination);
    Filter::builder().name(format!("tag:{tag}")).values(format!("*{}*", destination.name())).build()
}
