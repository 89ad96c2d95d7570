//! The functions of a deployed Driftless: what each is given, and what it answered.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use aws_sdk_sfn::types::HistoryEvent;
use serde::Deserialize;
use serde_json::Value;

use crate::cloud::Called;
use crate::{Driftless, Execution, deploy};

/// One invocation by a state machine that succeeded.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The function's name, as AWS has it.
    pub function: String,
    /// What it was given.
    pub input: Value,
    /// What it answered.
    pub output: Value,
    /// When it was scheduled and when it had succeeded, in milliseconds since 1970.
    pub between: (i64, i64),
}

/// The parameters of a `lambda:invoke` task.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    function_name: String,
    payload: Value,
}

impl Driftless {
    /// The environment variables of each function, by the function's name.
    pub fn environments(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            functions: Vec<Function>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Function {
            function_name: String,
            environment: Option<Environment>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase")]
        struct Environment {
            variables: BTreeMap<String, String>,
        }
        let listed = deploy::aws(&self.cloud, &["lambda", "list-functions", "--output", "json"])?;
        let listed: Listed = serde_json::from_str(&listed).context("the list of functions")?;
        let variables =
            |f: Function| (f.function_name, f.environment.unwrap_or_default().variables);
        Ok(listed.functions.into_iter().map(variables).collect())
    }

    /// The ARNs of the executions of all state machines of the account, and of those of their Map Runs.
    pub async fn executions_of_all_machines(&self) -> Result<Vec<String>> {
        let sfn = &self.cloud.sfn;
        let mut arns = Vec::new();
        let machines = sfn.list_state_machines().send().await.called("states:ListStateMachines")?;
        for machine in machines.state_machines {
            let pages = sfn.list_executions().state_machine_arn(machine.state_machine_arn);
            let listed: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
            for execution in listed.called("states:ListExecutions")? {
                arns.extend(self.executions_of_map_runs(&execution.execution_arn).await?);
                arns.push(execution.execution_arn);
            }
        }
        Ok(arns)
    }

    /// The ARNs of the executions that the Distributed Maps of an execution have started.
    async fn executions_of_map_runs(&self, execution: &str) -> Result<Vec<String>> {
        let events = Execution::by_arn(&self.cloud, execution).events(false).await?;
        let started = events.iter().filter_map(|event| event.map_run_started_event_details());
        let mut arns = Vec::new();
        for run in started.filter_map(|details| details.map_run_arn()) {
            let pages = self.cloud.sfn.list_executions().map_run_arn(run).into_paginator();
            let listed: Result<Vec<_>, _> = pages.items().send().collect().await;
            let listed = listed.called("states:ListExecutions")?.into_iter();
            arns.extend(listed.map(|execution| execution.execution_arn));
        }
        Ok(arns)
    }
}

impl Execution {
    /// The invocations of functions that succeeded, in the order in which they did.
    pub async fn invocations(&self) -> Result<Vec<Invocation>> {
        let mut open: HashMap<i64, Invocation> = HashMap::new();
        let mut done = Vec::new();
        for event in self.events(true).await? {
            // Each event has the ID of the one before it in its own branch.
            let before = open.remove(&event.previous_event_id);
            if let Some(invocation) = scheduled(&event)? {
                open.insert(event.id, invocation);
            } else if let Some(mut invocation) = before {
                if let Some(output) = succeeded(&event)? {
                    invocation.output = output;
                    invocation.between.1 = milliseconds(&event)?;
                    done.push(invocation);
                } else if event.task_started_event_details.is_some() {
                    open.insert(event.id, invocation);
                }
            }
        }
        Ok(done)
    }
}

fn scheduled(event: &HistoryEvent) -> Result<Option<Invocation>> {
    let Some(details) = &event.task_scheduled_event_details else { return Ok(None) };
    if details.resource_type != "lambda" {
        return Ok(None);
    }
    let task: Task = serde_json::from_str(&details.parameters).context("a task's parameters")?;
    Ok(Some(Invocation {
        function: name(&task.function_name).to_owned(),
        input: task.payload,
        output: Value::Null,
        between: (milliseconds(event)?, i64::MAX),
    }))
}

/// The function's name in its ARN, which may end in a version.
fn name(arn: &str) -> &str {
    arn.split(':').nth(6).unwrap_or(arn)
}

fn succeeded(event: &HistoryEvent) -> Result<Option<Value>> {
    let details = event.task_succeeded_event_details.as_ref();
    let Some(output) = details.and_then(|details| details.output.as_ref()) else { return Ok(None) };
    let mut output: Value = serde_json::from_str(output).context("a task's output")?;
    Ok(Some(output["Payload"].take()))
}

fn milliseconds(event: &HistoryEvent) -> Result<i64> {
    event.timestamp.to_millis().context("a time beyond all times")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_not_a_name() {
        let function = "arn:aws:lambda:us-east-1:111122223333:function:driftless-Report-1A";
        assert_eq!(name(function), "driftless-Report-1A");
        assert_eq!(name(&format!("{function}:7")), "driftless-Report-1A");
    }
}
