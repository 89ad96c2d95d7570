//! What EC2 knows of images.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Image};
use contract::ids::ImageId;

use crate::{AwsError, Called};

/// EC2 takes 200 values in one filter (EC2 API, "Filter").
const MAX_VALUES: usize = 200;

/// Filters for all these values. Of no value there is no filter, because an empty one matches
/// everything.
#[must_use]
pub fn filters(name: &str, values: &[String]) -> Vec<Filter> {
    let filter =
        |values: &[String]| Filter::builder().name(name).set_values(Some(values.to_vec())).build();
    values.chunks(MAX_VALUES).map(filter).collect()
}

/// What EC2 says of these images now; one that is gone is left out. Asked for by ID instead of by
/// filter, it would fail the call.
///
/// # Errors
/// [`AwsError`]
pub async fn describe(ec2: &Client, ids: &[ImageId]) -> Result<BTreeMap<ImageId, Image>, AwsError> {
    let mut found = BTreeMap::new();
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    for filter in filters("image-id", &ids) {
        let request = ec2.describe_images().filters(filter);
        // What is in place may be another account's, of whom EC2 leaves out the deprecated ones.
        let request = request.include_disabled(true).include_deprecated(true);
        let answer: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        found.extend(answer.called("ec2:DescribeImages")?.into_iter().filter_map(|image| {
            let id = image.image_id.as_deref()?.parse().ok()?;
            Some((id, image))
        }));
    }
    Ok(found)
}
