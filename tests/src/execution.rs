//! Executions: following one to its end, its result, and its transcript.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, HistoryEventType};
use contract::ErrorName;
use contract::report::{ReconcileReport, Report};
use serde::de::DeserializeOwned;

use crate::cloud::{Called, Cloud};
use crate::control::Until;
use crate::wait;

/// Step Functions' status of an execution that has not ended.
const RUNNING: &str = "RUNNING";

/// One execution of the state machine.
#[derive(Debug, Clone)]
pub struct Execution {
    cloud: Cloud,
    /// Its ARN.
    pub arn: String,
}

/// An execution that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its ARN.
    pub arn: String,
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`.
    pub status: String,
    /// Its input.
    pub input: String,
    /// The name of the error.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
    /// The output of one that succeeded.
    pub output: Option<String>,
    /// Every state in the order in which it was entered.
    pub transcript: Vec<Step>,
    /// How long it took, according to AWS.
    pub took: Duration,
}

/// A state that was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The state's name.
    pub state: String,
    /// Which iteration of a Map state it belongs to, if any.
    pub branch: Option<i32>,
    /// The names of the errors that its attempts ended with.
    pub errors: Vec<String>,
}

/// When a state was entered.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The state's name.
    pub state: String,
    /// The seconds since the execution started.
    pub seconds: f64,
}

/// Something that happened in an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A state was entered.
    Entered(Step),
    /// An attempt of a state failed; a retry or a catcher may follow.
    Failed {
        /// The state's name.
        state: String,
        /// Which iteration of a Map state it belongs to.
        branch: Option<i32>,
        /// The error's name.
        error: String,
    },
}

impl std::fmt::Display for Step {
    /// `UpdateStack (StackBusy, StackBusy)`: a line of a golden transcript.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.state)?;
        if !self.errors.is_empty() {
            write!(f, " ({})", self.errors.join(", "))?;
        }
        Ok(())
    }
}

impl Ended {
    fn of(found: DescribeExecutionOutput, history: History) -> Self {
        let seconds = |date: Option<DateTime>| date.map_or(0.0, |date| date.as_secs_f64());
        let took = seconds(found.stop_date) - seconds(Some(found.start_date));
        Self {
            arn: found.execution_arn,
            status: found.status.to_string(),
            input: found.input.unwrap_or_default(),
            error: found.error,
            cause: found.cause,
            output: found.output,
            transcript: history.transcript,
            took: Duration::try_from_secs_f64(took).unwrap_or_default(),
        }
    }

    /// The report: the output of an execution that succeeded, the cause of one that failed.
    ///
    /// # Errors
    /// There is none, or it does not match the contract.
    pub fn report(&self) -> Result<Report> {
        self.parsed()
    }

    /// The report of a reconcile.
    ///
    /// # Errors
    /// There is none, or it does not match the contract.
    pub fn reconcile_report(&self) -> Result<ReconcileReport> {
        self.parsed()
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T> {
        let text = self.output.as_deref().or(self.cause.as_deref());
        let text = text.with_context(|| format!("{} without output or cause", self.status))?;
        serde_json::from_str(text).with_context(|| {
            let error = self.error.as_deref().unwrap_or("no error");
            format!("{} ({error}); this is not a report: {text}", self.status)
        })
    }

    /// The names of the states, in the order in which they were entered.
    #[must_use]
    pub fn states(&self) -> Vec<&str> {
        self.transcript.iter().map(|step| step.state.as_str()).collect()
    }
}

impl Execution {
    /// An execution by its ARN.
    #[must_use]
    pub fn by_arn(cloud: &Cloud, arn: &str) -> Self {
        Self { cloud: cloud.clone(), arn: arn.to_owned() }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It takes too long. That the execution failed is not an error.
    pub async fn ended(&self) -> Result<Ended> {
        wait::until(&self.cloud, wait::EXECUTION, &self.to_end(), async || {
            let is_over = match self.cloud.control() {
                Some(control) => control.execution(&self.arn, Until::Ended).await?.done,
                None => self.describe().await?.status != ExecutionStatus::Running,
            };
            Ok(is_over.then_some(()))
        })
        .await?;
        Ok(Ended::of(self.describe().await?, self.history().await?))
    }

    /// Waits until it has entered this state.
    pub async fn entered(&self, state: &str) -> Result<()> {
        let what = format!("{} to enter {state}", self.arn);
        wait::until(&self.cloud, wait::EXECUTION, &what, async || {
            let (is_there, status) = if let Some(control) = self.cloud.control() {
                let found = control.execution(&self.arn, Until::Entered(state)).await?;
                (found.done, found.status)
            } else {
                // The status first: a history that is read after the end is complete.
                let status = self.describe().await?.status.to_string();
                let steps = self.history().await?.transcript;
                (steps.iter().any(|step| step.state == state), status)
            };
            ensure!(is_there || status == RUNNING, "{} ended in {status} first", self.arn);
            Ok(is_there.then_some(()))
        })
        .await
        .with_context(|| format!("waiting for {what}"))
    }

    /// Waits until an attempt of this state has ended with this error.
    pub async fn attempted(&self, state: &str, error: ErrorName) -> Result<()> {
        let what = format!("{} to meet {error} in {state}", self.arn);
        wait::until(&self.cloud, wait::EXECUTION, &what, async || {
            let status = self.describe().await?.status;
            let steps = self.history().await?.transcript;
            let met = steps.iter().any(|step| {
                step.state == state && step.errors.iter().any(|found| found == error.as_str())
            });
            ensure!(
                met || status == ExecutionStatus::Running,
                "{} ended in {status} first",
                self.arn
            );
            Ok(met.then_some(()))
        })
        .await
        .with_context(|| format!("waiting for {what}"))
    }

    /// Waits for its end and reports each event as it happens.
    pub async fn follow(&self, mut report: impl FnMut(&Moment)) -> Result<Ended> {
        let mut history = History::default();
        let found = wait::until(&self.cloud, wait::EXECUTION, &self.to_end(), async || {
            // The status first: a history that is read after the end is complete.
            let found = self.describe().await?;
            for event in self.events(false).await? {
                if let Some(moment) = history.add(&event) {
                    report(&moment);
                }
            }
            Ok((found.status != ExecutionStatus::Running).then_some(found))
        })
        .await?;
        Ok(Ended::of(found, history))
    }

    /// When each state was entered, in order.
    pub async fn visits(&self) -> Result<Vec<Visit>> {
        let events = self.events(false).await?;
        let started = events.first().map_or(0.0, |event| event.timestamp.as_secs_f64());
        let visit = |event: &HistoryEvent| {
            let entered = event.state_entered_event_details.as_ref()?;
            let seconds = event.timestamp.as_secs_f64() - started;
            Some(Visit { state: entered.name.clone(), seconds })
        };
        Ok(events.iter().filter_map(visit).collect())
    }

    fn to_end(&self) -> String {
        format!("{} to end", self.arn)
    }

    async fn describe(&self) -> Result<DescribeExecutionOutput> {
        let found = self.cloud.sfn.describe_execution().execution_arn(&self.arn).send().await;
        found.called("states:DescribeExecution")
    }

    /// Its input.
    pub async fn input(&self) -> Result<serde_json::Value> {
        let input = self.describe().await?.input.context("the execution has no input")?;
        serde_json::from_str(&input).context("the execution's input is not JSON")
    }

    /// Its status now.
    pub async fn status(&self) -> Result<String> {
        Ok(self.describe().await?.status.to_string())
    }

    /// Stops it.
    pub async fn stop(&self) -> Result<()> {
        let request = self.cloud.sfn.stop_execution().execution_arn(&self.arn);
        request.send().await.called("states:StopExecution").map(drop)
    }

    async fn history(&self) -> Result<History> {
        let mut history = History::default();
        for event in self.events(false).await? {
            history.add(&event);
        }
        Ok(history)
    }

    /// Its history; the inputs and outputs of states are long, so only if they are needed.
    pub(crate) async fn events(&self, with_data: bool) -> Result<Vec<HistoryEvent>> {
        let request = self.cloud.sfn.get_execution_history().execution_arn(&self.arn);
        let request = request.include_execution_data(with_data).max_results(1000);
        let mut pages = request.into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            events.extend(page.called("states:GetExecutionHistory")?.events);
        }
        Ok(events)
    }
}

/// Reads the history's events, in order, each once. Each event has the ID of the previous event in
/// its own branch, which identifies its state and its branch.
#[derive(Debug, Default)]
struct History {
    seen: i64,
    /// For each event the step (by index) and the branch that it belongs to.
    places: HashMap<i64, Place>,
    transcript: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    step: Option<usize>,
    branch: Option<i32>,
}

impl History {
    fn add(&mut self, event: &HistoryEvent) -> Option<Moment> {
        if event.id <= self.seen {
            return None;
        }
        self.seen = event.id;
        let mut place = self.places.get(&event.previous_event_id).copied().unwrap_or_default();
        if let Some(iteration) = &event.map_iteration_started_event_details {
            place.branch = Some(iteration.index);
        }
        let mut moment = None;
        if let Some(entered) = &event.state_entered_event_details {
            let state = entered.name.clone();
            let step = Step { state, branch: place.branch, errors: Vec::new() };
            place.step = Some(self.transcript.len());
            self.transcript.push(step.clone());
            moment = Some(Moment::Entered(step));
        } else if let (Some(error), Some(step)) = (failure(event), place.step) {
            self.transcript[step].errors.push(error.clone());
            let Step { state, branch, .. } = self.transcript[step].clone();
            moment = Some(Moment::Failed { state, branch, error });
        }
        let is_map_over = |kind: &HistoryEventType| {
            // AWS links the exit to the last iteration's event, not to the Map's success.
            matches!(
                kind,
                HistoryEventType::MapStateSucceeded
                    | HistoryEventType::MapStateFailed
                    | HistoryEventType::MapStateExited
            )
        };
        if is_map_over(&event.r#type) {
            place.branch = None;
        }
        self.places.insert(event.id, place);
        moment
    }
}

/// The name of the error, if the event is a failed attempt.
fn failure(event: &HistoryEvent) -> Option<String> {
    let failed = event.task_failed_event_details.as_ref().and_then(|details| details.error.clone());
    let lambda = event.lambda_function_failed_event_details.as_ref();
    let lambda = lambda.and_then(|details| details.error.clone());
    let timed_out = event.task_timed_out_event_details.as_ref().and_then(|d| d.error.clone());
    failed.or(lambda).or(timed_out)
}
