//! The catalogue of errors: one name per cause, as used by Step Functions, the report and
//! `docs/errors.md`. The state machine matches exactly these; tests keep them consistent.

use serde::{Deserialize, Serialize};

use crate::bounds::Retry;

/// Whether a retry can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Temporary: the state machine retries it, within a bound.
    Retryable,
    /// Permanent until a person or a later event changes something.
    Terminal,
}

/// What raises the error in Step Functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// Any Lambda: the shell around every step raises it.
    ByEveryStep,
    /// Any Lambda that calls AWS.
    ByEveryCaller,
    /// The Lambdas of these states.
    BySteps(&'static [&'static str]),
    /// The state machine itself, because of a bound or a step's finding.
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

            /// Whether the state machine retries it.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(ErrorName::$name => Class::$class,)+ }
            }

            /// What raises it in Step Functions.
            #[must_use]
            pub const fn raised(self) -> Raised {
                match self { $(ErrorName::$name => $raised,)+ }
            }

            /// Whether the Lambda of this state may raise it.
            #[must_use]
            pub fn is_raised_by(self, state: &str) -> bool {
                match self.raised() {
                    ByEveryStep => true,
                    ByEveryCaller => !CALLS_NOTHING.contains(&state),
                    BySteps(states) => states.contains(&state),
                    ByStateMachine => false,
                }
            }

            /// What it means and what to do, in one or two sentences, for `docs/errors.md`.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(ErrorName::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

use Raised::{ByEveryCaller, ByEveryStep, ByStateMachine, BySteps};

/// The states whose Lambdas call no AWS API.
const CALLS_NOTHING: &[&str] = &["Report"];

