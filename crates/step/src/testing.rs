//! SDK clients that answer from rules, for the steps' unit tests. The rules see each request, so
//! a test asserts what was asked as well as what came of it.

pub use aws_smithy_mocks::{
    MockResponseInterceptor, Rule, RuleMode, create_mock_http_client, mock,
};

/// A client of the SDK crate `$sdk` that answers from these rules, each as often as it says, in
/// any order. A request that no rule matches fails the test; so no rules means that no call may
/// be made.
///
/// (`aws_smithy_mocks::mock_client!` wants the SDKs' `test-util` feature, and with it a second
/// compilation of them.)
#[macro_export]
macro_rules! mock_client {
    ($sdk:ident, [$($rule:expr),* $(,)?]) => {{
        let rules = $crate::testing::MockResponseInterceptor::new()
            .rule_mode($crate::testing::RuleMode::MatchAny)
            $(.with_rule(&$rule))*;
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version_latest()
                .region($sdk::config::Region::new("eu-west-1"))
                .credentials_provider($sdk::config::Credentials::new("id", "key", None, None, "test"))
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .http_client($crate::testing::create_mock_http_client())
                .interceptor(rules)
                .build(),
        )
    }};
}
