//! Tests of `driftless`: what each command decides, which calls it makes, and what it prints.

/// A client that answers from these rules. (`mock_client!` needs the SDKs' `test-util` feature,
/// and so a second compilation of them.)
macro_rules! client {
    ($sdk:ident, $rules:expr) => {{
        let interceptor = aws_smithy_mocks::MockResponseInterceptor::new();
        let mut interceptor = interceptor.rule_mode(aws_smithy_mocks::RuleMode::MatchAny);
        for rule in $rules {
            interceptor = interceptor.with_rule(rule);
        }
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version_latest()
                .region($sdk::config::Region::new("eu-west-1"))
                .credentials_provider($sdk::config::Credentials::new(
                    "id", "key", None, None, "test",
                ))
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .http_client(aws_smithy_mocks::create_mock_http_client())
                .interceptor(interceptor)
                .build(),
        )
    }};
}

mod client;
mod commands;
mod deployment;
mod doctor;
mod follow;
mod inventory;
mod redrive;
mod rollback;
mod status;

use serde_json::{Value, json};

use crate::deployment::{Parts, Settings};

const STATUS_CHANGE: &str = "Step Functions Execution Status Change";
const EXECUTION: &str = "arn:aws:states:eu-west-1:111122223333:execution:driftless:run-1";

fn parts() -> Parts {
    Parts {
        stack: "driftless".into(),
        state_machine: "arn:aws:states:eu-west-1:111122223333:stateMachine:driftless".into(),
        reconcile: "arn:aws:states:eu-west-1:111122223333:stateMachine:reconcile".into(),
        queue: "https://sqs.eu-west-1.amazonaws.com/111122223333/letters".into(),
        settings: Settings::of(&[]),
    }
}

/// The event of an execution that did not succeed, with this besides.
fn ended(detail: &Value) -> Value {
    let mut event = json!({
        "detail-type": STATUS_CHANGE,
        "time": "2026-01-02T03:04:05Z",
        "resources": [EXECUTION],
        "detail": {"executionArn": EXECUTION, "status": "FAILED"},
    });
    for (name, value) in detail.as_object().unwrap() {
        event["detail"][name] = value.clone();
    }
    event
}
