//! What holds for any input: every step's is decoded or refused by name, in a message of bounded
//! length, and no text of AWS's makes a step panic.

use contract::steps::{
    DriftInput, PlanInput, PromoteInput, RefreshInput, UpdateInput, ValidateInput, WaitInput,
};
use contract::{ErrorName, Named};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::hostile::{json, spoilt, text};
use crate::{AwsError, bounded, decode, texts};

/// The most characters of a refusal: path and problem, each cut.
const LONGEST: usize = 800;

fn decodes_or_is_refused<T: DeserializeOwned>(value: Value) {
    if let Err(error) = decode::<T>(value) {
        assert_eq!(error.name(), ErrorName::InvalidInput);
        let message = error.to_string();
        assert!(message.chars().count() < LONGEST, "{message}");
    }
}

/// As every step of the workflow.
fn every_step_decodes_or_refuses(value: &Value) {
    decodes_or_is_refused::<ValidateInput>(value.clone());
    decodes_or_is_refused::<PlanInput>(value.clone());
    decodes_or_is_refused::<PromoteInput>(value.clone());
    decodes_or_is_refused::<UpdateInput>(value.clone());
    decodes_or_is_refused::<WaitInput>(value.clone());
    decodes_or_is_refused::<DriftInput>(value.clone());
    decodes_or_is_refused::<RefreshInput>(value.clone());
}

/// An input of each step, as the state machine builds it.
fn inputs() -> Vec<Value> {
    let group = json!({"groupName": "web", "stackName": "web", "instanceType": "t3.micro"});
    let image = "ami-0123456789abcdef0";
    let change = json!({"parameter": "ImageId", "before": "none", "after": image});
    let difference = json!({"logicalId": "Group", "path": "/Size", "expected": "1", "actual": "2"});
    let drift = json!({"stackName": "web", "detectionId": "1", "differences": [difference]});
    let write = json!({"parameterName": "/web", "before": "none", "after": image, "version": 1});
    let launch = json!({"groupName": "web", "expected": image});
    vec![
        json!({"target": {
            "pattern": "stack", "name": "web", "allowOlder": false, "rollback": false,
            "dryRun": false, "instanceRefresh": false,
            "parameters": [{"parameter": "ImageId", "groups": [group], "candidates": [{
                "imageId": image, "creationDate": "2026-11-01T03:00:00.000Z",
                "origin": {"instanceId": "i-1", "group": group}}]}]}}),
        json!({"stackName": "web", "images": [change], "execution": "name"}),
        json!({"writes": [write], "execution": "name"}),
        json!({"stackId": "arn", "clientRequestToken": "token", "images": [change]}),
        json!({"stacks": [drift], "groups": [launch], "before": [drift]}),
        json!({"groups": [{"groupName": "web", "expected": image, "adopted": true}]}),
    ]
}

#[test]
fn the_inputs_that_are_spoilt_are_right_before() {
    let [validate, change, promote, wait, drift, refresh] = &inputs()[..] else { panic!() };
    decode::<ValidateInput>(validate.clone()).unwrap();
    decode::<PlanInput>(change.clone()).unwrap();
    decode::<UpdateInput>(change.clone()).unwrap();
    decode::<PromoteInput>(promote.clone()).unwrap();
    decode::<WaitInput>(wait.clone()).unwrap();
    decode::<DriftInput>(drift.clone()).unwrap();
    decode::<RefreshInput>(refresh.clone()).unwrap();
}

/// Every kind of failed call with this code and text.
fn failures(code: &str, message: &str) -> [AwsError; 3] {
    let (action, code, message) = ("ssm:GetParameter", code.to_owned(), message.to_owned());
    [
        AwsError::Denied { action, message: message.clone() },
        AwsError::Unavailable { action, message: message.clone() },
        AwsError::Refused { action, code, message },
    ]
}

proptest! {
    #[test]
    fn any_json_is_decoded_or_refused(value in json()) {
        every_step_decodes_or_refuses(&value);
    }

    #[test]
    fn one_wrong_value_is_decoded_or_refused(
        value in proptest::sample::select(inputs()).prop_flat_map(|input| spoilt(&input))
    ) {
        every_step_decodes_or_refuses(&value);
    }

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
                texts::is_stack_missing(&error),
                texts::is_in_no_stack(&error),
                texts::is_no_update(&error),
                texts::is_drift_detection_running(&error),
                texts::is_stack_changing(&error),
                texts::stack_state_in_refusal(&error).is_some(),
            ];
            prop_assert!(error.has_code("ValidationError") || !told.contains(&true));
        }
        let _ = texts::is_no_change(&message);
    }

    #[test]
    fn a_bounded_text_is_the_beginning(text in text(), most in 0..600_usize) {
        let cut = bounded(text.clone(), most);
        let kept: String = text.chars().take(most).collect();
        prop_assert!(cut.starts_with(&kept));
        prop_assert!(cut.chars().count() <= most + 40);
        prop_assert_eq!(cut == text, text.chars().count() <= most);
    }
}
