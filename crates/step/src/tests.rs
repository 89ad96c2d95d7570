//! What holds for any input: every step's is decoded or refused by name, in a message of bounded
//! length that says where it is wrong. (resolve-tags takes
//! inputs of several forms; its own tests have them.)

use contract::steps::{
    CollectInput, Collected, DriftInput, GuardInput, ListInput, PlanInput, PromoteInput,
    RefreshInput, UpdateInput, ValidateInput, VerifyInput, WaitInput,
};
use contract::{ErrorName, Named};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{InvalidInput, decode, truncated};
use testkit::arbitrary::{corrupted, json, json_paths, text};

/// The most characters of a refusal: path and problem, each cut.
const MAX_MESSAGE_CHARS: usize = 800;

fn every_step_decodes_or_refuses(value: &Value) {
    for decode in DECODERS {
        if let Err(error) = decode(value.clone()) {
            assert_eq!(error.name(), ErrorName::InvalidInput);
            let message = error.to_string();
            assert!(message.chars().count() < MAX_MESSAGE_CHARS, "{message}");
        }
    }
}

fn rows(row: &Value) -> Value {
    json!({"rows": [row], "more": 1})
}

/// Where serde reads a tagged enum from a buffer, without a path.
const BUFFERED: [&str; 8] = [
    "promotion.target",
    "writes[0]",
    "stacks[0]",
    "before[0]",
    "groups[0]",
    "targets[0].writes[0]",
    "targets[0].drift[0]",
    "targets[0].refresh[0]",
];

/// An input of each step with all that it may have, as the state machine builds it.
fn inputs() -> Vec<Value> {
    let group = json!({"groupName": "web", "stackName": "web", "instanceType": "t3.micro"});
    let image = "ami-0123456789abcdef0";
    let change =
        json!({"parameter": "ImageId", "before": "none", "after": image, "via": "/golden/web"});
    let difference = json!({
        "logicalId": "Group", "path": "/Size", "expected": "1", "actual": "2", "before": true});
    let drift = json!({
        "stackName": "web", "phase": "Settled", "status": "DRIFTED", "resourcesChecked": 1,
        "differences": rows(&difference), "fingerprints": ["0123456789abcdef"]});
    let write = json!({
        "parameterName": "/web", "before": "none", "after": image, "phase": "Running",
        "written": true, "previousVersion": 1, "version": 2});
    let launch = json!({
        "groupName": "web", "expected": image, "boots": image, "imageState": "available"});
    let refresh = json!({
        "groupName": "web", "expected": image, "phase": "Running", "refreshId": "1",
        "adopted": true, "status": "Pending"});
    let proof = json!({
        "scope": {"stack": "web"}, "groups": [{"groupName": "web", "expected": image}],
        "isComplete": false,
        "before": [image], "after": [image]});
    // Its cause may be any JSON, so there is none of another type.
    let failure = json!({"step": "UpdateStack", "name": "X", "polls": 1});
    let verdict = json!({"check": "state", "expected": "a", "actual": "b", "passed": false});
    let decision = json!({
        "parameter": "ImageId", "before": "none", "after": image, "outcome": "Promote",
        "checks": [verdict], "provenance": {"verdict": "Unverified", "reason": "gone"},
        "via": {"parameterName": "/golden/web", "before": "none"},
        "rejected": rows(&json!({"imageId": image, "failed": [verdict]})), "groups": [group]});
    let planned = json!({
        "logicalId": "Group", "resourceType": "AWS::AutoScaling::AutoScalingGroup",
        "action": "Modify", "replacement": "False", "properties": ["LaunchTemplate"]});
    vec![
        json!({"promotion": {
            "target": {"pattern": "stack", "name": "web", "parameters": [
                {"key": "ImageId", "images": {"groups": [group], "candidates": [{
                    "imageId": image, "creationDate": "2026-11-01T03:00:00.000Z",
                    "statusMessage": "VSS",
                    "origin": {"kind": "Group", "instanceId": "i-1", "group": group}}]}}]},
            "run": {"selection": "Newest", "dryRun": false, "instanceRefresh": false, "verify": true}}}),
        json!({
            "stackName": "web", "images": [change], "execution": "name", "changeSetId": "arn"}),
        json!({"writes": [write], "execution": "name", "polls": 1}),
        json!({"stackName": "web", "images": [change], "execution": "name"}),
        json!({"stackId": "arn", "clientRequestToken": "token", "images": [change]}),
        json!({"stacks": [drift], "before": [drift]}),
        json!({"proof": proof}),
        json!({"groups": [refresh]}),
        json!({"groups": rows(&launch), "guard": {"scope": {"stack": "web"}, "images": [
            {"parameter": "ImageId", "image": image, "replaced": image}]}}),
        json!({"failure": failure, "targets": [{
            "pattern": "stack", "name": "web", "dryRun": false, "verify": true, "images": [decision],
            "refused": [{"parameter": "B", "name": "ImageRejected", "message": "none"}],
            "writes": [write], "plan": rows(&planned), "drift": [drift],
            "groups": rows(&launch),
            "refresh": [refresh], "hasWritten": true, "rollsBack": true, "hasWayBack": true,
            "isRollback": true, "failure": failure, "promotionFailure": failure}]}),
        json!({"run": {"dryRun": true, "verify": true}, "execution": "name", "after": "stack web"}),
        json!({"results": [{
            "start": {"name": "web-1", "input": {
                "target": {"parameterName": "/web"}, "dryRun": true, "groups": ["web"]}},
            "outcome": "Promoted", "summary": "text", "error": "X", "cause": "text"}]}),
    ]
}

