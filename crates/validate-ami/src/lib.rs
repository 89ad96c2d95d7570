//! validate-ami decides which image must be in place. It reads the value in place, the candidates
//! and their origins, and decides for each image parameter of the target.

mod backups;
mod checks;
mod decide;
mod error;
mod expiring;
mod fetch;
mod plan;
mod policy;
mod provenance;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::SystemTime;

use aws::images;
use contract::Gather;
use contract::steps::{Refusal, ValidateInput, Validated};

use crate::checks::Ec2State;
use crate::decide::Evidence;
pub use crate::error::Error;
pub use crate::policy::{BadPolicy, Policy};

/// The services that the step reads.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The groups that images come from.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// What backup jobs said, and when images are deleted.
    pub backup: aws_sdk_backup::Client,
    /// The parameters of a stack.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// The images, their snapshots, launch templates and instance types.
    pub ec2: aws_sdk_ec2::Client,
    /// The value of an SSM parameter.
    pub ssm: aws_sdk_ssm::Client,
}

/// Reads the values in place, the images and their origins, and decides.
///
/// # Errors
/// See [`Error`].
pub async fn handle(
    clients: &Clients,
    policy: &Policy,
    input: ValidateInput,
) -> Result<Validated, Error> {
    let promotion = input.promotion;
    let target = &promotion.target;
    let in_place = Box::pin(fetch::in_place(clients, target)).await?;
    let ids = decide::image_ids(target, in_place.values().flatten());
    let (images, instance_types, sources) = tokio::try_join!(
        // Boxed, because the nested futures exceed the compiler's limit for computing a layout.
        Box::pin(images::describe(&clients.ec2, &ids)),
        Box::pin(fetch::instance_types(&clients.ec2, target)),
        Box::pin(fetch::sources(clients, target, &policy.account)),
    )?;
    let snapshot_ids: BTreeSet<_> = images.values().flat_map(checks::snapshot_ids).gather();
    let snapshot_ids: Vec<_> = snapshot_ids.into_iter().map(str::to_owned).collect();
    let instances = images.values().filter_map(|image| image.source_instance_id()).gather();
    let (snapshots, backups) = tokio::try_join!(
        Box::pin(fetch::snapshots(&clients.ec2, &snapshot_ids)),
        Box::pin(backups::fetch(&clients.backup, policy, instances)),
    )?;
    let now = SystemTime::now().into();
    let known = Ec2State { now, images, snapshots, instance_types, backups };
    let evidence = Evidence { known: &known, sources: &sources, policy };
    let validated = decide::decisions(&promotion, in_place, evidence)?;
    for image in &validated.images {
        let (parameter, before, after) = (&image.parameter, &image.before, &image.after);
        let (outcome, provenance) = (image.outcome, image.provenance.verdict);
        let target_name = target.name();
        tracing::info!(
            target_name, parameter, %before, %after, ?outcome, ?provenance, "decided about an image parameter"
        );
    }
    for Refusal { parameter, name, message } in &validated.refused {
        let target_name = target.name();
        tracing::warn!(target_name, parameter, error = %name, reason = message, "refused an image parameter");
    }
    Ok(validated)
}