catalogue! {
    /// The input has none of the accepted forms; the message names the field and what was expected there.
    InvalidInput: Terminal, ByEveryStep;
    /// EC2 does not list the image: it was deregistered, belongs to another account or Region, or is too new to be visible.
    ImageNotFound: Retryable, BySteps(&["ResolveTags"]);
    /// EC2's event about an image came before the image's tags; the state machine looks again, for a quarter of an hour.
    ImageUntagged: Retryable, BySteps(&["ResolveTags"]);
    /// The image or its instance is tagged for Driftless, but neither carries a tag that names a target: AWS Backup may have failed to copy the tags. Tag the instance for later backups, and the image to promote it.
    ImageUnplaced: Terminal, BySteps(&["ResolveTags"]);
    /// The newest image is still pending; the state machine waits for it.
    ImagePending: Retryable, BySteps(&["ValidateAmi"]);
    /// No candidate image passes validation; the message lists each failed check with the expected and the actual value.
    ImageRejected: Terminal, BySteps(&["ValidateAmi"]);
    /// AWS Backup deletes the image in place within `MinimumLifetimeHours`, and no newer image passes. The message has the date and why each newer image was rejected. Correct what is wrong with the backups, or promote an image that lasts longer, before the group's instance dies.
    ImageExpiring: Terminal, BySteps(&["ValidateAmi"]);
    /// The image was not taken from an instance of a group that boots from this target (or that cannot be verified and `AllowUnverified` is `false`), the target holds a secret, or a manual run names a target outside the permitted prefixes. Being able to tag an instance must not be enough to overwrite a target.
    TargetNotPermitted: Terminal, BySteps(&["ResolveTags", "ValidateAmi"]);
    /// The target has more image parameters, groups or stacks than one execution can carry: Step Functions passes on 256 KiB from state to state. Give the groups of the template stacks or SSM parameters of their own.
    TargetTooLarge: Terminal, ByEveryStep;
    /// The SSM parameter does not exist. Create it once, outside any stack, with type String and data type aws:ec2:image.
    ParameterNotFound: Terminal, BySteps(&["ValidateAmi", "PromoteSsm"]);
    /// The image parameter is for several values: its type is a list (`List<AWS::EC2::Image::Id>`, `CommaDelimitedList`, an SSM `StringList`), or its value has a comma. Driftless puts one image in its place, so the others would be lost. Give each image a parameter of its own.
    ParameterHoldsList: Terminal, BySteps(&["ValidateAmi"]);
    /// The SSM parameter is a resource of a stack, so writing it would cause drift. Create a parameter outside any stack, and name that in the tags.
    ParameterOwnedByStack: Terminal, BySteps(&["PromoteSsm"]);
    /// The parameter has the maximum number of versions, and the oldest cannot be deleted because it has a label. The message names both; move the label to a newer version.
    ParameterVersionsFull: Terminal, BySteps(&["PromoteSsm"]);
    /// Another writer changed the target between the decision and the write; the state machine decides again.
    ConcurrentWrite: Retryable, BySteps(&["PlanUpdate", "PromoteSsm", "UpdateStack"]);
    /// Another operation is running on the stack; the state machine waits for it.
    StackBusy: Retryable, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// No stack has that name in this account and Region. Correct the image's `StackName` tag.
    StackNotFound: Terminal, BySteps(&["ValidateAmi", "PlanUpdate", "UpdateStack", "WaitStackComplete", "DetectDrift"]);
    /// CloudFormation cannot update a stack in this state. The message has the state and what an operator must do.
    StackNotUpdatable: Terminal, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// CloudFormation cannot use the stack's service role: it is gone, or does not trust CloudFormation. Create it again, or update the stack once by hand with another role.
    ServiceRoleUnusable: Terminal, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// An early validation of CloudFormation or a hook of the account refused the update; the message names it. Create a change set of the stack by hand and read its events (`DescribeEvents`); then correct the template, or the hook.
    UpdateNotPermitted: Terminal, BySteps(&["PlanUpdate", "UpdateStack", "WaitStackComplete"]);
    /// The stack is nested in another, which owns its parameters. Tag the images with the root stack and its parameter.
    StackNested: Terminal, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// The template uses `AWS::LanguageExtensions` and is too long to send with the update. Remove the transform or shorten the template.
    TemplateTooLong: Terminal, BySteps(&["PlanUpdate", "UpdateStack"]);
    /// The template has no parameter of that name. Correct the image's `ImageIdParameterKey` tag or the template.
    ParameterKeyNotFound: Terminal, BySteps(&["ValidateAmi", "PlanUpdate", "UpdateStack"]);
    /// The stack update did not complete; the message has the first failing resource and its reason.
    StackUpdateFailed: Terminal, BySteps(&["WaitStackComplete"]);
    /// CloudFormation could not create the change set that shows what the update would do; the message has its reason.
    PlanFailed: Terminal, BySteps(&["PlanUpdate"]);
    /// CloudFormation could not finish the drift detection; the message has its reason.
    DriftDetectionFailed: Terminal, BySteps(&["DetectDrift"]);
    /// Another drift detection or operation is running on the stack; the state machine waits for it.
    DriftDetectionBusy: Retryable, BySteps(&["DetectDrift"]);
    /// The instance refresh ended without success; the message has Auto Scaling's reason.
    InstanceRefreshFailed: Terminal, BySteps(&["InstanceRefresh"]);
    /// EC2 allows an image 50 tags, and the image in place has no room for those that mark it as protected (`ProtectImages`). The promotion was made. Remove tags from the image, and from the instance or the backup plan that they come from.
    ImageTagsFull: Terminal, BySteps(&["GuardImages"]);
    /// IAM denied a call; the message names the action. Usually the target is outside the permitted prefix.
    AccessDenied: Terminal, ByEveryCaller;
    /// AWS throttled the call, returned a 5xx error, did not respond, or reported that another caller is changing the same resource, even after the SDK's retries.
    ServiceUnavailable: Retryable, ByEveryCaller;
    /// AWS returned an error that no step expects; the message has its code and text.
    UnexpectedAnswer: Terminal, ByEveryCaller;
    /// A step panicked: a defect in Driftless. The function's log has the location.
    StepPanicked: Terminal, ByEveryStep;
    /// A resource of the target's stack differs from its template; the report has every difference. Restore the resource or correct the template.
    DriftDetected: Terminal, ByStateMachine;
    /// The group would boot an image other than the promoted one; the report has both.
    LaunchImageMismatch: Terminal, ByStateMachine;
    /// Parameter Store accepted the write, but the image did not become visible in the time allowed. Parameter Store validates an image after it has accepted the write; its "Parameter Store Change" event has the reason for a refusal.
    ParameterNotUpdated: Terminal, ByStateMachine;
    /// The image that the group would boot is not available: deregistered, disabled or failed.
    LaunchImageUnavailable: Terminal, ByStateMachine;
    /// The update would change more than launch templates and the versions of them that groups use, or would replace a resource. The report lists the changes.
    PlanTouchesMore: Terminal, ByStateMachine;
    /// The change set was not ready at the end of the time allowed.
    PlanTimedOut: Terminal, ByStateMachine;
    /// The promotion failed, and so did the rollback to the previous image. The message has both reasons; check which image the group boots.
    RollbackFailed: Terminal, ByStateMachine;
    /// The stack's update was still running at the end of the time allowed.
    StackUpdateTimedOut: Terminal, ByStateMachine;
    /// The drift detection was still running at the end of the time allowed.
    DriftDetectionTimedOut: Terminal, ByStateMachine;
    /// The instance refresh was still running at the end of the time allowed.
    InstanceRefreshTimedOut: Terminal, ByStateMachine;
    /// The report could not be built: a defect in Driftless. The promotions were made, or failed, nevertheless; the cause has what was collected about them.
    ReportFailed: Terminal, ByStateMachine;
    /// At least one target failed; the cause is the report.
    PromotionFailed: Terminal, ByStateMachine;
    /// A reconcile could not start some promotions, or could not learn how they ended. The cause names them; the next reconcile promotes what is left.
    ReconcileIncomplete: Terminal, ByStateMachine;
    /// The account has more targets than one reconcile takes: twelve thousand. Those listed were promoted.
    TooManyTargets: Terminal, ByStateMachine;
}

