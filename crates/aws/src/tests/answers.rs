//! `docs/aws-errors.md` says how every known error is sorted; here each row is walked.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use contract::{ErrorName, Named};

use crate::{AwsError, Called, refusals};

const TABLE: &str = include_str!("../../../../docs/aws-errors.md");

/// A row of the table.
#[derive(Debug)]
struct Row {
    code: &'static str,
    /// AWS's own words, where the row has them.
    text: Option<&'static str>,
    status: u16,
    sorted: &'static str,
}

fn rows() -> Vec<Row> {
    let rows = TABLE.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ").skip(1);
        let (code, text) = cells.next()?.strip_prefix('`')?.split_once('`')?;
        let text = text.strip_prefix(": \"").and_then(|text| text.strip_suffix('"'));
        let status = cells.next()?.parse().unwrap();
        Some(Row { code, text, status, sorted: cells.next()? })
    });
    rows.collect()
}

/// What a call that is answered so becomes.
fn answered(Row { code, text, status, .. }: &Row) -> AwsError {
    let error = ErrorMetadata::builder().code(*code).message(text.unwrap_or("why")).build();
    let response = HttpResponse::new((*status).try_into().unwrap(), "".into());
    let answer: Result<(), _> = Err(SdkError::service_error(error, response));
    answer.called("ssm:PutParameter").unwrap_err()
}

/// Whether a predicate on texts knows it.
fn is_known_text(error: &AwsError) -> bool {
    refusals::is_stack_missing(error)
        || refusals::is_not_a_stack_resource(error)
        || refusals::is_nothing_to_update(error)
        || refusals::is_drift_detection_running(error)
        || refusals::is_drift_detection_forgotten(error)
        || refusals::is_stack_changing(error)
        || refusals::is_service_role_unusable(error)
        || refusals::is_failed_validation(&error.to_string())
        || refusals::stack_state_in_refusal(error).is_some()
}

#[test]
fn every_row_is_sorted_as_it_says() {
    let rows = rows();
    assert!(rows.len() > 50, "{} rows", rows.len());
    for row in &rows {
        let error = answered(row);
        let (sorted, name) = match error {
            AwsError::Denied { .. } => ("denied", ErrorName::AccessDenied),
            AwsError::Contended { .. } => ("another caller", ErrorName::ServiceUnavailable),
            AwsError::Unavailable { .. } => ("retry", ErrorName::ServiceUnavailable),
            AwsError::Refused { .. } if row.sorted == "by name" => {
                ("by name", ErrorName::UnexpectedAnswer)
            }
            AwsError::Refused { .. } => ("unexpected", ErrorName::UnexpectedAnswer),
        };
        assert_eq!((sorted, name), (row.sorted, error.name()), "{row:?}");
        let asks_by_code = matches!(sorted, "by name" | "another caller");
        assert_eq!(error.has_code(row.code), asks_by_code || sorted == "unexpected", "{row:?}");
    }
}

#[test]
fn a_text_is_known_by_a_predicate_exactly_where_the_table_says_so() {
    for row in rows().iter().filter(|row| row.code == "ValidationError") {
        assert_eq!(is_known_text(&answered(row)), row.sorted == "by name", "{row:?}");
    }
}

/// hashicorp/terraform-provider-aws#1082: two creations at once are refused with an empty message.
#[test]
fn an_empty_text_is_told_as_none() {
    let empty =
        Row { code: "TooManyUpdates", text: Some(""), status: 400, sorted: "another caller" };
    let told = answered(&empty).to_string();
    assert!(told.ends_with("because another caller is at it: TooManyUpdates: no text"), "{told}");
}

/// Auto Scaling's model gives `ResourceContention` the status 500.
#[test]
fn the_name_is_looked_at_before_the_status() {
    let contention = Row { code: "ResourceContention", text: None, status: 500, sorted: "" };
    assert!(answered(&contention).has_code("ResourceContention"));
    let failure = Row { code: "InternalFailure", ..contention };
    assert!(matches!(answered(&failure), AwsError::Unavailable { .. }));
}
