//! validate-ami owns the question "which image is to be in place?". It reads what is in place and
//! what the candidates are now, and decides for each image parameter of the target.

pub mod checks;
pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Image};
use contract::ids::ImageId;
use contract::steps::{ValidateInput, Validated};
use contract::target::{Pattern, Target};
use step::{AwsError, texts};

pub use crate::error::Error;

/// The services that the step reads.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The parameters of a stack.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// The images.
    pub ec2: aws_sdk_ec2::Client,
    /// The value of an SSM parameter.
    pub ssm: aws_sdk_ssm::Client,
}

/// Reads what is in place and the images, and decides.
///
/// # Errors
/// See [`Error`].
pub async fn handle(clients: &Clients, input: ValidateInput) -> Result<Validated, Error> {
    let target = input.target;
    let in_place = match target.pattern {
        Pattern::Parameter => parameter(&clients.ssm, &target.name).await?,
        Pattern::Stack => stack_parameters(&clients.cloudformation, &target).await?,
    };
    let images = images(&clients.ec2, &decide::wanted(&target, &in_place)).await?;
    let decisions = target.parameters.iter().map(|parameter| {
        decide::decision(parameter, &in_place[&parameter.parameter], &images, target.allow_older)
    });
    let images = decisions.collect::<Result<Vec<_>, _>>()?;
    for image in &images {
        let (before, after, outcome) = (&image.before, &image.after, image.outcome);
        tracing::info!(target = target.name, parameter = image.parameter, before, %after, ?outcome);
    }
    Ok(Validated { images })
}

/// The value of the SSM parameter, under its name.
async fn parameter(
    ssm: &aws_sdk_ssm::Client,
    name: &str,
) -> Result<BTreeMap<String, String>, Error> {
    let answer = ssm.get_parameter().name(name).send().await;
    let found = match answer.map_err(|error| AwsError::new("ssm:GetParameter", error)) {
        Ok(answer) => answer.parameter,
        Err(error) if error.has_code("ParameterNotFound") => None,
        Err(error) => return Err(error.into()),
    };
    let found = found.ok_or_else(|| Error::ParameterNotFound(name.to_owned()))?;
    Ok(BTreeMap::from([(name.to_owned(), found.value.unwrap_or_default())]))
}

/// The values of the stack's parameters, of which the target's images name some.
async fn stack_parameters(
    cloudformation: &aws_sdk_cloudformation::Client,
    target: &Target,
) -> Result<BTreeMap<String, String>, Error> {
    let answer = cloudformation.describe_stacks().stack_name(&target.name).send().await;
    let stacks = match answer.map_err(|e| AwsError::new("cloudformation:DescribeStacks", e)) {
        Ok(answer) => answer.stacks.unwrap_or_default(),
        Err(error) if texts::is_stack_missing(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let stack = stacks.into_iter().next();
    let stack = stack.ok_or_else(|| Error::StackNotFound(target.name.clone()))?;
    let values = stack.parameters.unwrap_or_default().into_iter();
    let values: BTreeMap<_, _> =
        values.filter_map(|p| Some((p.parameter_key?, p.parameter_value?))).collect();
    let missing = target.parameters.iter().map(|parameter| parameter.parameter.clone());
    let missing: Vec<_> = missing.filter(|key| !values.contains_key(key)).collect();
    if missing.is_empty() {
        return Ok(values);
    }
    let known = values.into_keys().collect();
    Err(Error::ParameterKeyNotFound { stack: target.name.clone(), missing, known })
}

/// What EC2 says of these images now; one that is gone is left out.
async fn images(
    ec2: &aws_sdk_ec2::Client,
    ids: &[ImageId],
) -> Result<BTreeMap<ImageId, Image>, AwsError> {
    let mut found = BTreeMap::new();
    // EC2 takes 200 values in one filter (EC2 API, "Filter"). Ids that are asked for as such
    // would fail the call as a whole when one is gone.
    for ids in ids.chunks(200) {
        let values = ids.iter().map(ToString::to_string).collect();
        let filter = Filter::builder().name("image-id").set_values(Some(values)).build();
        let request = ec2.describe_images().filters(filter).include_disabled(true);
        let answer: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let answer = answer.map_err(|error| AwsError::new("ec2:DescribeImages", error))?;
        found.extend(answer.into_iter().filter_map(|image| {
            let id = image.image_id.as_deref()?.parse().ok()?;
            Some((id, image))
        }));
    }
    Ok(found)
}
