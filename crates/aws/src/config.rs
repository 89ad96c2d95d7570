//! How AWS is called: credentials, time-outs, and what the SDK retries by itself.

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
