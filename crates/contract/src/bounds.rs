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
    /// What passes by itself: AWS throttles or fails temporarily, or a function was cut off. One
    /// retrier for all of it, so that causes that take turns do not add their attempts up. After
    /// almost nine minutes more attempts would not help.
    pub const TRANSIENT: Self = Self {
        interval_seconds: 4,
        backoff_rate: 3.0,
        max_delay_seconds: Some(200),
        max_attempts: 6,
        full_jitter: true,
    };

    /// The same for an announcement, which an Express workflow makes: it has five minutes.
    pub const ANNOUNCEMENT: Self = Self {
        interval_seconds: 2,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        max_attempts: 5,
        full_jitter: true,
    };

    /// The longest delay before each retry, in seconds.
    pub fn delays(self) -> impl Iterator<Item = f64> {
        let longest = self.max_delay_seconds.map_or(f64::MAX, f64::from);
        let delay = move |retry: u32| {
            (f64::from(self.interval_seconds) * self.backoff_rate.powf(retry.into())).min(longest)
        };
        (0..self.max_attempts).map(delay)
    }
}

/// Errors of Lambda and Step Functions that every Task retries as [`Retry::TRANSIENT`]: those of the
/// Lambda service (AWS's advice: Step Functions developer guide, "Handle transient Lambda service
/// exceptions"), and those of a function that was cut off by its timeout, its memory limit or a crash.
pub const TRANSIENT_ERRORS: &[&str] = &[
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "Lambda.Unknown",
    "States.Timeout",
];

/// Errors of starting an execution of another state machine that pass: throttling, and the quota of
/// running executions, by the names that Step Functions gives the errors of its own API (developer
/// guide, "Start workflow executions"; the general one as in aws-samples' definitions).
pub const START_ERRORS: &[&str] = &[
    "StepFunctions.AWSStepFunctionsException",
    "StepFunctions.ExecutionLimitExceededException",
    "StepFunctions.SdkClientException",
    "StepFunctions.ThrottlingException",
];

/// Errors of putting an event and of publishing to a topic. The services' own names are not published,
/// so `States.TaskFailed` stands for all of them but a timeout (Amazon States Language, "Errors").
/// What is told twice does no harm.
pub const ANNOUNCEMENT_ERRORS: &[&str] = &["States.TaskFailed", "States.Timeout"];

/// A loop of the definition: a Task polls, a Choice counts, a Wait pauses. The pauses grow, so that
/// what takes seconds is noticed within seconds, and what takes hours needs some tens of polls: each
/// poll is recorded, and an execution has a limited history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Poll {
    /// The Task that polls.
    pub state: &'static str,
    /// The variable that counts its polls.
    pub counter: &'static str,
    /// The Choice that leaves the loop at the maximum.
    pub choice: &'static str,
    /// The Wait state.
    pub wait: &'static str,
    /// Whether the first poll waits too, because it would come too early otherwise.
    pub waits_first: bool,
    /// The first wait in seconds.
    pub first_seconds: u32,
    /// The factor by which each wait exceeds the previous one.
    pub growth: f64,
    /// The longest wait in seconds.
    pub max_seconds: u32,
    /// The maximum number of polls.
    pub max_polls: u32,
    /// The error when the maximum is reached.
    pub error: ErrorName,
}

impl Poll {
    /// The seconds of each wait, in order.
    pub fn waits(&self) -> impl Iterator<Item = u32> {
        let count = self.max_polls - u32::from(!self.waits_first);
        let (first, growth, longest) = (self.first_seconds, self.growth, self.max_seconds);
        (0..count).map(move |wait| {
            let seconds = (f64::from(first) * growth.powf(wait.into())).min(longest.into());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "rounded down, as the definition does; no more than the longest wait"
            )]
            let whole = seconds as u32;
            whole
        })
    }
}

/// Every loop that polls an operation of this execution, in the order of the workflow.
pub const POLLS: &[Poll] = &[
    // A change set is ready within seconds. Five minutes.
    Poll {
        state: "PlanUpdate",
        counter: "planPolls",
        choice: "CheckPlan",
        wait: "WaitForPlan",
        waits_first: false,
        first_seconds: 5,
        growth: 2.0,
        max_seconds: 160,
        max_polls: 7,
        error: ErrorName::PlanTimedOut,
    },
    // A new value is visible in a second or two. promote-ssm makes a write that is overdue again,
    // or takes it over, before the last poll. A minute.
    Poll {
        state: "PromoteSsm",
        counter: "parameterPolls",
        choice: "IsParameterUpdated",
        wait: "WaitForParameter",
        waits_first: false,
        first_seconds: 2,
        growth: 1.75,
        max_seconds: 60,
        max_polls: 7,
        error: ErrorName::ParameterNotUpdated,
    },
    // A new launch template version and a changed group take half a minute to a minute, instances
    // that an UpdatePolicy replaces take longer. Four hours.
    Poll {
        state: "WaitStackComplete",
        counter: "stackPolls",
        choice: "IsStackComplete",
        wait: "WaitForStack",
        waits_first: true,
        first_seconds: 20,
        growth: 1.6,
        max_seconds: 3000,
        max_polls: 14,
        error: ErrorName::StackUpdateTimedOut,
    },
    // A small stack takes ten to twenty seconds. Half an hour.
    Poll {
        state: "DetectDrift",
        counter: "driftPolls",
        choice: "IsInSync",
        wait: "WaitForDetection",
        waits_first: false,
        first_seconds: 11,
        growth: 1.75,
        max_seconds: 560,
        max_polls: 10,
        error: ErrorName::DriftDetectionTimedOut,
    },
    // Replacing an instance takes minutes. Six hours.
    Poll {
        state: "InstanceRefresh",
        counter: "refreshPolls",
        choice: "IsRefreshed",
        wait: "WaitForRefresh",
        waits_first: false,
        first_seconds: 60,
        growth: 1.75,
        max_seconds: 5400,
        max_polls: 12,
        error: ErrorName::InstanceRefreshTimedOut,
    },
];

