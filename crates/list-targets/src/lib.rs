//! list-targets lists every target of the account that an image names, a round at a time, and the
//! groups that boot from each parameter. The listings serve all targets: their calls grow with
//! their pages, not with the targets.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws::{AwsError, groups};
use contract::ids::ParameterName;
use contract::steps::{ListInput, Listed};
use tags::{Destination, Image, Settings, listing};

use crate::decide::Readers;
pub use crate::error::Error;

/// The services that the step reads.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The groups.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// The images, the instances, and the launch templates.
    pub ec2: aws_sdk_ec2::Client,
}

/// Lists the targets of one round.
///
/// # Errors
/// See [`Error`].
pub async fn handle(
    clients: &Clients,
    settings: &Settings,
    input: ListInput,
) -> Result<Listed, Error> {
    let named = named(&clients.ec2, settings).await?;
    let (targets, next) = decide::round(named, input.after.as_deref());
    let readers = Box::pin(readers(clients, settings, &targets)).await?;
    let listed = decide::listed(&input, targets, next, &readers);
    tracing::info!(targets = listed.targets.len(), next = listed.next, "listed the targets");
    Ok(listed)
}

/// Every target that an image names, or a live instance whose backups have lost their tags.
async fn named(
    ec2: &aws_sdk_ec2::Client,
    settings: &Settings,
) -> Result<BTreeSet<Destination>, AwsError> {
    let images = listing::images(ec2, [listing::tagged(settings)]);
    let instances = listing::instances(ec2, listing::tagged(settings));
    let (images, instances) = tokio::try_join!(images, instances)?;
    let mut named: BTreeSet<_> = images.iter().flat_map(|image| leads(settings, image)).collect();
    let lost = decide::without_image(settings, &instances, &named);
    let backups = listing::untagged_backups(ec2, settings, &instances, lost.into_iter()).await?;
    named.extend(backups.iter().flat_map(|image| leads(settings, image)));
    Ok(named)
}

fn leads(settings: &Settings, image: &Image) -> Vec<Destination> {
    match settings.leads(&image.tags) {
        Ok(leads) => leads.destinations,
        // The other images have nothing to do with this one's mistake.
        Err(error) => {
            tracing::warn!(image_id = %image.image_id, %error, "ignored an image with a malformed tag");
            Vec::new()
        }
    }
}

/// The groups that boot from each parameter of the round.
async fn readers(
    clients: &Clients,
    settings: &Settings,
    targets: &[Destination],
) -> Result<Readers, AwsError> {
    let parameters: BTreeSet<&ParameterName> = targets
        .iter()
        .filter_map(|target| match target {
            Destination::Parameter(name) => Some(name),
            Destination::Stack(_) => None,
        })
        .collect();
    if parameters.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (autoscaling, ec2) = (&clients.autoscaling, &clients.ec2);
    let found = groups::readers(autoscaling, ec2, &parameters, &settings.account).await?;
    let names = found.into_iter().map(|(parameter, groups)| {
        let names = groups.iter().filter_map(|group| group.auto_scaling_group_name());
        (parameter.clone(), names.map(str::to_owned).collect())
    });
    Ok(names.collect())
}
