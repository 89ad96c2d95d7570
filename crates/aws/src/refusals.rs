//! Predicates on AWS's error texts. CloudFormation returns most refusals with the code
//! `ValidationError`, so only the text distinguishes them. Each text that a step depends on is
//! matched in one function here, and nowhere else.

use crate::AwsError;

fn is_validation_error(error: &AwsError, matches: impl Fn(&str) -> bool) -> bool {
    matches!(
        error,
        AwsError::Refused { code, message, .. } if code == "ValidationError" && matches(message)
    )
}

/// `DescribeStacks` of a name that no stack has: `Stack with id NAME does not exist`. `UpdateStack`
/// returns `Stack [NAME] does not exist` for the same.
#[must_use]
pub fn is_stack_missing(error: &AwsError) -> bool {
    is_validation_error(error, |text| {
        text.starts_with("Stack ") && text.trim_end_matches('.').ends_with("does not exist")
    })
}

/// `DescribeStackResources` of a physical id that no stack has: `Stack for NAME does not exist`.
#[must_use]
pub fn is_not_a_stack_resource(error: &AwsError) -> bool {
    is_validation_error(error, |text| {
        text.starts_with("Stack for ") && text.trim_end_matches('.').ends_with("does not exist")
    })
}

/// `UpdateStack` while another operation runs or in a state that is not updatable:
/// `Stack:ARN is in UPDATE_IN_PROGRESS state and can not be updated.`
#[must_use]
pub fn stack_state_in_refusal(error: &AwsError) -> Option<&str> {
    let AwsError::Refused { code, message, .. } = error else { return None };
    let (_, rest) = message.strip_prefix("Stack:")?.split_once(" is in ")?;
    let (state, rest) = rest.split_once(' ')?;
    let is_busy = code == "ValidationError" && rest.starts_with("state and can not be updated");
    is_busy.then_some(state)
}

/// `UpdateStack` or `CreateChangeSet` of a stack whose service role is gone, or does not trust
/// CloudFormation: `Role ARN is invalid or cannot be assumed` (aws-amplify/amplify-backend#2325).
#[must_use]
pub fn is_service_role_unusable(error: &AwsError) -> bool {
    is_validation_error(error, |text| {
        text.starts_with("Role ") && text.contains("is invalid or cannot be assumed")
    })
}

/// A reason of a change set or a resource, or a refusal: an early validation or a hook failed. `The
/// following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To
/// troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure
/// information.` (aws-cloudformation/rain#744, aws/aws-cdk-cli#1000); of a hook alone `The following
/// hook(s) failed: [TYPE]` (CloudFormation Hooks user guide).
#[must_use]
pub fn is_failed_validation(reason: &str) -> bool {
    reason.contains("The following hook(s)") && reason.contains(" failed: [")
}

/// A denial that CloudFormation returns as a `ValidationError`: `AccessDenied. User doesn't have
/// permission to call ssm:GetParameters` (aws/aws-cdk#20959).
#[must_use]
pub(crate) fn is_wrapped_denial(code: &str, text: &str) -> bool {
    code == "ValidationError" && is_denial_reason(text)
}

/// A denial as a reason of a change set or of a drift detection: also `User: ARN is not authorized
/// to perform: ACTION on resource: ARN` (aws/serverless-application-model#179).
#[must_use]
pub fn is_denial_reason(reason: &str) -> bool {
    reason.starts_with("AccessDenied. ") || reason.contains(" is not authorized to perform: ")
}

/// The reason of a drift detection that failed only because AWS throttled what CloudFormation reads
/// for it: a new detection may succeed. Recorded: `{"Summary":"Failed to detect drift on resources
/// [A,B]","Failures":[{"Resource":"A","FailureReason":"Rate exceeded"},…]}` (coverage-roadmap#801).
#[must_use]
pub fn is_throttling_reason(reason: &str) -> bool {
    let mut failures = reason.split("\"FailureReason\":").skip(1).peekable();
    if failures.peek().is_none() {
        return is_throttling_text(reason);
    }
    failures.all(|failure| {
        let text = failure.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
        text.is_some_and(|(text, _)| is_throttling_text(text))
    })
}

