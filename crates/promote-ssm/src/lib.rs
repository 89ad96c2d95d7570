//! promote-ssm owns the write of pattern 1: the SSM parameter that the launch template reads.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use contract::steps::{PromoteInput, Promoted, WriteOutcome};
use step::AwsError;

use crate::decide::Action;
pub use crate::error::Error;

/// The data type that makes Parameter Store check the image, and that launch templates and
/// instance refreshes want (EC2 user guide, "Use a Systems Manager parameter instead of an AMI
/// ID"). Sent with every write: whether an overwrite without it keeps it is not documented.
const DATA_TYPE: &str = "aws:ec2:image";

/// Reads, compares, writes if need be, reads back.
///
/// # Errors
/// See [`Error`].
pub async fn handle(ssm: &Client, input: PromoteInput) -> Result<Promoted, Error> {
    let current = read(ssm, &input).await?;
    let previous_version = current.version();
    if decide::action(&input, current.value().unwrap_or_default())? == Action::Unchanged {
        let outcome = WriteOutcome::Unchanged;
        return Ok(Promoted { outcome, previous_version, version: previous_version });
    }
    write(ssm, &input).await?;
    // A 200 says only that the write was accepted; the image is checked afterwards
    // (`PutParameter`, DataType).
    let written = read(ssm, &input).await?;
    let value = written.value().unwrap_or_default();
    if value != input.after.as_str() {
        return Err(Error::ParameterNotUpdated {
            name: input.parameter_name.to_string(),
            written: input.after.to_string(),
            current: value.to_owned(),
        });
    }
    tracing::info!(parameter = %input.parameter_name, before = input.before, after = %input.after);
    Ok(Promoted { outcome: WriteOutcome::Updated, previous_version, version: written.version() })
}

async fn read(ssm: &Client, input: &PromoteInput) -> Result<Parameter, Error> {
    let name = input.parameter_name.as_str();
    let answer = ssm.get_parameter().name(name).send().await;
    let found = match answer.map_err(|error| AwsError::new("ssm:GetParameter", error)) {
        Ok(answer) => answer.parameter,
        Err(error) if error.has_code("ParameterNotFound") => None,
        Err(error) => return Err(error.into()),
    };
    found.ok_or_else(|| Error::ParameterNotFound(name.to_owned()))
}

async fn write(ssm: &Client, input: &PromoteInput) -> Result<(), Error> {
    let answer = ssm
        .put_parameter()
        .name(input.parameter_name.as_str())
        .value(input.after.as_str())
        .r#type(ParameterType::String)
        .data_type(DATA_TYPE)
        .overwrite(true)
        .send()
        .await;
    match answer.map_err(|error| AwsError::new("ssm:PutParameter", error)) {
        Ok(_) => Ok(()),
        // Parameter Store's own word for two writers at once.
        Err(error) if error.has_code("TooManyUpdates") => Err(Error::ConcurrentWrite {
            name: input.parameter_name.to_string(),
            seen: input.before.clone(),
            current: "being written by another".to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}
