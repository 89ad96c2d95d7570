//! Errors of AWS calls, and the conversion from the SDKs' errors. `docs/aws-errors.md` lists every
//! error that a step's calls are known to return, and how it is sorted; a test walks that table.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use contract::{ErrorName, Named};

use crate::refusals;

/// Names the call that an answer belongs to.
///
/// ```
/// use aws::{AwsError, Called};
///
/// async fn version(ssm: &aws_sdk_ssm::Client, name: &str) -> Result<Option<i64>, AwsError> {
///     let answer = ssm.get_parameter().name(name).send().await;
///     match answer.called("ssm:GetParameter") {
///         Ok(answer) => Ok(answer.parameter.map(|parameter| parameter.version())),
///         Err(error) if error.has_code("ParameterNotFound") => Ok(None),
///         Err(error) => Err(error),
///     }
/// }
/// ```
pub trait Called<T> {
    /// Classifies a failure. `action` is the call's IAM action, `service:Operation`.
    ///
    /// # Errors
    /// [`AwsError`]
    fn called(self, action: &'static str) -> Result<T, AwsError>;
}

impl<T, E> Called<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn called(self, action: &'static str) -> Result<T, AwsError> {
        self.map_err(|error| AwsError::new(action, &error))
    }
}

/// A failed AWS call. `code` and `message` are AWS's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// IAM denied the call.
    #[error("{action} is denied: {message}")]
    Denied {
        /// The IAM action, `service:Operation`.
        action: &'static str,
        /// AWS's text, which names the principal and usually the resource.
        message: String,
    },
    /// Throttled, 5xx, or no usable response. The call may have taken effect.
    #[error("{action} failed after all retries: {message}")]
    Unavailable {
        /// The IAM action, `service:Operation`.
        action: &'static str,
        /// The last failure.
        message: String,
    },
    /// Somebody else is changing the same resource at this moment. Look at it again.
    #[error("{action} is refused for now, because another caller is at it: {code}: {message}")]
    Contended {
        /// The IAM action, `service:Operation`.
        action: &'static str,
        /// AWS's error code.
        code: String,
        /// AWS's error text.
        message: String,
    },
    /// AWS refused the request.
    #[error("{action} is refused: {code}: {message}")]
    Refused {
        /// The IAM action, `service:Operation`.
        action: &'static str,
        /// AWS's error code.
        code: String,
        /// AWS's error text.
        message: String,
    },
}

impl AwsError {
    /// Classifies a failed call. `action` is its IAM action, `service:Operation`.
    fn new<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = match error {
            // The SDKs of the query services treat a success that they cannot parse as a refusal.
            SdkError::ServiceError(answer) if !answer.raw().status().is_success() => answer,
            _ => return Self::Unavailable { action, message: chain(error) },
        };
        let text = |text: Option<&str>, none: &str| {
            text.filter(|text| !text.is_empty()).unwrap_or(none).to_owned()
        };
        let code = text(answer.err().code(), "no code");
        let message = text(answer.err().message(), "no text");
        let is_server_error = answer.raw().status().is_server_error();
        match Sort::of(&code, &message, is_server_error) {
            Sort::Denied => Self::Denied { action, message },
            Sort::Contended => Self::Contended { action, code, message },
            Sort::Retry => Self::Unavailable { action, message: format!("{code}: {message}") },
            Sort::Refused => Self::Refused { action, code, message },
        }
    }

    /// Whether AWS refused with this code.
    #[must_use]
    pub fn has_code(&self, expected: &str) -> bool {
        matches!(
            self,
            Self::Refused { code, .. } | Self::Contended { code, .. } if code == expected
        )
    }
}

impl Named for AwsError {
    fn name(&self) -> ErrorName {
        match self {
            Self::Denied { .. } => ErrorName::AccessDenied,
            Self::Unavailable { .. } | Self::Contended { .. } => ErrorName::ServiceUnavailable,
            Self::Refused { .. } => ErrorName::UnexpectedAnswer,
        }
    }
}

/// What an error says about the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It would be denied again.
    Denied,
    /// It may succeed once another caller has finished.
    Contended,
    /// It may succeed: nothing is wrong with the request.
    Retry,
    /// The request is wrong, or the state that it met; a step may know the code or the text.
    Refused,
}

impl Sort {
    /// The name comes first: Auto Scaling reports `ResourceContention` with status 500.
    fn of(code: &str, message: &str, is_server_error: bool) -> Self {
        if is_denial(code) || refusals::is_wrapped_denial(code, message) {
            Self::Denied
        } else if is_contention(code) {
            Self::Contended
        } else if is_throttling(code) || is_server_error {
            Self::Retry
        } else {
            Self::Refused
        }
    }
}

/// An error and its causes. `DisplayErrorContext` would add all fields of each, and for a response
/// that cannot be parsed one field is the response itself, with the values in it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// The codes of a denial: EC2's, Systems Manager's and the query services'.
fn is_denial(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "UnauthorizedAccess"
    )
}

/// The codes for another caller that changes the same resource: Parameter Store's, with or without
/// a text; Auto Scaling's; and CloudFormation's for a change set that is being deleted.
fn is_contention(code: &str) -> bool {
    matches!(code, "TooManyUpdates" | "ResourceContention" | "InvalidChangeSetStatus")
}

/// The error codes for throttling, as in the SDK's own retries, but for the one that is a quota in
/// CloudFormation (`CreateChangeSet`).
fn is_throttling(code: &str) -> bool {
    use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
    let is_known = THROTTLING_ERRORS.contains(&code) || TRANSIENT_ERRORS.contains(&code);
    is_known && code != "LimitExceededException"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_cannot_be_read_is_not_repeated() {
        use aws_smithy_types::error::ErrorMetadata;
        let answer = HttpResponse::new(200.try_into().unwrap(), "{\"Value\": \"hush".into());
        let error: SdkError<ErrorMetadata, _> = SdkError::response_error("no end", answer);
        assert!(format!("{error:?}").contains("hush"), "{error:?}");
        let error = AwsError::new("ssm:GetParameter", &error);
        assert_eq!(error.name(), ErrorName::ServiceUnavailable);
        assert!(
            error.to_string().ends_with("after all retries: response error: no end"),
            "{error}"
        );
    }
}