/// The texts of throttling, by service: most say the first, EC2 the second.
fn is_throttling_text(text: &str) -> bool {
    ["Rate exceeded", "Request limit exceeded"].iter().any(|known| text.contains(known))
}

/// `UpdateStack` that would change nothing: `No updates are to be performed.`
#[must_use]
pub fn is_nothing_to_update(error: &AwsError) -> bool {
    is_validation_error(error, |text| text.contains("No updates are to be performed"))
}

/// `DescribeChangeSet`'s reason of a change set that would change nothing: `The submitted
/// information didn't contain changes. Submit different information to create a change set.`, with
/// a transform in the template `No updates are to be performed.`
#[must_use]
pub fn is_no_change(reason: &str) -> bool {
    reason.starts_with("The submitted information didn't contain changes")
        || reason.starts_with("No updates are to be performed")
}

/// `DetectStackDrift` while another detection runs on the stack: `Drift detection is already in
/// progress for stack [ARN].`
#[must_use]
pub fn is_drift_detection_running(error: &AwsError) -> bool {
    is_validation_error(error, |text| {
        text.contains("rift detection") && text.contains("already in progress")
    })
}

/// `DetectStackDrift` while an operation changes the stack. Recorded: `Drift detection cannot be
/// performed on stack [ARN] while it is in [ROLLBACK_COMPLETE] state`, and of a busy one
/// `[UPDATE_IN_PROGRESS]`.
#[must_use]
pub fn is_stack_changing(error: &AwsError) -> bool {
    is_validation_error(error, |text| {
        let state = text.strip_prefix("Drift detection cannot be performed on stack [");
        state
            .and_then(|rest| rest.split_once(']'))
            .is_some_and(|(_, rest)| rest.contains("_IN_PROGRESS"))
    })
}

