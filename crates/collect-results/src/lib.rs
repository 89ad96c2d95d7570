//! collect-results finds out what became of a page of promotions. The state machine knows the report
//! of each that succeeded; of the others the step reads how they ended.

mod decide;
mod error;
#[cfg(test)]
mod tests;

use aws::{AwsError, Called};
use aws_sdk_sfn::Client;
use contract::Named;
use contract::report::Summary;
use contract::steps::CollectInput;

use crate::decide::End;
pub use crate::error::Error;

/// Counts the promotions by outcome and describes those that failed.
///
/// # Errors
/// See [`Error`]. A promotion that failed is a row of the answer.
pub async fn handle(
    sfn: &Client,
    machine: &str,
    CollectInput { results }: CollectInput,
) -> Result<Summary, Error> {
    let mut rows = Vec::new();
    for result in results {
        let end = match decide::reported(&result) {
            Some(end) => end,
            None => end(sfn, &decide::execution_arn(machine, &result.start.name)).await?,
        };
        let row = decide::row(result, end);
        tracing::info!(
            target_name = row.name, execution = row.execution, outcome = ?row.outcome,
            error = row.error, "a promotion has ended"
        );
        rows.push(row);
    }
    Ok(decide::summary(rows))
}

/// How an execution ended that did not succeed, or whose answer did not reach the state machine:
/// one that a retried start finds has ended already.
async fn end(sfn: &Client, arn: &str) -> Result<End, AwsError> {
    let answer = sfn.describe_execution().execution_arn(arn).send().await;
    match answer.called("states:DescribeExecution") {
        Ok(found) => Ok(decide::end(found)),
        Err(error) if error.has_code("ExecutionDoesNotExist") => Ok(End::NotStarted),
        // The others of the page are reported all the same.
        Err(denied @ AwsError::Denied { .. }) => {
            Ok(End::Unreadable { error: denied.name().to_string(), sentence: denied.to_string() })
        }
        Err(error) => Err(error),
    }
}
