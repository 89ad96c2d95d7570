//! No text of AWS's makes a predicate panic, and none is taken for what it is not.

mod answers;

use proptest::prelude::*;
use testkit::arbitrary::text;

use crate::{AwsError, refusals};

/// Every kind of failed call with this code and text.
fn failures(code: &str, message: &str) -> [AwsError; 4] {
    let (action, code, message) = ("ssm:GetParameter", code.to_owned(), message.to_owned());
    [
        AwsError::Denied { action, message: message.clone() },
        AwsError::Unavailable { action, message: message.clone() },
        AwsError::Contended { action, code: code.clone(), message: message.clone() },
        AwsError::Refused { action, code, message },
    ]
}

proptest! {
    #[test]
    fn any_text_of_aws_is_looked_at(
        code in prop_oneof![Just("ValidationError".to_owned()), text()],
        message in (
            proptest::sample::select(["", "Stack", "Stack:", "Stack ", "Drift detection "].to_vec()),
            text(),
            "( is in | is in X state and can not be updated|does not exist.)?",
            text(),
        )
    ) {
        let (begin, middle, key, end) = message;
        let message = format!("{begin}{middle}{key}{end}");
        for error in failures(&code, &message) {
            let told = [
                refusals::is_stack_missing(&error),
                refusals::is_not_a_stack_resource(&error),
                refusals::is_nothing_to_update(&error),
                refusals::is_drift_detection_running(&error),
                refusals::is_stack_changing(&error),
                refusals::is_service_role_unusable(&error),
                refusals::stack_state_in_refusal(&error).is_some(),
            ];
            prop_assert!(error.has_code("ValidationError") || !told.contains(&true));
        }
        let _ = refusals::is_no_change(&message);
        let _ = refusals::is_failed_validation(&message);
        let _ = refusals::is_denial_reason(&message);
        let _ = refusals::is_throttling_reason(&message);
    }
}