/// `DescribeStackDriftDetectionStatus` of a detection that CloudFormation no longer keeps: how many
/// it keeps for a stack, and for how long, may vary (API reference, `StackDriftDetectionId`). No
/// source has AWS's own words; the local AWS returns `Drift detection with id [ID] does not exist`.
#[must_use]
pub fn is_drift_detection_forgotten(error: &AwsError) -> bool {
    is_validation_error(error, |text| {
        text.contains("rift detection") && text.trim_end_matches('.').ends_with("does not exist")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> AwsError {
        AwsError::Refused {
            action: "cloudformation:UpdateStack",
            code: "ValidationError".into(),
            message: message.into(),
        }
    }

    const ARN: &str = "arn:aws:cloudformation:eu-west-1:111122223333:stack/web/1-2-3";

    #[test]
    fn a_missing_stack() {
        assert!(is_stack_missing(&refused("Stack with id web does not exist")));
        assert!(is_stack_missing(&refused("Stack [web] does not exist")));
        assert!(!is_stack_missing(&refused("Parameters: [X] do not exist in the template")));
    }

    #[test]
    fn a_resource_of_no_stack() {
        assert!(is_not_a_stack_resource(&refused("Stack for /golden/web does not exist")));
        assert!(!is_not_a_stack_resource(&refused("Stack with id web does not exist")));
    }

    #[test]
    fn a_busy_stack_and_its_state() {
        let text = format!("Stack:{ARN} is in UPDATE_IN_PROGRESS state and can not be updated.");
        assert_eq!(stack_state_in_refusal(&refused(&text)), Some("UPDATE_IN_PROGRESS"));
        assert_eq!(stack_state_in_refusal(&refused("No updates are to be performed.")), None);
    }

    #[test]
    fn a_service_role_that_cannot_be_used() {
        let role = "arn:aws:iam::111122223333:role/cdk-hnb659fds-cfn-exec-role";
        let text = format!("Role {role} is invalid or cannot be assumed");
        assert!(is_service_role_unusable(&refused(&text)));
        assert!(!is_service_role_unusable(&refused("Stack [web] does not exist")));
    }

    #[test]
    fn a_validation_or_a_hook_that_failed() {
        for text in [
            "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure information.",
            "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck, AWS::EarlyValidation::PropertyValidation].",
            "The following hook(s) failed: [Private::Guard::TestHook]",
            "Change set creation failed. The following hook(s) failed: [Example::CFNHook::Full]",
        ] {
            assert!(is_failed_validation(text), "{text}");
        }
        assert!(!is_failed_validation("The following resource(s) failed to update: [Group]."));
    }

    #[test]
    fn a_denial_in_other_words() {
        let read = "AccessDenied. User doesn't have permission to call ssm:GetParameters";
        let expand = format!(
            "User: {ARN} is not authorized to perform: cloudformation:CreateChangeSet on resource: arn:aws:cloudformation:us-east-1:aws:transform/Serverless-2016-10-31"
        );
        for text in [read, &expand] {
            assert!(is_denial_reason(text) && is_wrapped_denial("ValidationError", text), "{text}");
        }
        assert!(!is_wrapped_denial("InvalidRequest", read));
        assert!(!is_denial_reason("Parameters: [X] do not exist in the template"));
    }

    #[test]
    fn a_detection_that_was_throttled() {
        let failed = |reasons: &[&str]| {
            let failures: Vec<_> = reasons
                .iter()
                .map(|reason| format!(r#"{{"Resource":"NodeGroup","FailureReason":"{reason}"}}"#))
                .collect();
            let failures = failures.join(",");
            format!(
                r#"{{"Summary":"Failed to detect drift on resources [NodeGroup]","Failures":[{failures}]}}"#
            )
        };
        let denied = "User: arn is not authorized to perform: iam:GetRole";
        for (reason, is_throttling) in [
            (failed(&["Rate exceeded"]), true),
            (failed(&["Rate exceeded", "Request limit exceeded."]), true),
            // Another detection would be denied again.
            (failed(&["Rate exceeded", denied]), false),
            (failed(&["Internal Failure"]), false),
            (failed(&[]), false),
            ("Rate exceeded".to_owned(), true),
            ("no reason given".to_owned(), false),
            (r#"{"Failures":[{"FailureReason":"#.to_owned(), false),
        ] {
            assert_eq!(is_throttling_reason(&reason), is_throttling, "{reason}");
        }
    }

    #[test]
    fn nothing_to_update() {
        assert!(is_nothing_to_update(&refused("No updates are to be performed.")));
        assert!(!is_nothing_to_update(&refused("Template format error")));
    }

    #[test]
    fn a_change_set_without_changes() {
        assert!(is_no_change(
            "The submitted information didn't contain changes. Submit different information to create a change set."
        ));
        assert!(is_no_change("No updates are to be performed."));
        assert!(!is_no_change("Transform AWS::Include failed with: no such object"));
    }

    #[test]
    fn a_running_drift_detection() {
        let text = format!("Drift detection is already in progress for stack [{ARN}].");
        assert!(is_drift_detection_running(&refused(&text)));
        assert!(!is_drift_detection_running(&refused("Stack [web] does not exist")));
    }

    #[test]
    fn a_drift_detection_that_is_forgotten() {
        let text = "Drift detection with id [49c799b5] does not exist";
        assert!(is_drift_detection_forgotten(&refused(text)));
        assert!(!is_drift_detection_forgotten(&refused("Stack [web] does not exist")));
    }

    #[test]
    fn a_stack_that_is_changing_cannot_be_checked() {
        let text = |state| {
            format!(
                "Drift detection cannot be performed on stack [{ARN}] while it is in [{state}] state"
            )
        };
        assert!(is_stack_changing(&refused(&text("UPDATE_IN_PROGRESS"))));
        assert!(!is_stack_changing(&refused(&text("ROLLBACK_COMPLETE"))));
    }
}
