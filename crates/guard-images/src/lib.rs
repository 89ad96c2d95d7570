//! guard-images owns the protection of images in place: EC2 refuses to deregister them, so that
//! nothing deletes an image from which a group would heal. The state machine runs it after the proof,
//! and only if the operator chose it.
//!
//! An image's tags tell who needs it: one for each image parameter that holds it, of whichever
//! target, and one if Driftless enabled its protection. So targets may share an image, another's
//! protection stays, and what an earlier run has left undone is done by the next.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws::{AwsError, Called, images};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Image, Tag};
use contract::ids::ImageId;
use contract::steps::{Guard, GuardInput, Guarded};

use crate::decide::{Change, Holder, Switch};
pub use crate::error::Error;

/// Protects the images that the target holds, and releases those that it held before.
///
/// Without a group that is known to boot the new images nothing is released: it may still boot an
/// old one.
///
/// # Errors
/// See [`Error`].
pub async fn handle(
    ec2: &Client,
    account: &str,
    GuardInput { guard, groups }: GuardInput,
) -> Result<Guarded, Error> {
    let holders = decide::holders(&guard);
    let mut images = concerned(ec2, &guard, &holders).await?;
    // Only its owner can protect an image.
    images.retain(|_, image| image.owner_id() == Some(account));
    let (held, replaced) = images.into_iter().partition(|(id, _)| decide::is_held(id, &holders));
    let mut guarded = Guarded::default();
    apply_all(ec2, &held, &holders, &mut guarded).await?;
    if !groups.rows.is_empty() {
        let shared = apply_all(ec2, &replaced, &holders, &mut guarded).await?;
        let shared = images::describe(ec2, &shared).await?;
        apply_all(ec2, &shared, &holders, &mut guarded).await?;
    }
    let Guarded { protected, released } = &guarded;
    tracing::info!(?protected, ?released, "guarded the images in place");
    Ok(guarded)
}

/// The images that the target holds, those that they replaced, and those with a tag of the target.
async fn concerned(
    ec2: &Client,
    guard: &Guard,
    holders: &[Holder],
) -> Result<BTreeMap<ImageId, Image>, AwsError> {
    let replaced = guard.images.iter().filter_map(|held| held.replaced.clone());
    let ids: Vec<_> = guard.images.iter().map(|held| held.image.clone()).chain(replaced).collect();
    let mut found = images::describe(ec2, &ids).await?;
    let keys: Vec<_> = holders.iter().map(|holder| holder.key.clone()).collect();
    for filter in images::filters("tag-key", &keys) {
        found.extend(images::list(ec2.describe_images().owners("self").filters(filter)).await?);
    }
    Ok(found)
}

/// Changes what has to be changed about these images. Returns those that another holder shares.
async fn apply_all(
    ec2: &Client,
    images: &BTreeMap<ImageId, Image>,
    holders: &[Holder],
    guarded: &mut Guarded,
) -> Result<Vec<ImageId>, Error> {
    let mut shared = Vec::new();
    for (id, image) in images {
        let change = decide::change(image, holders);
        match apply(ec2, id, &change).await {
            // It was deleted since it was listed. One that is still held fails the next proof.
            Err(Error::Aws(error)) if is_gone(&error) && !decide::is_held(id, holders) => continue,
            applied => applied?,
        }
        match change.switch {
            Some(Switch::Enable) => guarded.protected.push(id.clone()),
            Some(Switch::Disable) => guarded.released.push(id.clone()),
            None => {}
        }
        if change.is_shared {
            shared.push(id.clone());
        }
    }
    Ok(shared)
}

fn is_gone(error: &AwsError) -> bool {
    error.has_code("InvalidAMIID.NotFound") || error.has_code("InvalidAMIID.Unavailable")
}

async fn apply(ec2: &Client, id: &ImageId, change: &Change) -> Result<(), Error> {
    if !change.add.is_empty() {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let tags = change.add.iter().map(tag).collect();
        let added = ec2.create_tags().resources(id.as_str()).set_tags(Some(tags)).send().await;
        added.called("ec2:CreateTags").map_err(|error| match error {
            full if full.has_code("TagLimitExceeded") => Error::ImageTagsFull(id.clone()),
            error => error.into(),
        })?;
    }
    match change.switch {
        Some(Switch::Enable) => {
            let request = ec2.enable_image_deregistration_protection().image_id(id.as_str());
            request.send().await.called("ec2:EnableImageDeregistrationProtection")?;
        }
        Some(Switch::Disable) => {
            let request = ec2.disable_image_deregistration_protection().image_id(id.as_str());
            request.send().await.called("ec2:DisableImageDeregistrationProtection")?;
        }
        None => {}
    }
    if !change.remove.is_empty() {
        let tag = |key: &String| Tag::builder().key(key).build();
        let tags = change.remove.iter().map(tag).collect();
        let removed = ec2.delete_tags().resources(id.as_str()).set_tags(Some(tags)).send().await;
        removed.called("ec2:DeleteTags")?;
    }
    Ok(())
}
