//! resolve-tags resolves an input to targets with their candidate images. The event or the manual
//! input is only a hint; the answer comes from the tagged images and instances as they are now. So
//! a late, repeated or out-of-order event leads to the same targets.

mod decide;
mod error;
mod fetch;
mod request;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use aws_sdk_ec2::Client;
use contract::ids::ImageId;
use contract::steps::Resolved;
use contract::target::{Promotion, Run, Target};
use serde_json::Value;
use tags::{Image, Instance, Settings, listing};

pub use crate::error::Error;
use crate::request::{NamedTarget, Request, Trigger};

/// Resolves `input` to targets and their candidates.
///
/// # Errors
/// See [`Error`]. An input without targets is an answer, not an error.
pub async fn handle(ec2: &Client, settings: &Settings, input: Value) -> Result<Resolved, Error> {
    match request::request(input)? {
        Request::Skip(reason) => Ok(skipped(reason)),
        Request::Image(image_id, trigger) => by_image(ec2, settings, &image_id, trigger).await,
        Request::Named(named, run) => by_name(ec2, settings, &named, run).await,
    }
}

/// The targets in one image's tags. A manual run pins the image; after an event, every image of the
/// same target competes with it.
async fn by_image(
    ec2: &Client,
    settings: &Settings,
    image_id: &ImageId,
    trigger: Trigger,
) -> Result<Resolved, Error> {
    let image = fetch::image(ec2, image_id).await?;
    let image = decide::as_triggered(image, &trigger);
    let source = fetch::source(ec2, settings, &image).await?;
    let image = match &source {
        Some((id, Some(instance))) if decide::may_inherit(&image, &trigger) => {
            image.with_tags_of(settings, id, instance)
        }
        _ => image,
    };
    let leads = settings.leads(&image.tags)?;
    let run = trigger.run();
    if leads.destinations.is_empty() {
        return match (leads.foreign.is_empty(), run) {
            (true, _) if decide::may_be_tagged_yet(&trigger, SystemTime::now().into()) => {
                Err(Error::Untagged(image_id.clone()))
            }
            (true, _) => nowhere(settings, &image, source.as_ref()),
            (false, None) => Ok(skipped(format!("image {image_id}: {}", leads.foreign.join("; ")))),
            // A person who names an image expects something of it.
            (false, Some(_)) => Err(Error::OutsidePrefixes(leads.foreign.join("; "))),
        };
    }
    let mut targets = Vec::new();
    for destination in &leads.destinations {
        let mut images = vec![image.clone()];
        if run.is_none() {
            images.extend(fetch::images_of(ec2, settings, destination).await?);
        }
        let instances = fetch::instances_of(ec2, settings, destination, &images).await?;
        if run.is_none() {
            let named = tags::naming(settings, &instances, destination);
            images.extend(listing::untagged_backups(ec2, settings, &instances, named).await?);
        }
        let run = run.unwrap_or_default();
        targets.push(decide::promotion(settings, destination, images, &instances, run));
    }
    Ok(resolved(targets))
}

/// An image that belongs nowhere is none of ours, unless it or its instance is tagged for Driftless.
fn nowhere(
    settings: &Settings,
    image: &Image,
    source: Option<&(String, Option<Instance>)>,
) -> Result<Resolved, Error> {
    let reason = settings.no_destination(
        &image.image_id,
        source.map(|(id, instance)| (id.as_str(), instance.is_some())),
    );
    let instance = source.and_then(|(_, instance)| instance.as_ref());
    let mut tags =
        [Some(&image.tags), instance.map(|instance| &instance.tags)].into_iter().flatten();
    if tags.any(|tags| settings.lack_target(tags)) {
        let key = &settings.keys.parameter_key;
        return Err(Error::Unplaced(format!("{reason}, although the tag {key} is there")));
    }
    Ok(skipped(reason))
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
    let mut images = fetch::images_of(ec2, settings, destination).await?;
    let instances = fetch::instances_of(ec2, settings, destination, &images).await?;
    let named_by = tags::naming(settings, &instances, destination);
    images.extend(listing::untagged_backups(ec2, settings, &instances, named_by).await?);
    let images = decide::images_of_named(settings, named, images, &instances)?;
    let mut promotion = decide::promotion(settings, destination, images, &instances, run);
    if let Target::Parameter { readers, .. } = &mut promotion.target {
        readers.clone_from(&named.groups);
    }
    Ok(resolved(vec![promotion]))
}

fn resolved(mut promotions: Vec<Promotion>) -> Resolved {
    decide::truncate_candidates(&mut promotions);
    let targets: Vec<_> = promotions.iter().map(|one| one.target.name()).collect();
    tracing::info!(?targets, "resolved the targets");
    Resolved::Targets { promotions }
}

fn skipped(reason: String) -> Resolved {
    tracing::info!(reason, "found no targets");
    Resolved::Skipped { reason }
}
