//! The catalogue of errors: one name per cause, as Step Functions, the report and the README
//! know it. The state machine matches exactly these; a test holds the three together.

use serde::{Deserialize, Serialize};

use crate::bounds::Retry;

/// Whether trying the same thing again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Passes with time: the state machine retries it, within a bound.
    Retryable,
    /// Stays until a person or a later event changes something.
    Terminal,
}

/// Who gives the error to Step Functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// Any Lambda may answer it: it is of the shell around each.
    ByEveryStep,
    /// Any Lambda that calls AWS may answer it.
    ByEveryCaller,
    /// The Lambdas of these states answer it.
    BySteps(&'static [&'static str]),
    /// The state machine itself concludes it, from a bound or from a step's finding.
    ByStateMachine,
}

macro_rules! catalogue {
    ($($(#[doc = $doc:literal])+ $name:ident: $class:ident, $raised:expr;)+) => {
        /// Every error name that Step Functions can see from Driftless.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ErrorName {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorName {
            /// All names, in the order of the catalogue.
            pub const ALL: &'static [ErrorName] = &[$(ErrorName::$name),+];

            /// The name as Step Functions sees it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorName::$name => stringify!($name),)+ }
            }

            /// Whether the state machine tries again.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(ErrorName::$name => Class::$class,)+ }
            }

            /// Who gives it to Step Functions.
            #[must_use]
            pub const fn raised(self) -> Raised {
                match self { $(ErrorName::$name => $raised,)+ }
            }

            /// Whether the Lambda of this state may answer it.
            #[must_use]
            pub fn is_raised_by(self, state: &str) -> bool {
                match self.raised() {
                    ByEveryStep => true,
                    ByEveryCaller => !CALLS_NOTHING.contains(&state),
                    BySteps(states) => states.contains(&state),
                    ByStateMachine => false,
                }
            }

            /// What it means and what to do, one sentence or two: the README's catalogue.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(ErrorName::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

use Raised::{ByEveryCaller, ByEveryStep, ByStateMachine, BySteps};

/// The states whose Lambdas call no AWS.
const CALLS_NOTHING: &[&str] = &["Report"];

catalogue! {
    /// The input is none of the known forms; the message names the field and what was expected there.
    InvalidInput: Terminal, ByEveryStep;
    /// EC2 does not know the image (yet): it was deregistered, belongs to another account or Region, or has only just been made.
    ImageNotFound: Retryable, BySteps(&["ResolveTags"]);
    /// The newest image is still being made.
    ImagePending: Retryable, BySteps(&["ValidateAmi"]);
    /// No candidate image passes validation; the message lists each check that failed, with what was expected and found.
    ImageRejected: Terminal, BySteps(&["ValidateAmi"]);
    /// The image's source instance is not in a group that the target feeds, or that cannot be told and has to be; or what the tags name holds a secret. Whoever tags an instance does not thereby choose what is overwritten.
    TargetNotPermitted: Terminal, BySteps(&["ValidateAmi"]);
    /// The SSM parameter does not exist. Create it once, outside any stack, with type String and data type aws:ec2:image.
    ParameterNotFound: Terminal, BySteps(&["ValidateAmi", "PromoteSsm"]);
    /// The SSM parameter is a resource of a stack: writing it would be drift. Make one outside any stack.
    ParameterOwnedByStack: Terminal, BySteps(&["PromoteSsm"]);
    /// The parameter has all the versions it can have, and the oldest carries a label that keeps it. The message names both; move the label.
    ParameterVersionsFull: Terminal, BySteps(&["PromoteSsm"]);
    /// Somebody else changed the target between the decision and the write; the decision is made again.
    ConcurrentWrite: Retryable, BySteps(&["PlanUpdate", "PromoteSsm", "UpdateStack"]);
    /// Another operation runs on the stack; it is waited for.
    StackBusy: Retryable, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// There is no stack of that name in this account and Region. Correct the image's `StackName` tag.
    StackNotFound: Terminal, BySteps(&["ValidateAmi", "PlanUpdate", "UpdateStack", "WaitStackComplete", "DetectDrift"]);
    /// The stack is in a state that CloudFormation does not update from; a person must bring it out of there.
    StackNotUpdatable: Terminal, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// The stack is nested in another, which owns its parameters. Tag the images with the root stack and its parameter.
    StackNested: Terminal, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// The template uses `AWS::LanguageExtensions` and is too long to be sent with the update. Remove the transform or shorten the template.
    TemplateTooLong: Terminal, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// The template has no parameter of that name. Correct the image's `ImageIdParameterKey` tag or the template.
    ParameterKeyNotFound: Terminal, BySteps(&["ValidateAmi", "PlanUpdate", "UpdateStack"]);
    /// The stack update did not complete; the message has the first failing resource and its reason.
    StackUpdateFailed: Terminal, BySteps(&["WaitStackComplete"]);
    /// CloudFormation could not make the change set that shows what the update would do; the message has its reason.
    PlanFailed: Terminal, BySteps(&["PlanUpdate"]);
    /// CloudFormation could not finish the drift detection; the message has its reason.
    DriftDetectionFailed: Terminal, BySteps(&["DetectDrift"]);
    /// Another drift detection runs on the stack; it is waited for.
    DriftDetectionBusy: Retryable, BySteps(&["DetectDrift"]);
    /// The instance refresh ended without success; the message has Auto Scaling's reason.
    InstanceRefreshFailed: Terminal, BySteps(&["InstanceRefresh"]);
    /// IAM denied a call; the message names the action. Mostly the target lies outside the permitted prefix.
    AccessDenied: Terminal, ByEveryCaller;
    /// AWS throttled the call, answered 5xx or did not answer, also after the SDK's own retries.
    ServiceUnavailable: Retryable, ByEveryCaller;
    /// AWS refused a call in a way that no step expects; the message has its code and text.
    UnexpectedAnswer: Terminal, ByEveryCaller;
    /// A step panicked: a defect in Driftless. The function's log has the place.
    StepPanicked: Terminal, ByEveryStep;
    /// A resource of the target's stack differs from its template; the report has every difference.
    DriftDetected: Terminal, ByStateMachine;
    /// The group would boot another image than the promoted one; the report has both.
    LaunchImageMismatch: Terminal, ByStateMachine;
    /// The parameter accepted the write but did not show the image in the time allowed: Parameter Store checks an image after its answer, and its "Parameter Store Change" event says why it refuses one.
    ParameterNotUpdated: Terminal, ByStateMachine;
    /// The image that the group would boot is not available: deregistered, disabled or failed.
    LaunchImageUnavailable: Terminal, ByStateMachine;
    /// The update would change more than launch templates and the groups' versions of them, or replace something. The report lists what.
    PlanTouchesMore: Terminal, ByStateMachine;
    /// The change set was not ready at the end of the time allowed.
    PlanTimedOut: Terminal, ByStateMachine;
    /// The promotion failed, and so did putting the previous image back. The message has both reasons; a person must look at what the group boots.
    RollbackFailed: Terminal, ByStateMachine;
    /// The stack's update was still running at the end of the time allowed.
    StackUpdateTimedOut: Terminal, ByStateMachine;
    /// The drift detection was still running at the end of the time allowed.
    DriftDetectionTimedOut: Terminal, ByStateMachine;
    /// The instance refresh was still running at the end of the time allowed.
    InstanceRefreshTimedOut: Terminal, ByStateMachine;
    /// The report could not be made: a defect in Driftless. The promotions were made, or failed, all the same; the cause has what was collected about them.
    ReportFailed: Terminal, ByStateMachine;
    /// At least one target failed; the cause is the report.
    PromotionFailed: Terminal, ByStateMachine;
}

impl ErrorName {
    /// How the state machine retries the state that raises it. `None` for a terminal error, and
    /// for [`ErrorName::ConcurrentWrite`], after which the decision is made again instead.
    #[must_use]
    pub const fn retry(self) -> Option<Retry> {
        let retry = match self {
            Self::ServiceUnavailable => Retry { interval_seconds: 5, ..Retry::TRANSIENT },
            // EC2 is eventually consistent; an image that is really gone should not take long.
            Self::ImageNotFound => Retry { max_attempts: 5, ..Retry::CUT_OFF },
            // An image of hundreds of gigabytes takes hours.
            Self::ImagePending => Retry {
                interval_seconds: 30,
                backoff_rate: 1.5,
                max_delay_seconds: Some(300),
                max_attempts: 60,
                full_jitter: false,
            },
            // Another update, with an UpdatePolicy, takes hours.
            Self::StackBusy => Retry {
                interval_seconds: 20,
                backoff_rate: 1.2,
                max_delay_seconds: Some(180),
                max_attempts: 250,
                full_jitter: false,
            },
            Self::DriftDetectionBusy => Retry {
                interval_seconds: 20,
                backoff_rate: 1.2,
                max_delay_seconds: Some(120),
                max_attempts: 30,
                full_jitter: false,
            },
            _ => return None,
        };
        Some(retry)
    }
}

impl std::fmt::Display for ErrorName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error that knows its name in the catalogue.
pub trait Named: std::error::Error {
    /// The name that Step Functions matches.
    fn name(&self) -> ErrorName;
}
