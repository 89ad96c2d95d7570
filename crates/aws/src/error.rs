//! Errors of AWS calls, and the conversion from the SDKs' errors.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use contract::{ErrorName, Named};

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
        let code = answer.err().code().unwrap_or("no code").to_owned();
        let message = answer.err().message().unwrap_or("no text").to_owned();
        if is_denial(&code) {
            Self::Denied { action, message }
        } else if is_throttling(&code) || answer.raw().status().is_server_error() {
            Self::Unavailable { action, message: format!("{code}: {message}") }
        } else {
            Self::Refused { action, code, message }
        }
    }

    /// Whether AWS refused with this code.
    #[must_use]
    pub fn has_code(&self, expected: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == expected)
    }
}

impl Named for AwsError {
    fn name(&self) -> ErrorName {
        match self {
            Self::Denied { .. } => ErrorName::AccessDenied,
            Self::Unavailable { .. } => ErrorName::ServiceUnavailable,
            Self::Refused { .. } => ErrorName::UnexpectedAnswer,
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

/// The error codes for throttling, as in the SDK's own retries.
fn is_throttling(code: &str) -> bool {
    aws_runtime::retries::classifiers::THROTTLING_ERRORS.contains(&code)
        || aws_runtime::retries::classifiers::TRANSIENT_ERRORS.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_denies_in_its_own_words() {
        for code in ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"] {
            assert!(is_denial(code), "{code}");
        }
        assert!(!is_denial("ValidationError"));
    }

    #[test]
    fn throttling_is_told_by_code() {
        for code in ["Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout"]
        {
            assert!(is_throttling(code), "{code}");
        }
        assert!(!is_throttling("ValidationError"));
    }

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
