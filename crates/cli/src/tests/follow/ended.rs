//! How an execution ended: its exit status, and what is printed.

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::operation::describe_execution::builders::DescribeExecutionOutputBuilder;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::{Value, json};

use super::super::EXECUTION;
use crate::follow::ended::Ended;

fn execution(status: ExecutionStatus) -> DescribeExecutionOutputBuilder {
    let found = DescribeExecutionOutput::builder().execution_arn(EXECUTION).status(status);
    found.state_machine_arn("arn").start_date(DateTime::from_secs(0))
}

fn succeeded(report: &Value) -> Ended {
    let found = execution(ExecutionStatus::Succeeded).output(report.to_string());
    Ended::of(&found.build().unwrap()).unwrap()
}

#[test]
fn a_running_execution_has_not_ended() {
    assert_eq!(Ended::of(&execution(ExecutionStatus::Running).build().unwrap()), None);
}

#[test]
fn the_exit_status_is_the_outcome() {
    for (outcome, expected) in
        [("Promoted", 0), ("Unchanged", 0), ("Planned", 0), ("Unproven", 3), ("Skipped", 4)]
    {
        let ended = succeeded(&json!({"outcome": outcome, "summary": "", "targets": []}));
        assert_eq!(ended.exit_status(), expected, "{outcome}");
    }
    for status in [ExecutionStatus::Failed, ExecutionStatus::TimedOut, ExecutionStatus::Aborted] {
        let ended = Ended::of(&execution(status.clone()).build().unwrap()).unwrap();
        assert_eq!(ended.exit_status(), 1, "{status}");
    }
}

#[test]
fn a_failed_execution_has_its_report_or_its_cause() {
    let report = json!({"outcome": "Failed", "summary": "One failed.", "targets": []});
    let failed = |error: &str, cause: &str| {
        let found = execution(ExecutionStatus::Failed).error(error).cause(cause);
        Ended::of(&found.build().unwrap()).unwrap()
    };
    let ended = failed("PromotionFailed", &report.to_string());
    assert_eq!((ended.report, ended.cause), (Some(report), None));
    let ended = failed("InvalidInput", "imageId: expected an image ID");
    assert_eq!(ended.report, None);
    let text = ended.sentences();
    assert!(text.starts_with("FAILED: InvalidInput: imageId: expected"), "{text}");
    assert!(text.contains("What it means: The input has none of the accepted forms"), "{text}");
}

#[test]
fn a_reconcile_is_reported_by_its_counts_and_the_targets_that_failed() {
    let report = include_str!("../../../../../tests/fixtures/reports/reconciled.json");
    let ended = succeeded(&serde_json::from_str(report).unwrap());
    let text = ended.sentences();
    assert!(text.starts_with("Failed: 2 targets: 1 promoted, 1 failed\n"), "{text}");
    assert!(text.contains(" failed: ParameterNotFound: parameter /golden/test-"), "{text}");
    assert!(text.contains("\n  driftless follow golden-test-"), "{text}");
    assert_eq!(ended.exit_status(), 1);
}
