//! Claims: they decide which call may replace a version of a parameter.
//!
//! `PutParameter` has no conditional write, and a new value becomes visible some time after the
//! write was accepted. So two concurrent calls, of two executions or of a repeated step, would both
//! see the old value and write. But `PutParameter` without overwrite creates a parameter only if it
//! does not exist. So a write is claimed first: the call creates a small parameter, named after the
//! parameter and the version to replace, outside of all targets. The claim is deleted as soon as
//! the new value is visible. A claim that a crash left behind is for a version that never returns,
//! or is taken over.

use aws::{AwsError, Called};
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;

/// Creates, reads and deletes claims.
#[derive(Debug, Clone)]
pub struct Claims {
    ssm: Client,
    prefix: String,
}

/// Who owns the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This call: it has just created the claim.
    Granted,
    /// An earlier call for the same decision, which may or may not have made the write.
    Mine,
    /// Another execution.
    Theirs,
}

impl Claims {
    /// `prefix` is the path of all claims, with a slash at its end.
    #[must_use]
    pub fn new(ssm: &Client, prefix: String) -> Self {
        Self { ssm: ssm.clone(), prefix }
    }

    /// Claims the write that replaces this version, for the decision with this token.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn take(
        &self,
        name: &str,
        version: i64,
        token: &str,
    ) -> Result<Claim, AwsError> {
        match self.put(name, version, token, false).await {
            Ok(()) => Ok(Claim::Granted),
            Err(error) if error.has_code("ParameterAlreadyExists") => {
                let holder = self.holder(name, version, token).await?;
                // A claim that was deleted meanwhile was another execution's: the next poll sees
                // its write.
                Ok(holder.unwrap_or(Claim::Theirs))
            }
            // Two creations at once, with an empty message (hashicorp/terraform-provider-aws#1082).
            Err(error) if error.has_code("TooManyUpdates") => Ok(Claim::Theirs),
            Err(error) => Err(error),
        }
    }

    /// Takes the claim over from an execution that has not returned.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn take_over(
        &self,
        name: &str,
        version: i64,
        token: &str,
    ) -> Result<(), AwsError> {
        self.put(name, version, token, true).await
    }

    /// Who owns the write that replaces this version, for the decision with this token:
    /// [`Claim::Mine`] or [`Claim::Theirs`], or `None` if there is no claim.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn holder(
        &self,
        name: &str,
        version: i64,
        token: &str,
    ) -> Result<Option<Claim>, AwsError> {
        let answer = self.ssm.get_parameter().name(self.name(name, version)).send().await;
        match answer.called("ssm:GetParameter") {
            Ok(found) => {
                let is_mine = found.parameter().and_then(|claim| claim.value()) == Some(token);
                Ok(Some(if is_mine { Claim::Mine } else { Claim::Theirs }))
            }
            Err(error) if error.has_code("ParameterNotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the claim, once the new value is visible or the write was refused.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn delete(&self, name: &str, version: i64) -> Result<(), AwsError> {
        let answer = self.ssm.delete_parameter().name(self.name(name, version)).send().await;
        match answer.called("ssm:DeleteParameter") {
            // An earlier call deleted it.
            Err(error) if error.has_code("ParameterNotFound") => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn put(
        &self,
        name: &str,
        version: i64,
        token: &str,
        overwrite: bool,
    ) -> Result<(), AwsError> {
        let request = self.ssm.put_parameter().name(self.name(name, version)).value(token);
        let request = request.r#type(ParameterType::String).overwrite(overwrite);
        request.send().await.called("ssm:PutParameter").map(drop)
    }

    /// The name of the claim on a version of a parameter.
    fn name(&self, name: &str, version: i64) -> String {
        format!("{}{}", self.prefix, step::token(name, [version.to_string().as_str()]))
    }
}
