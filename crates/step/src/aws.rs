//! How the steps call AWS, and what a failed call is.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::ErrorKind;
use contract::{ErrorName, Named};

/// How often the SDK itself tries a call: throttling and broken connections are over in a moment
/// mostly. What lasts longer is the state machine's to retry.
const ATTEMPTS: u32 = 4;
/// One attempt; AWS's slowest of our calls (`UpdateStack`) answers within two or three seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// All attempts of one call; less than the functions' own timeout, so that the step still answers
/// with a name.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The configuration for all clients of a step, from the function's environment.
///
/// Credentials come from the environment alone: Lambda puts the role's there for as long as the
/// sandbox lives (Lambda developer guide, "Defined runtime environment variables"), and the
/// default chain costs start-up time to find the same.
pub async fn sdk_config() -> SdkConfig {
    let crypto = tls::rustls_provider::CryptoMode::AwsLc;
    let http_client = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(crypto))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .http_client(http_client)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(CALL_TIMEOUT)
                .build(),
        )
        .load()
        .await
}

/// Has the SDK try a call again only where AWS throttled it, and so has done nothing. For a write
/// that AWS would make a second time: after a broken connection or a 5xx nobody knows whether it
/// has been made, and the step has to look first.
#[derive(Debug)]
pub struct OnlyThrottling;

impl ClassifyRetry for OnlyThrottling {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(&self, _: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        match previous {
            RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. })
                if *kind == ErrorKind::ThrottlingError =>
            {
                RetryAction::NoActionIndicated
            }
            RetryAction::RetryIndicated(_) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "only throttling"
    }

    /// After all of the SDK's own.
    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// A call to AWS that did not succeed. `code` and `message` are AWS's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// IAM does not let the function do it.
    #[error("{action} is denied: {message}")]
    Denied {
        /// The IAM action, `service:Operation`.
        action: &'static str,
        /// AWS's text, which names the principal and mostly the resource.
        message: String,
    },
    /// Throttled, 5xx, or no usable answer. Whether the call took effect is not known.
    #[error("{action} got no answer that can be used, also when tried again: {message}")]
    Unavailable {
        /// The IAM action, `service:Operation`.
        action: &'static str,
        /// The last failure.
        message: String,
    },
    /// AWS understood and said no.
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
    /// Sorts a failed call. `action` is its IAM action, `service:Operation`.
    pub fn new<E>(action: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = match &error {
            // The SDKs of the query services take a success that they cannot read for a refusal.
            SdkError::ServiceError(answer) if !answer.raw().status().is_success() => answer,
            _ => return Self::Unavailable { action, message: chain(&error) },
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

/// An error and its causes. Not as `DisplayErrorContext` has them: that adds each with all its
/// fields, and a field of an answer that cannot be read is the answer, with the values in it.
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

/// The codes of throttling, as the SDK's own retries know them.
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
        let error = AwsError::new("ssm:GetParameter", error);
        assert_eq!(error.name(), ErrorName::ServiceUnavailable);
        assert!(error.to_string().ends_with("tried again: response error: no end"), "{error}");
    }

    #[test]
    fn a_write_is_sent_again_only_where_nothing_was_done() {
        use aws_smithy_runtime_api::client::interceptors::context::Input;
        let context = InterceptorContext::new(Input::erase(()));
        let none = RetryAction::NoActionIndicated;
        for (before, after) in [
            (none.clone(), none.clone()),
            (RetryAction::throttling_error(), none),
            (RetryAction::server_error(), RetryAction::RetryForbidden),
            (RetryAction::transient_error(), RetryAction::RetryForbidden),
        ] {
            assert_eq!(OnlyThrottling.classify_retry_v2(&context, &before), after, "{before}");
        }
    }
}
