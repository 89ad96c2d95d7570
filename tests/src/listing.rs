//! Lists the executions of a Driftless: all, or only new ones.

use std::collections::HashSet;

use anyhow::Result;
use aws_sdk_sfn::operation::list_executions::builders::ListExecutionsFluentBuilder;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use serde_json::Value;

use crate::cloud::Called;
use crate::driftless::job;
use crate::{Driftless, Execution};

/// A point in time in the list of executions.
#[derive(Debug)]
pub struct Mark {
    /// When the newest execution was started; absent if there was none.
    since: Option<DateTime>,
    /// The executions that were started at that time: several may have the same.
    known: HashSet<String>,
}

/// The page size when only the newest executions are needed.
const PAGE: i32 = 50;

impl Driftless {
    /// Marks the current end of the list.
    pub async fn mark(&self) -> Result<Mark> {
        let since = self.list_executions().max_results(1).send().await;
        let since = since.called("states:ListExecutions")?.executions;
        let since = since.first().map(|newest| newest.start_date);
        let known = self.listed_since(since).await?;
        Ok(Mark { since, known: known.into_iter().map(|one| one.execution_arn).collect() })
    }

    /// The executions that have been started since the mark, newest first.
    pub async fn started_since(&self, mark: &Mark) -> Result<Vec<Execution>> {
        let mut listed = self.listed_since(mark.since).await?;
        listed.retain(|one| !mark.known.contains(&one.execution_arn));
        Ok(listed.iter().map(|one| Execution::by_arn(&self.cloud, &one.execution_arn)).collect())
    }

    /// The first execution that has started since the mark and has this text in its input.
    pub async fn started_with(&self, mark: &Mark, text: &str) -> Result<Option<Execution>> {
        for execution in self.started_since(mark).await? {
            if execution.input().await?.to_string().contains(text) {
                return Ok(Some(execution));
            }
        }
        Ok(None)
    }

    /// The events (identified by their jobs) that have started an execution since the mark.
    pub async fn have_started(&self, mark: &Mark, events: &[Value]) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        for execution in self.started_since(mark).await? {
            let input = execution.input().await?.to_string();
            for event in events {
                if input.contains(job(event)?) {
                    found.push(event.clone());
                }
            }
        }
        Ok(found)
    }

    /// The newest reconcile; absent if there was none.
    pub async fn newest_reconcile(&self) -> Result<Option<Execution>> {
        let request = self.cloud.sfn.list_executions().state_machine_arn(&self.reconcile_machine);
        let listed = request.max_results(1).send().await.called("states:ListExecutions")?;
        let newest = listed.executions.first();
        Ok(newest.map(|newest| Execution::by_arn(&self.cloud, &newest.execution_arn)))
    }

    /// The executions that began at this time or after it, newest first.
    async fn listed_since(&self, since: Option<DateTime>) -> Result<Vec<ExecutionListItem>> {
        let pages = self.list_executions().max_results(PAGE).into_paginator();
        let mut pages = pages.items().send();
        let mut listed = Vec::new();
        while let Some(one) = pages.next().await {
            let one = one.called("states:ListExecutions")?;
            if since.is_some_and(|since| one.start_date.as_nanos() < since.as_nanos()) {
                break;
            }
            listed.push(one);
        }
        Ok(listed)
    }

    /// The ARNs of all executions, newest first.
    pub async fn executions(&self) -> Result<Vec<String>> {
        let listed = self.listed_since(None).await?;
        Ok(listed.into_iter().map(|execution| execution.execution_arn).collect())
    }

    /// How many executions have not ended.
    pub async fn running(&self) -> Result<usize> {
        let request = self.list_executions().status_filter(ExecutionStatus::Running);
        let running: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        Ok(running.called("states:ListExecutions")?.len())
    }

    fn list_executions(&self) -> ListExecutionsFluentBuilder {
        self.cloud.sfn.list_executions().state_machine_arn(&self.state_machine)
    }
}

/// Whether this event (identified by its job) has started the execution.
pub(crate) async fn is_started_by(execution: &Execution, event: &Value) -> Result<bool> {
    Ok(execution.input().await?.to_string().contains(job(event)?))
}
