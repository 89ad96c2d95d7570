//! Owns claims: which call may replace a version of a parameter.
//!
//! `PutParameter` knows no condition, and what it has accepted shows only later; so of two calls
//! at once, by two executions or by one that is repeated, both would see the old value and write.
//! But it can make a parameter that must not be there yet, of which one call alone succeeds. So
//! the write that replaces a version belongs to whoever makes the claim on it, a small parameter
//! apart from all targets. It goes as soon as the write shows. One that a crash left behind is on
//! a version that will never be there again, or is taken over.

use aws::{AwsError, Called};
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;

/// Where claims are made.
#[derive(Debug, Clone)]
pub struct Claims {
    ssm: Client,
    prefix: String,
}

/// Whose the write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This call's.
    Granted,
    /// An earlier call's for the same decision, which may have made the write or not.
    Mine,
    /// Another execution's.
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
                // One that has gone meanwhile was another's: its write shows at the next look.
                Ok(holder.unwrap_or(Claim::Theirs))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes it from an execution that has not come back.
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

    /// Whose the claim on this version is, for the decision with this token: [`Claim::Mine`] or
    /// [`Claim::Theirs`], or `None` where there is none.
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

    /// Gives it up: the write shows, or was refused.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn release(&self, name: &str, version: i64) -> Result<(), AwsError> {
        let answer = self.ssm.delete_parameter().name(self.name(name, version)).send().await;
        match answer.called("ssm:DeleteParameter") {
            // An earlier call did.
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

    /// What the claim on a version of a parameter is called.
    fn name(&self, name: &str, version: i64) -> String {
        format!("{}{}", self.prefix, step::token(name, [version.to_string().as_str()]))
    }
}
