//! The last execution about each target. Only an execution's report says which targets it was about.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionListItem;
use contract::report::Report;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::client::Called;
use crate::deployment::Deployment;
use crate::target::Target;

/// How many executions are looked at, the newest first: these at least, and twice as many as there are
/// targets, because a reconcile starts one for each; a page at most (`ListExecutions`, `maxResults`).
const MIN_EXECUTIONS: usize = 200;
const MAX_EXECUTIONS: i32 = 1_000;
/// How many are described at a time.
const AT_ONCE: usize = 8;

/// An execution that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastExecution {
    /// Its ARN.
    pub execution: String,
    /// The outcome for the target, as in the report.
    pub outcome: String,
    /// When it ended, in seconds since 1970.
    pub ended: i64,
}

/// The last execution about each of these targets, by the target's name.
///
/// # Errors
/// A call failed.
pub(crate) async fn last(
    deployment: &Deployment,
    targets: &BTreeSet<Target>,
) -> Result<BTreeMap<String, LastExecution>> {
    let count = MIN_EXECUTIONS.max(2 * targets.len());
    let count = i32::try_from(count).unwrap_or(MAX_EXECUTIONS).min(MAX_EXECUTIONS);
    let request = deployment.sfn.list_executions().max_results(count);
    let listed = request.state_machine_arn(&deployment.parts.state_machine).send().await;
    let listed = listed.called("states:ListExecutions")?.executions;
    let mut found = BTreeMap::new();
    let mut described = stream::iter(listed)
        .map(async |one: ExecutionListItem| {
            let request = deployment.sfn.describe_execution().execution_arn(one.execution_arn);
            request.send().await.called("states:DescribeExecution")
        })
        .buffered(AT_ONCE);
    // The newest first: a target's first one is its last.
    while let Some(execution) = described.try_next().await? {
        for (name, last) in outcomes(&execution) {
            found.entry(name).or_insert(last);
        }
        if targets.iter().all(|target| found.contains_key(target.name())) {
            break;
        }
    }
    Ok(found)
}

/// What an execution did for each of its targets; nothing while it runs.
pub(crate) fn outcomes(execution: &DescribeExecutionOutput) -> Vec<(String, LastExecution)> {
    let Some(ended) = execution.stop_date() else { return Vec::new() };
    let text = execution.output().or(execution.cause()).unwrap_or_default();
    let Ok(report) = serde_json::from_str::<Report>(text) else { return Vec::new() };
    let last = |outcome| LastExecution {
        execution: execution.execution_arn.clone(),
        outcome,
        ended: ended.secs(),
    };
    let targets = report.targets.into_iter();
    targets.map(|target| (target.name, last(format!("{:?}", target.outcome)))).collect()
}
