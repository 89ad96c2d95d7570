//! collect-results: what each promotion came to, and how a page stays small.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ErrorMetadata;
use aws_sdk_sfn::operation::describe_execution::{DescribeExecutionError, DescribeExecutionOutput};
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use contract::output::StepOutput;
use contract::report::{Outcome, PromotionRow, Summary};
use contract::steps::{CollectInput, StartResult};
use serde_json::{Value, json};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use crate::handle;

const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:promote-ami";
const EXECUTION: &str = "arn:aws:states:eu-west-1:111122223333:execution:promote-ami:web-1";

fn result(changed: &Value) -> StartResult {
    let mut result = json!({"start": {"name": "web-1", "input": {"target": {"stackName": "web"}}}});
    for (field, value) in changed.as_object().unwrap() {
        result[field] = value.clone();
    }
    serde_json::from_value(result).unwrap()
}

fn described(status: &ExecutionStatus, text: &str) -> DescribeExecutionOutput {
    let found = DescribeExecutionOutput::builder()
        .execution_arn(EXECUTION)
        .state_machine_arn(MACHINE)
        .start_date(DateTime::from_secs(0))
        .status(status.clone());
    let found = if *status == ExecutionStatus::Succeeded {
        found.output(text)
    } else {
        found.error("PromotionFailed").cause(text)
    };
    found.build().unwrap()
}

fn describes(status: ExecutionStatus, text: &'static str) -> Rule {
    mock!(Client::describe_execution)
        .match_requests(|r| r.execution_arn() == Some(EXECUTION))
        .then_output(move || described(&status, text))
}

fn knows_none() -> Rule {
    mock!(Client::describe_execution).then_error(|| {
        let code = ErrorMetadata::builder().code("ExecutionDoesNotExist").build();
        DescribeExecutionError::generic(code)
    })
}

fn may_not_be_read() -> Rule {
    mock!(Client::describe_execution).then_error(|| {
        let error = ErrorMetadata::builder().code("AccessDeniedException").message("no");
        DescribeExecutionError::generic(error.build())
    })
}

async fn collected(results: Vec<StartResult>, rule: Option<Rule>) -> Summary {
    let sfn = if let Some(rule) = rule {
        mock_client!(aws_sdk_sfn, [rule])
    } else {
        mock_client!(aws_sdk_sfn, [])
    };
    handle(&sfn, MACHINE, CollectInput { results }).await.unwrap()
}

#[tokio::test]
async fn a_report_that_the_state_machine_has_needs_no_call() {
    let summary = collected(
        vec![
            result(&json!({"outcome": "Unchanged", "summary": "stack web: Unchanged"})),
            result(&json!({"outcome": "Promoted", "summary": "stack web: Updated"})),
        ],
        None,
    )
    .await;
    assert_eq!((summary.counts.promoted, summary.counts.unchanged), (1, 1));
    assert_eq!(summary.failed.rows, []);
    // What changed something comes first, and what changed nothing needs no sentence.
    let told: Vec<_> = summary.others.rows.iter().map(|row| row.sentence.as_deref()).collect();
    assert_eq!(told, [Some("stack web: Updated"), None]);
}

#[tokio::test]
async fn of_the_others_the_end_is_read() {
    const REPORT: &str = r#"{"outcome": "Failed", "summary": "stack web: Failed", "targets": [{
        "pattern": "stack", "name": "web", "outcome": "Failed", "images": [], "writes": [],
        "plan": {"rows": [], "more": 0}, "drift": [], "groups": {"rows": [], "more": 0}, "refresh": [],
        "error": {"step": "UpdateStack", "name": "AccessDenied", "message": "denied"}}]}"#;
    const DENIED: &str = "states:DescribeExecution is denied: no";
    const UNCHANGED: &str = r#"{"outcome": "Unchanged", "summary": "", "targets": []}"#;
    let of = ExecutionStatus::Failed;
    for (rule, outcome, error, sentence) in [
        (
            describes(of.clone(), REPORT),
            Some(Outcome::Failed),
            Some("AccessDenied"),
            Some("denied"),
        ),
        (
            describes(of, "target names nothing"),
            Some(Outcome::Failed),
            Some("PromotionFailed"),
            Some("target names nothing"),
        ),
        (
            describes(ExecutionStatus::Aborted, ""),
            Some(Outcome::Failed),
            Some("ABORTED"),
            Some("it was stopped, or ran out of time"),
        ),
        // The start was retried after the execution had ended.
        (describes(ExecutionStatus::Succeeded, UNCHANGED), Some(Outcome::Unchanged), None, None),
        (
            describes(ExecutionStatus::Running, ""),
            None,
            Some("States.TaskFailed"),
            Some("it is still running"),
        ),
        (knows_none(), None, Some("States.TaskFailed"), Some("it was not started")),
        (may_not_be_read(), None, Some("AccessDenied"), Some(DENIED)),
    ] {
        let results = vec![result(&json!({"error": "States.TaskFailed"}))];
        let summary = collected(results, Some(rule)).await;
        let rows = summary.failed.rows.into_iter().chain(summary.others.rows);
        let [row] = &rows.collect::<Vec<PromotionRow>>()[..] else { panic!("one row") };
        assert_eq!((row.outcome, row.error.as_deref()), (outcome, error));
        assert_eq!(row.sentence.as_deref(), sentence);
        assert_eq!((row.name.as_str(), row.execution.as_str()), ("web", "web-1"));
        assert_eq!(summary.counts.total(), 1);
    }
}

#[tokio::test]
async fn a_page_stays_small_and_loses_no_count() {
    let name = format!("/{}", "x".repeat(1_000));
    let input = json!({"name": "x".repeat(80), "input": {"target": {"parameterName": name}}});
    let long = result(&json!({"start": input, "error": "E".repeat(5_000)}));
    let summary = collected(vec![long; 25], Some(knows_none())).await;
    assert_eq!((summary.counts.unknown, summary.counts.total()), (25, 25));
    assert_eq!(summary.failed.rows.len() + summary.failed.more, 25);
    assert!(summary.failed.rows.len() >= 12, "{}", summary.failed.rows.len());
    assert!(step::json_bytes(&summary) <= Summary::MAX_BYTES);
}
