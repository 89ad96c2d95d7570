//! How the state machine retries and polls: every interval and every bound is defined here. The
//! definition's `Retry` fields and waits are generated from here (`cargo xtask generate`); tests
//! compare its bounds with these numbers.

use crate::ErrorName;

/// A retrier of Step Functions (Amazon States Language, "Retrier").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Seconds before the first retry.
    pub interval_seconds: u32,
    /// The factor by which each interval exceeds the previous one.
    pub backoff_rate: f64,
    /// The longest interval in seconds, if there is one.
    pub max_delay_seconds: Option<u32>,
    /// How often the state is retried.
    pub max_attempts: u32,
    /// Whether each interval is drawn at random from zero to its length.
    pub full_jitter: bool,
}

impl Retry {
    /// AWS throttles or fails temporarily: back off with jitter.
    pub const TRANSIENT: Self = Self {
        interval_seconds: 2,
        backoff_rate: 2.0,
        max_delay_seconds: Some(120),
        max_attempts: 8,
        full_jitter: true,
    };
    /// The function was cut off by its timeout, its memory limit or a crash. If that happens every
    /// time, more attempts would not help.
    pub const CUT_OFF: Self = Self {
        interval_seconds: 5,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        max_attempts: 2,
        full_jitter: false,
    };
}

/// Lambda's own errors, which every Task retries as [`Retry::TRANSIENT`]: AWS's advice (Step
/// Functions developer guide, "Handle transient Lambda service exceptions").
pub const LAMBDA_ERRORS: &[&str] = &[
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
];

/// Step Functions' error names for a function that was cut off; every Task retries them as
/// [`Retry::CUT_OFF`].
pub const CUT_OFF_ERRORS: &[&str] =
    &["Sandbox.Timedout", "Runtime.ExitError", "Lambda.Unknown", "States.Timeout"];

/// Errors of starting an execution of another state machine that pass: throttling, and the quota of
/// running executions, by the names that Step Functions gives the errors of its own API (developer
/// guide, "Start workflow executions"; the general one as in aws-samples' definitions).
pub const START_ERRORS: &[&str] = &[
    "StepFunctions.AWSStepFunctionsException",
    "StepFunctions.ExecutionLimitExceededException",
    "StepFunctions.SdkClientException",
    "StepFunctions.ThrottlingException",
];

/// A loop of the definition: a Task polls, a Choice counts, a Wait pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// The Task that polls.
    pub state: &'static str,
    /// The variable that counts its polls.
    pub counter: &'static str,
    /// The Wait state.
    pub wait: &'static str,
    /// How many seconds it waits.
    pub wait_seconds: u32,
    /// The maximum number of polls.
    pub max_polls: u32,
    /// The error when the maximum is reached.
    pub error: ErrorName,
}

/// Every polling loop, in the order of the workflow.
pub const POLLS: &[Poll] = &[
    Poll {
        state: "PlanUpdate",
        counter: "planPolls",
        wait: "WaitForPlan",
        wait_seconds: 5,
        max_polls: 60,
        error: ErrorName::PlanTimedOut,
    },
    Poll {
        state: "PromoteSsm",
        counter: "parameterPolls",
        wait: "WaitForParameter",
        wait_seconds: 3,
        max_polls: 12,
        error: ErrorName::ParameterNotUpdated,
    },
    Poll {
        state: "WaitStackComplete",
        counter: "stackPolls",
        wait: "WaitForStack",
        wait_seconds: 20,
        max_polls: 720,
        error: ErrorName::StackUpdateTimedOut,
    },
    Poll {
        state: "DetectDrift",
        counter: "driftPolls",
        wait: "WaitForDetection",
        wait_seconds: 10,
        max_polls: 180,
        error: ErrorName::DriftDetectionTimedOut,
    },
    Poll {
        state: "InstanceRefresh",
        counter: "refreshPolls",
        wait: "WaitForRefresh",
        wait_seconds: 30,
        max_polls: 720,
        error: ErrorName::InstanceRefreshTimedOut,
    },
];

/// How long after EC2's event about an image without tags the tags may come: some tools tag an image
/// only when it is available. [`ErrorName::ImageUntagged`] is retried for longer.
pub const TAGS_MAY_COME_SECONDS: u32 = 15 * 60;

/// The maximum number of decisions about one target, if other writers keep changing it before the
/// write.
pub const MAX_DECISIONS: u32 = 5;

/// The longest name of an execution in characters (`StartExecution`, name).
pub const MAX_EXECUTION_NAME_CHARS: usize = 80;

/// The longest cause of a failed execution in characters (`Fail` state, Cause; `StopExecution`,
/// cause).
pub const MAX_CAUSE_CHARS: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    /// Else an image that nobody tags would fail its execution.
    #[test]
    fn an_untagged_image_is_looked_at_until_no_tags_can_come() {
        let retry = ErrorName::ImageUntagged.retry().unwrap();
        let waits = (0..retry.max_attempts).map(|attempt| {
            f64::from(retry.interval_seconds) * retry.backoff_rate.powf(f64::from(attempt))
        });
        assert!(waits.sum::<f64>() > f64::from(TAGS_MAY_COME_SECONDS));
    }
}
