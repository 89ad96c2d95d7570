//! Values in place: parameters, and how long an image lasts.

use anyhow::Result;
use aws::{AwsError, Called};

use super::{Clients, Image};
use crate::deployment::Parts;

/// A parameter as Parameter Store has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Parameter {
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// `text`, `aws:ec2:image`, …
    pub data_type: String,
    pub value: String,
    /// When it was written last, in seconds since 1970.
    pub written: Option<i64>,
}

/// When AWS Backup deletes an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Never, or it is no backup.
    Never,
    /// At this time, in seconds since 1970.
    At(i64),
    /// AWS Backup may not be read, with its reason.
    Denied(String),
}

impl Clients {
    /// A parameter, or `None` if it does not exist.
    ///
    /// # Errors
    /// The call failed.
    pub(crate) async fn parameter(&self, name: &str) -> Result<Option<Parameter>> {
        let found = aws::parameters::get(&self.ssm, name).await?;
        Ok(found.map(|found| Parameter {
            kind: found.r#type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            data_type: found.data_type.unwrap_or_default(),
            value: found.value.unwrap_or_default(),
            written: found.last_modified_date.map(|time| time.secs()),
        }))
    }

    /// When AWS Backup deletes an image.
    ///
    /// # Errors
    /// A call failed, but not because it was denied.
    pub(crate) async fn expiry(&self, image: &Image, parts: &Parts) -> Result<Expiry> {
        match self.deletion(image, parts).await {
            Ok(end) => Ok(end.map_or(Expiry::Never, Expiry::At)),
            Err(AwsError::Denied { message, .. }) => Ok(Expiry::Denied(message)),
            Err(error) => Err(error.into()),
        }
    }

    /// The same in seconds since 1970; `None` if never, or if it is no backup.
    async fn deletion(&self, image: &Image, parts: &Parts) -> Result<Option<i64>, AwsError> {
        let Some(instance) = &image.instance else { return Ok(None) };
        let instance = parts.instance_arn(instance);
        let point = format!("arn:{}:ec2:{}::image/{}", parts.partition(), parts.region(), image.id);
        let request = self.backup.list_recovery_points_by_resource().resource_arn(instance);
        let listed: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let listed = match listed.called("backup:ListRecoveryPointsByResource") {
            Ok(listed) => listed,
            // It has never backed up this instance.
            Err(error) if error.has_code("ResourceNotFoundException") => return Ok(None),
            Err(error) => return Err(error),
        };
        let listed = listed.iter().find(|one| one.recovery_point_arn() == Some(&point));
        let Some(vault) = listed.and_then(|one| one.backup_vault_name()) else { return Ok(None) };
        let request = self.backup.describe_recovery_point().backup_vault_name(vault);
        let found = request.recovery_point_arn(&point).send().await;
        let found = found.called("backup:DescribeRecoveryPoint")?;
        let end = found.calculated_lifecycle().and_then(|lifecycle| lifecycle.delete_at());
        Ok(end.map(|time| time.secs()))
    }
}