/// Every loop that waits for an operation of somebody else: a step fails with the error while that is
/// under way. Not a retrier, whose attempts would start anew with each poll of the same Task.
pub const BUSY: &[Poll] = &[
    // Another update, with an UpdatePolicy, takes hours. Twelve hours, for both steps together.
    Poll { state: "PlanUpdate", choice: "CanWaitToPlan", wait: "WaitToPlan", ..UPDATE_BUSY },
    UPDATE_BUSY,
    // The executions of a template's ten groups detect the drift of one stack one after the other.
    // Two hours.
    Poll {
        state: "DetectDrift",
        counter: "detectionBusyPolls",
        choice: "CanWaitToDetect",
        wait: "WaitToDetect",
        waits_first: false,
        first_seconds: 20,
        growth: 1.75,
        max_seconds: 1800,
        max_polls: 12,
        error: ErrorName::DriftDetectionBusy,
    },
];

const UPDATE_BUSY: Poll = Poll {
    state: "UpdateStack",
    counter: "stackBusyPolls",
    choice: "CanWaitToUpdate",
    wait: "WaitToUpdate",
    waits_first: false,
    first_seconds: 20,
    growth: 1.75,
    max_seconds: 6300,
    max_polls: 17,
    error: ErrorName::StackBusy,
};

/// Every loop.
pub fn loops() -> impl Iterator<Item = &'static Poll> {
    POLLS.iter().chain(BUSY)
}

/// How long after EC2's event about an image without tags the tags may come: some tools tag an image
/// only when it is available. [`ErrorName::ImageUntagged`] is retried for longer.
pub const TAGS_MAY_COME_SECONDS: u32 = 15 * 60;

/// The maximum number of decisions about one target, if other writers keep changing it before the
/// write.
pub const MAX_DECISIONS: u32 = 5;

/// The longest name of an execution in characters (`StartExecution`, name).
pub const MAX_EXECUTION_NAME_CHARS: usize = 80;

/// The maximum number of targets of one execution: an image's tags name one SSM parameter and one
/// stack at most, and any other input names one target. The history of an execution has room for
/// these.
pub const MAX_TARGETS: u32 = 2;

/// What the input or the output of a state may have in bytes, as JSON, and what the variables of one
/// `Assign` may have together (Step Functions developer guide, "Service quotas").
pub const MAX_STATE_BYTES: usize = 262_144;

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
        assert!(retry.delays().sum::<f64>() > f64::from(TAGS_MAY_COME_SECONDS));
    }

    #[test]
    fn every_loop_lasts_as_long_as_its_comment_says_and_polls_some_tens_of_times() {
        const MINUTE: u32 = 60;
        const HOUR: u32 = 60 * MINUTE;
        for (wait, at_least) in [
            ("WaitForPlan", 5 * MINUTE),
            ("WaitForParameter", MINUTE),
            ("WaitForStack", 4 * HOUR),
            ("WaitForDetection", 30 * MINUTE),
            ("WaitForRefresh", 6 * HOUR),
            ("WaitToPlan", 12 * HOUR),
            ("WaitToUpdate", 12 * HOUR),
            ("WaitToDetect", 115 * MINUTE),
        ] {
            let poll = loops().find(|poll| poll.wait == wait).unwrap();
            let total: u32 = poll.waits().sum();
            let at_most = at_least + at_least / 5;
            assert!((at_least..=at_most).contains(&total), "{wait}: {total} s, not {at_least}");
            assert!(poll.max_polls <= 30, "{wait}: {} polls", poll.max_polls);
        }
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        for poll in loops() {
            let waits: Vec<_> = poll.waits().collect();
            assert_eq!(waits[0], poll.first_seconds, "{}", poll.wait);
            assert_eq!(waits.len() + usize::from(!poll.waits_first), poll.max_polls as usize);
            for pair in waits.windows(2) {
                let is_grown = pair[1] > pair[0] || pair[1] == poll.max_seconds;
                assert!(is_grown && pair[1] <= poll.max_seconds, "{}: {waits:?}", poll.wait);
                // What has ended is noticed after at most as long again.
                assert!(pair[1] <= 2 * pair[0], "{}: {waits:?}", poll.wait);
            }
        }
        let stack = POLLS.iter().find(|poll| poll.wait == "WaitForStack").unwrap();
        assert_eq!(stack.waits().take(6).collect::<Vec<_>>(), [20, 32, 51, 81, 131, 209]);
    }

    #[test]
    fn temporary_failures_are_retried_for_minutes() {
        assert!(Retry::ANNOUNCEMENT.delays().sum::<f64>() < 120.0);
        assert_eq!(
            Retry::TRANSIENT.delays().collect::<Vec<_>>(),
            [4.0, 12.0, 36.0, 108.0, 200.0, 200.0]
        );
    }
}
