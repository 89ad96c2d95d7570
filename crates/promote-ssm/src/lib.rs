//! promote-ssm owns the write of pattern 1: the SSM parameter that the launch template reads.

pub mod decide;
pub mod error;
#[cfg(test)]
mod tests;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use contract::steps::{Progress, PromoteInput, Promoted, WriteOutcome};
use step::AwsError;

use crate::decide::Action;
pub use crate::error::Error;

/// Reads, compares, writes if need be, reads back.
///
/// A 200 says only that the write was accepted; an image is checked afterwards (`PutParameter`,
/// DataType). So a value that does not show yet is looked for again, which the state machine
/// times.
///
/// # Errors
/// See [`Error`].
pub async fn handle(ssm: &Client, input: PromoteInput) -> Result<Promoted, Error> {
    let mut written = input.written;
    let mut current = read(ssm, &input).await?;
    let mut action = decide::action(&input, written, value(&current))?;
    if action == Action::Put {
        write(ssm, &input, &current).await?;
        tracing::info!(parameter = %input.parameter_name, before = input.before, after = %input.after);
        written = true;
        current = read(ssm, &input).await?;
        action = decide::action(&input, written, value(&current))?;
    }
    Ok(Promoted {
        status: if action == Action::InPlace { Progress::Complete } else { Progress::InProgress },
        outcome: if written { WriteOutcome::Updated } else { WriteOutcome::Unchanged },
        version: current.version(),
    })
}

fn value(parameter: &Parameter) -> &str {
    parameter.value().unwrap_or_default()
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

/// The data type goes along as it is: one that Parameter Store checks (`aws:ec2:image`) cannot
/// be changed to another or from another, and whether an overwrite without it keeps it is not
/// documented.
async fn write(ssm: &Client, input: &PromoteInput, current: &Parameter) -> Result<(), Error> {
    let answer = ssm
        .put_parameter()
        .name(input.parameter_name.as_str())
        .value(input.after.as_str())
        .r#type(ParameterType::String)
        .set_data_type(current.data_type().map(str::to_owned))
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
