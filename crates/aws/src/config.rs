//! Configures AWS calls: credentials, timeouts, and the SDK's own retries.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::retry::{ErrorKind, RetryConfig};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::connector;

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
/// Everything comes from the environment: Lambda sets the Region and the role's credentials there,
/// for the lifetime of the sandbox (Lambda developer guide, "Defined runtime environment
/// variables"). `aws-config` would look for the same in files and at other services as well, at every
/// cold start.
#[must_use]
pub fn sdk_config() -> SdkConfig {
    configured(|name| std::env::var(name).ok())
}

fn configured(variable: impl Fn(&str) -> Option<String>) -> SdkConfig {
    let is_set = |name| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(connector::http_client())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts)
        .use_fips(is_set("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(is_set("AWS_USE_DUALSTACK_ENDPOINT"));
    config.set_region(variable("AWS_REGION").map(Region::new));
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    config.set_credentials_provider(credentials(variable));
    config.build()
}

/// Without credentials every call fails, and says so.
fn credentials(variable: impl Fn(&str) -> Option<String>) -> Option<SharedCredentialsProvider> {
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    let token = variable("AWS_SESSION_TOKEN");
    let credentials = Credentials::new(id, secret, token, None, "Lambda");
    Some(SharedCredentialsProvider::new(credentials))
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

    #[tokio::test]
    async fn everything_comes_from_the_environment() {
        use aws_credential_types::provider::ProvideCredentials;
        let config = configured(|name| {
            let value = match name {
                "AWS_REGION" => "us-gov-west-1",
                "AWS_ACCESS_KEY_ID" => "AKID",
                "AWS_SECRET_ACCESS_KEY" => "secret",
                "AWS_SESSION_TOKEN" => "token",
                "AWS_USE_FIPS_ENDPOINT" => "true",
                _ => return None,
            };
            Some(value.to_owned())
        });
        assert_eq!(config.region().unwrap().as_ref(), "us-gov-west-1");
        assert_eq!((config.use_fips(), config.use_dual_stack()), (Some(true), Some(false)));
        assert_eq!(config.endpoint_url(), None);
        let credentials = config.credentials_provider().unwrap().provide_credentials().await;
        let credentials = credentials.unwrap();
        assert_eq!(credentials.access_key_id(), "AKID");
        assert_eq!(credentials.secret_access_key(), "secret");
        assert_eq!(credentials.session_token(), Some("token"));
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
            assert_eq!(RetryOnlyThrottling.classify_retry_v2(&context, &before), after, "{before}");
        }
    }
}
