//! How an execution ended: in sentences, as JSON, and as an exit status.

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use contract::report::{ReconcileReport, Report};
use serde::Serialize;
use serde_json::Value;

/// An execution that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ended {
    /// The execution's ARN.
    pub execution: String,
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The report, if there is one.
    pub report: Option<Value>,
    /// The name of the error, if it did not succeed.
    pub error: Option<String>,
    /// Its cause, if that is not the report.
    pub cause: Option<String>,
}

impl Ended {
    /// `None` while the execution runs.
    pub(crate) fn of(found: &DescribeExecutionOutput) -> Option<Self> {
        if matches!(found.status, ExecutionStatus::Running | ExecutionStatus::PendingRedrive) {
            return None;
        }
        // The report is the output of an execution that succeeded, the cause of one that failed.
        let text = found.output().or(found.cause());
        let report = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let report = report.filter(|report| report.get("outcome").is_some());
        Some(Self {
            execution: found.execution_arn.clone(),
            status: found.status.as_str().to_owned(),
            error: found.error.clone(),
            cause: found.cause.clone().filter(|_| report.is_none()),
            report,
        })
    }

    /// The outcome in the report.
    pub(crate) fn outcome(&self) -> Option<&str> {
        self.report.as_ref()?.get("outcome")?.as_str()
    }

    /// The exit status; `follow::EXIT_STATUS` lists them.
    pub(crate) fn exit_status(&self) -> u8 {
        match (self.status.as_str(), self.outcome()) {
            ("SUCCEEDED", Some("Unproven")) => 3,
            ("SUCCEEDED", Some("Skipped")) => 4,
            // Of a reconcile, which did its work: a target's own execution failed.
            ("SUCCEEDED", Some("Failed")) => 1,
            ("SUCCEEDED", _) => 0,
            _ => 1,
        }
    }

    /// The end for people.
    pub(crate) fn sentences(&self) -> String {
        if let Some(report) = &self.report {
            let reconcile = || serde_json::from_value::<ReconcileReport>(report.clone());
            return match serde_json::from_value::<Report>(report.clone()) {
                Ok(report) => sentences::promotion(&report),
                Err(_) => reconcile()
                    .map_or_else(|_| format!("{report}\n"), |report| sentences::reconcile(&report)),
            };
        }
        let end = match (&self.error, &self.cause) {
            (Some(error), Some(cause)) => format!("{error}: {cause}"),
            (Some(error), None) => error.clone(),
            (None, _) => "no reason was given".to_owned(),
        };
        let advice = self.error.as_deref().and_then(sentences::advice).unwrap_or_default();
        format!("{}: {end}\n{advice}", self.status)
    }
}