/// Decoded, or why not.
type Decoder = fn(Value) -> Result<(), InvalidInput>;

/// Each step's, in the order of the inputs.
const DECODERS: [Decoder; 12] = [
    |value| decode::<ValidateInput>(value).map(drop),
    |value| decode::<PlanInput>(value).map(drop),
    |value| decode::<PromoteInput>(value).map(drop),
    |value| decode::<UpdateInput>(value).map(drop),
    |value| decode::<WaitInput>(value).map(drop),
    |value| decode::<DriftInput>(value).map(drop),
    |value| decode::<VerifyInput>(value).map(drop),
    |value| decode::<RefreshInput>(value).map(drop),
    |value| decode::<GuardInput>(value).map(drop),
    |value| decode::<Collected>(value).map(drop),
    |value| decode::<ListInput>(value).map(drop),
    |value| decode::<CollectInput>(value).map(drop),
];

#[test]
fn a_value_of_another_type_is_refused_with_its_path() {
    for (decode, input) in DECODERS.iter().zip(inputs()) {
        decode(input.clone()).unwrap();
        for (pointer, path) in json_paths(&input) {
            let mut corrupted = input.clone();
            let place = corrupted.pointer_mut(&pointer).unwrap();
            *place = if place.is_string() { json!({"a": 7}) } else { json!("seven") };
            let refusal = decode(corrupted).unwrap_err();
            assert_eq!(refusal.name(), ErrorName::InvalidInput);
            let message = refusal.to_string();
            let buffered = BUFFERED.into_iter().find(|buffered| path.starts_with(buffered));
            let path = buffered.unwrap_or(&path);
            assert!(message.starts_with(path), "{path}: {message}");
        }
    }
}

proptest! {
    #[test]
    fn any_json_is_decoded_or_refused(value in json()) {
        every_step_decodes_or_refuses(&value);
    }

    #[test]
    fn one_wrong_value_is_decoded_or_refused(
        value in proptest::sample::select(inputs()).prop_flat_map(|input| corrupted(&input))
    ) {
        every_step_decodes_or_refuses(&value);
    }

    #[test]
    fn a_truncated_text_is_the_beginning(text in text(), most in 0..600_usize) {
        let cut = truncated(text.clone(), most);
        let kept: String = text.chars().take(most).collect();
        prop_assert!(cut.starts_with(&kept));
        prop_assert!(cut.chars().count() <= most + 40);
        prop_assert_eq!(cut == text, text.chars().count() <= most);
    }
}
