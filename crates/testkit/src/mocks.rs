//! SDK clients that answer from rules, for the steps' unit tests. The rules see each request, so a
//! test asserts the requests as well as the result and the log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

pub use aws_smithy_mocks::{
    MockResponseInterceptor, Rule, RuleMode, create_mock_http_client, mock,
};
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

/// A step's answer and its log.
///
/// # Panics
/// The runtime cannot be created.
pub fn logged<T>(step: impl Future<Output = T>) -> (T, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = fmt().with_ansi(false).with_writer(move || writer.clone());
    let _guard = subscriber.finish().set_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime.expect("a runtime").block_on(step);
    let bytes = log.0.lock().expect("the only one").clone();
    (answer, String::from_utf8_lossy(&bytes).into_owned())
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the only one").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client of the SDK crate `$sdk` that answers from these rules, each as often as it specifies,
/// in any order. A request that no rule matches fails the test; so no rules means that no call may
/// be made.
///
/// (`aws_smithy_mocks::mock_client!` needs the SDKs' `test-util` feature, and so a second
/// compilation of them.)
#[macro_export]
macro_rules! mock_client {
    ($sdk:ident, [$($rule:expr),* $(,)?]) => {{
        let rules = $crate::mocks::MockResponseInterceptor::new()
            .rule_mode($crate::mocks::RuleMode::MatchAny)
            $(.with_rule(&$rule))*;
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version_latest()
                .region($sdk::config::Region::new("eu-west-1"))
                .credentials_provider($sdk::config::Credentials::new("id", "key", None, None, "test"))
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .http_client($crate::mocks::create_mock_http_client())
                .interceptor(rules)
                .build(),
        )
    }};
}
