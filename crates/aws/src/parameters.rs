//! The values of SSM parameters.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::Parameter;

use crate::{AwsError, Called};

/// The parameter, or `None` if it does not exist. `name` may end in a version, `NAME:3`.
///
/// # Errors
/// [`AwsError`]
pub async fn get(ssm: &Client, name: &str) -> Result<Option<Parameter>, AwsError> {
    let answer = ssm.get_parameter().name(name).send().await;
    match answer.called("ssm:GetParameter") {
        Ok(answer) => Ok(answer.parameter),
        Err(error) if error.has_code("ParameterNotFound") => Ok(None),
        Err(error) => Err(error),
    }
}
