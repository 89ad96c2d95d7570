//! Images, as EC2 lists them.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder;
use aws_sdk_ec2::types::{Filter, Image};
use contract::Gather;
use contract::ids::ImageId;

use crate::{AwsError, Called, pages};

/// The maximum number of values in one filter (EC2 API, "Filter").
const MAX_VALUES: usize = 200;

/// Filters for all these values. No values make no filter, because an empty filter matches
/// everything.
#[must_use]
pub fn filters(name: &str, values: &[String]) -> Vec<Filter> {
    let filter =
        |values: &[String]| Filter::builder().name(name).set_values(Some(values.to_vec())).build();
    values.chunks(MAX_VALUES).map(filter).collect()
}

/// These images as EC2 lists them now, without those that no longer exist. A request by ID instead
/// of by filter would fail for those.
///
/// # Errors
/// [`AwsError`]
pub async fn describe(ec2: &Client, ids: &[ImageId]) -> Result<BTreeMap<ImageId, Image>, AwsError> {
    let mut found = BTreeMap::new();
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    for filter in filters("image-id", &ids) {
        found.extend(list(ec2.describe_images().filters(filter)).await?);
    }
    Ok(found)
}

/// All images that a request lists, disabled and deprecated ones too.
///
/// # Errors
/// [`AwsError`]
pub async fn list(
    request: DescribeImagesFluentBuilder,
) -> Result<BTreeMap<ImageId, Image>, AwsError> {
    // The image in place may belong to another account; EC2 omits another account's deprecated
    // images by default.
    let request = request.include_disabled(true).include_deprecated(true);
    let images = pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("ec2:DescribeImages")?;
        Ok((page.images, page.next_token))
    });
    let images = images.await?.into_iter();
    Ok(images.filter_map(|image| Some((image.image_id.as_deref()?.parse().ok()?, image))).gather())
}