impl ErrorName {
    /// The error with this name; `None` for the services' own names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == name)
    }

    /// Whether the input itself may be wrong; [`is_of_the_input`] has the message too. Every other
    /// terminal error can be corrected, and the input run again.
    #[must_use]
    pub const fn is_of_the_input(self) -> bool {
        matches!(self, Self::InvalidInput)
    }

    /// How the state machine retries a state that raises this error. `None` for a terminal error, and
    /// for the temporary ones that it handles otherwise: after [`ErrorName::ConcurrentWrite`] it
    /// decides again, and for those in [`bounds::BUSY`](crate::bounds::BUSY) it has loops.
    #[must_use]
    pub const fn retry(self) -> Option<Retry> {
        let without_jitter =
            Retry { max_delay_seconds: None, full_jitter: false, ..Retry::TRANSIENT };
        let retry = match self {
            Self::ServiceUnavailable => Retry::TRANSIENT,
            // EC2 is eventually consistent, but an image that is really gone should fail soon.
            Self::ImageNotFound => {
                Retry { interval_seconds: 5, backoff_rate: 2.0, max_attempts: 5, ..without_jitter }
            }
            // Few and far between: most images without tags are of no concern.
            Self::ImageUntagged => {
                Retry { interval_seconds: 30, backoff_rate: 2.0, max_attempts: 5, ..without_jitter }
            }
            // An image of hundreds of gigabytes takes hours: almost five.
            Self::ImagePending => Retry {
                interval_seconds: 30,
                backoff_rate: 1.5,
                max_delay_seconds: Some(1800),
                max_attempts: 18,
                ..without_jitter
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

/// How the message of an invalid input begins if the value is a tag's. A tag is not part of the input,
/// and can be corrected.
pub const OF_A_TAG: &str = "tags.";

/// Whether the input itself is wrong, so that the same input fails again whatever is corrected in the
/// account.
///
/// ```
/// use contract::error_name::is_of_the_input;
///
/// assert!(is_of_the_input("InvalidInput", "imageId: expected an image ID"));
/// assert!(!is_of_the_input("InvalidInput", "tags.StackName: expected a stack name"));
/// assert!(!is_of_the_input("ImageNotFound", "EC2 does not list the image"));
/// ```
#[must_use]
pub fn is_of_the_input(name: &str, message: &str) -> bool {
    ErrorName::named(name).is_some_and(ErrorName::is_of_the_input) && !message.starts_with(OF_A_TAG)
}

/// Whether a function itself failed: it panicked, crashed, ran out of time or memory, or Lambda could
/// not run it (Lambda's own names, and that of a task that did not respond). Every other error is what
/// a step found.
///
/// ```
/// use contract::error_name::is_of_a_function;
///
/// for name in ["StepPanicked", "Sandbox.Timedout", "Runtime.ExitError", "Lambda.Unknown"] {
///     assert!(is_of_a_function(name));
/// }
/// assert!(!is_of_a_function("ImageRejected"));
/// ```
#[must_use]
pub fn is_of_a_function(name: &str) -> bool {
    const FAMILIES: [&str; 3] = ["Lambda.", "Runtime.", "Sandbox."];
    name == ErrorName::StepPanicked.as_str()
        || name == "States.Timeout"
        || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// An error that has a name in the catalogue.
pub trait Named: std::error::Error {
    /// The name that Step Functions matches.
    fn name(&self) -> ErrorName;
}
