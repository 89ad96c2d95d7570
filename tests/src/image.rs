//! Images that are not backups, and SSM parameters that contain an image.

use anyhow::{Context, Result, bail};
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, EbsBlockDevice, Image, ImageState, ResourceType, Tag,
    TagSpecification,
};
use aws_sdk_ssm::types::ParameterType;

use crate::cloud::{Called, Cloud};
use crate::{unique, wait};

/// The public parameter with the newest Amazon Linux image.
const AMAZON_LINUX: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
/// The data type with which Parameter Store validates that the image exists.
const IMAGE_DATA_TYPE: &str = "aws:ec2:image";

/// A base image: Amazon Linux on AWS, a newly registered image in a local AWS.
pub async fn base(cloud: &Cloud) -> Result<String> {
    if !cloud.is_local() {
        return Ok(Parameter::by_name(cloud, AMAZON_LINUX).read().await?.value);
    }
    let root = EbsBlockDevice::builder().snapshot_id(snapshot(cloud).await?).build();
    let device = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(root).build();
    let answer = cloud
        .ec2
        .register_image()
        .name(unique("base"))
        .architecture(ArchitectureValues::X8664)
        .virtualization_type("hvm")
        .root_device_name("/dev/xvda")
        .block_device_mappings(device)
        .send()
        .await
        .called("ec2:RegisterImage")?;
    let id = answer.image_id.context("RegisterImage gave no id")?;
    available(cloud, &id).await?;
    Ok(id)
}

/// A snapshot for the root volume of an image.
async fn snapshot(cloud: &Cloud) -> Result<String> {
    let zone = format!("{}a", cloud.region());
    let volume = cloud.ec2.create_volume().availability_zone(zone).size(8).send().await;
    let volume = volume.called("ec2:CreateVolume")?.volume_id.context("the volume has no id")?;
    let request = cloud.ec2.create_snapshot().volume_id(volume);
    let snapshot = request.send().await.called("ec2:CreateSnapshot")?;
    // In a local AWS it is complete at once.
    snapshot.snapshot_id.context("CreateSnapshot gave no id")
}

/// Starts a copy of a base image, with these tags, and returns its ID.
pub async fn copy_of_base(cloud: &Cloud, tags: &[(&str, &str)]) -> Result<String> {
    copy(cloud, &base(cloud).await?, tags).await
}

/// Starts a copy of an image, with these tags, and returns its ID.
pub async fn copy(cloud: &Cloud, image: &str, tags: &[(&str, &str)]) -> Result<String> {
    let request = cloud.ec2.copy_image().source_image_id(image);
    let request = request.source_region(cloud.region()).name(unique("copy"));
    let request = if tags.is_empty() {
        request
    } else {
        let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build();
        let specification = TagSpecification::builder().resource_type(ResourceType::Image);
        let tags = tags.iter().map(tag).collect();
        request.tag_specifications(specification.set_tags(Some(tags)).build())
    };
    let answer = request.send().await.called("ec2:CopyImage")?;
    answer.image_id.context("CopyImage gave no id")
}

/// Waits until an image is available.
pub async fn available(cloud: &Cloud, id: &str) -> Result<Image> {
    wait::until(cloud, wait::IMAGE, &format!("{id} to be available"), async || {
        let image = describe(cloud, id).await?;
        match image.state {
            Some(ImageState::Available) => Ok(Some(image)),
            Some(ImageState::Pending) | None => Ok(None),
            Some(state) => bail!("{id} is {state}"),
        }
    })
    .await
}

/// EC2's description of an image.
pub async fn describe(cloud: &Cloud, id: &str) -> Result<Image> {
    let answer = cloud.ec2.describe_images().image_ids(id).send().await;
    let images = answer.called("ec2:DescribeImages")?.images.unwrap_or_default();
    images.into_iter().next().with_context(|| format!("image {id} does not exist"))
}

/// An SSM parameter with an image's id.
#[derive(Debug, Clone)]
pub struct Parameter {
    cloud: Cloud,
    /// Its name.
    pub name: String,
}

/// The contents of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The image's id.
    pub value: String,
    /// The version, which counts the writes.
    pub version: i64,
}

impl Parameter {
    /// A parameter by its name, whether or not it exists.
    #[must_use]
    pub fn by_name(cloud: &Cloud, name: &str) -> Self {
        Self { cloud: cloud.clone(), name: name.to_owned() }
    }

    /// Creates or overwrites it, and waits until the value is visible.
    pub async fn write(&self, image: &str) -> Result<()> {
        let request = self.cloud.ssm.put_parameter().name(&self.name).value(image).overwrite(true);
        let request = request.r#type(ParameterType::String).data_type(IMAGE_DATA_TYPE);
        request.send().await.called("ssm:PutParameter")?;
        // Parameter Store responds before it validates the value, so read it back.
        let what = format!("{} to be {image}", self.name);
        wait::until(&self.cloud, wait::START, &what, async || {
            Ok(self.read().await.ok().filter(|found| found.value == image))
        })
        .await
        .map(drop)
    }

    /// Reads it.
    pub async fn read(&self) -> Result<Contents> {
        let answer = self.cloud.ssm.get_parameter().name(&self.name).send().await;
        let parameter = answer.called("ssm:GetParameter")?.parameter;
        let parameter = parameter.context("GetParameter gave nothing")?;
        let value = parameter.value.context("the parameter has no value")?;
        Ok(Contents { value, version: parameter.version })
    }

    /// All its values, oldest first.
    pub async fn values(&self) -> Result<Vec<String>> {
        let request = self.cloud.ssm.get_parameter_history().name(&self.name);
        let pages: Result<Vec<_>, _> = request.into_paginator().send().collect().await;
        let pages = pages.called("ssm:GetParameterHistory")?.into_iter();
        let mut history: Vec<_> =
            pages.flat_map(|page| page.parameters.unwrap_or_default()).collect();
        history.sort_by_key(|entry| entry.version);
        Ok(history.into_iter().filter_map(|entry| entry.value).collect())
    }

    /// Deletes it.
    pub async fn delete(&self) -> Result<()> {
        let answer = self.cloud.ssm.delete_parameter().name(&self.name).send().await;
        answer.called("ssm:DeleteParameter").map(drop)
    }
}
