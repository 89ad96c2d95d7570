//! Lists images and live instances from EC2.

use aws::{AwsError, Called, pages};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use contract::Gather;

use crate::{Image, Instance, Instances, Settings, Tags};

/// Without a page size EC2 does not paginate, and a long listing may exceed a call's timeout (EC2
/// API reference, "Query requests", Pagination).
const PAGE: i32 = 500;
/// How AWS Backup's names of images begin, for example `AwsBackup_i-09bba03659a0990da_e4a139ba-…` in
/// ministryofjustice/modernisation-platform-environments.
const BACKUP_NAME: &str = "AwsBackup_";

/// Finds everything that carries a tag that may name a target.
#[must_use]
pub fn tagged(settings: &Settings) -> Filter {
    let keys = &settings.keys;
    let filter = Filter::builder().name("tag-key");
    filter.values(&keys.parameter_name).values(&keys.stack_name).build()
}

/// The account's own images that all filters find.
///
/// # Errors
/// The call failed.
pub async fn images(
    ec2: &Client,
    filters: impl IntoIterator<Item = Filter>,
) -> Result<Vec<Image>, AwsError> {
    let filters = filters.into_iter().collect();
    let request = ec2.describe_images().owners("self").set_filters(Some(filters));
    let request = request.max_results(PAGE);
    let images = pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("ec2:DescribeImages")?;
        Ok((page.images, page.next_token))
    });
    Ok(images.await?.into_iter().filter_map(image).collect())
}

/// The backups of these live instances that carry no target tag, with their instances' tags.
///
/// # Errors
/// The call failed.
pub async fn untagged_backups<'a>(
    ec2: &Client,
    settings: &Settings,
    instances: &Instances,
    ids: impl Iterator<Item = &'a String>,
) -> Result<Vec<Image>, AwsError> {
    let mut found = Vec::new();
    let ids: Vec<_> = ids.cloned().collect();
    for sources in aws::images::filters("source-instance-id", &ids) {
        // An image that a person made without tags is meant to have none.
        let by_backup = Filter::builder().name("name").values(format!("{BACKUP_NAME}*"));
        for image in images(ec2, [sources, by_backup.build()]).await? {
            let source = image.source_instance_id.clone();
            let source = source.and_then(|id| Some((instances.get(&id)?, id)));
            let image = source.map(|(instance, id)| image.with_tags_of(settings, &id, instance));
            found.extend(image.filter(|image| image.tags_of.is_some()));
        }
    }
    Ok(found)
}

/// The live instances that the filter finds.
///
/// # Errors
/// The call failed.
pub async fn instances(ec2: &Client, filter: Filter) -> Result<Instances, AwsError> {
    let live = Filter::builder().name("instance-state-name");
    let live = live.values("pending").values("running").values("stopping").values("stopped");
    let request = ec2.describe_instances().filters(filter).filters(live.build());
    let request = request.max_results(PAGE);
    let reservations = pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("ec2:DescribeInstances")?;
        Ok((page.reservations, page.next_token))
    });
    let instances = reservations
        .await?
        .into_iter()
        .flat_map(|reservation| reservation.instances.unwrap_or_default());
    Ok(instances.filter_map(instance).gather())
}

/// What the steps read of an image. `None` if EC2's answer has no valid ID.
#[must_use]
pub fn image(image: aws_sdk_ec2::types::Image) -> Option<Image> {
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

fn instance(instance: aws_sdk_ec2::types::Instance) -> Option<(String, Instance)> {
    let instance_type = instance.instance_type.map(|kind| kind.as_str().to_owned());
    Some((instance.instance_id?, Instance { instance_type, tags: to_tags(instance.tags) }))
}

fn to_tags(tags: Option<Vec<Tag>>) -> Tags {
    tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).gather()
}
