//! Configures AWS calls: credentials, timeouts, and the SDK's own retries.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::retry::ErrorKind;

/// How often the SDK itself attempts a call: throttling and broken connections usually pass
/// quickly. The state machine retries what lasts longer.
const ATTEMPTS: u32 = 4;
/// The timeout of one attempt; the slowest call (`UpdateStack`) takes two or three seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// The timeout of all attempts of one call; shorter than the functions' own timeout, so that the
/// step can still return a named error.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The configuration for all clients of a step, from the function's environment.
///
/// Credentials come only from the environment: Lambda sets the role's credentials there for the
/// lifetime of the sandbox (Lambda developer guide, "Defined runtime environment variables"), and
/// the default chain would spend start-up time to find the same ones.
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

/// Lets the SDK retry a call only if AWS throttled it, and so has done nothing. Use it for a write
/// that AWS would make a second time: after a broken connection or a 5xx error it is unknown
/// whether the write was made, so the step must read first.
#[derive(Debug)]
pub struct RetryOnlyThrottling;

impl ClassifyRetry for RetryOnlyThrottling {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(RetryOnlyThrottling.classify_retry_v2(&context, &before), after, "{before}");
        }
    }
}
