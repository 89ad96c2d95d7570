//! The forms of input, and the refusal of any other.

use contract::ids::ImageId;
use serde_json::{Value, json};

use super::{FIRST, backup};
use contract::target::{Run, Selection};

use crate::request::{NamedTarget, Request, Trigger, request};
use tags::Destination;

fn first() -> ImageId {
    FIRST.parse().unwrap()
}

#[track_caller]
fn refused(input: Value, expected: &str) {
    let message = request(input).unwrap_err().to_string();
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_completed_backup_of_an_instance_hints_at_its_image() {
    let behind_another = backup(|event| {
        event["resources"] =
            json!(["arn:aws:backup:eu-west-1:1:recovery-point:x", event["resources"][0]]);
    });
    let message = "Windows VSS Backup attempt failed";
    let with_issues = backup(|event| event["detail"]["statusMessage"] = json!(message));
    for (input, status_message) in
        [(backup(|_| ()), None), (behind_another, None), (with_issues, Some(message.to_owned()))]
    {
        assert_eq!(
            request(input),
            Ok(Request::Image(first(), Trigger::Backup { instance_id: None, status_message }))
        );
    }
}

#[test]
fn an_event_names_the_instance_too() {
    for (arn, expected) in [
        ("arn:aws:ec2:eu-west-1:111122223333:instance/i-0123", Some("i-0123")),
        ("arn:aws-cn:ec2:cn-north-1:111122223333:instance/i-0123", Some("i-0123")),
        ("arn:aws:ec2:eu-west-1:111122223333:volume/vol-1", None),
        ("nonsense", None),
    ] {
        let event = backup(|event| event["detail"]["resourceArn"] = json!(arn));
        let Ok(Request::Image(_, Trigger::Backup { instance_id, .. })) = request(event) else {
            panic!("{arn}")
        };
        assert_eq!(instance_id.as_deref(), expected, "{arn}");
    }
}

/// EC2 user guide, "Monitor AMI events using Amazon EventBridge".
fn available(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "version": "0",
        "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2",
        "time": "2026-11-20T03:00:00Z",
        "resources": [format!("arn:aws:ec2:eu-west-1::image/{FIRST}")],
        "detail": {"ImageId": FIRST, "State": "available", "ErrorMessage": ""},
    });
    change(&mut event);
    event
}

#[test]
fn an_available_image_is_a_trigger_whoever_made_it() {
    let Ok(Request::Image(image, Trigger::Available { time })) = request(available(|_| ())) else {
        panic!("another request")
    };
    assert_eq!((image, time.secs()), (first(), 1_795_143_600));
    for (event, expected) in [
        (available(|e| e["source"] = json!("my.app")), "source: expected \"aws.ec2\""),
        (available(|e| e["time"] = json!("today")), "time: expected ISO 8601, found \"today\""),
        (available(|e| e["detail"]["ImageId"] = json!("i-1")), "detail.ImageId: expected an image"),
        (available(|e| e["detail"]["State"] = json!(7)), "detail.State: invalid type"),
    ] {
        refused(event, expected);
    }
}

#[test]
fn a_manual_run_pins_its_image() {
    for (input, run) in [
        (json!({"imageId": FIRST}), Run::default()),
        (
            json!({"imageId": FIRST, "allowOlder": true}),
            Run { selection: Selection::AllowOlder, ..Run::default() },
        ),
        (
            json!({"imageId": FIRST, "instanceRefresh": true}),
            Run { instance_refresh: true, ..Run::default() },
        ),
        (json!({"imageId": FIRST, "dryRun": true}), Run { dry_run: true, ..Run::default() }),
    ] {
        assert_eq!(request(input), Ok(Request::Image(first(), Trigger::Manual(run))));
    }
}

#[test]
fn a_target_or_a_rollback_names_a_parameter_or_a_stack() {
    let parameter = || Destination::Parameter("/golden/web".parse().unwrap());
    let stack = || Destination::Stack("web".parse().unwrap());
    let run = Run { selection: Selection::Rollback, ..Run::default() };
    for (input, destination, only, run) in [
        (json!({"rollback": {"parameterName": "/golden/web"}}), parameter(), None, run),
        (json!({"rollback": {"stackName": "web"}}), stack(), None, run),
        (
            json!({"rollback": {"stackName": "web", "parameterKey": "DbImage"}}),
            stack(),
            Some("DbImage"),
            run,
        ),
        (
            json!({"rollback": {"stackName": "web"}, "instanceRefresh": true}),
            stack(),
            None,
            Run { instance_refresh: true, ..run },
        ),
        (
            json!({"rollback": {"stackName": "web"}, "dryRun": true}),
            stack(),
            None,
            Run { dry_run: true, ..run },
        ),
    ] {
        let only = only.map(|key| key.parse().unwrap());
        for (field, selection) in [("rollback", Selection::Rollback), ("target", Selection::Newest)]
        {
            let mut input = input.clone();
            let target = input.as_object_mut().unwrap().remove("rollback").unwrap();
            input[field] = target;
            let (destination, only) = (destination.clone(), only.clone());
            let named = NamedTarget { field, destination, only, groups: None };
            assert_eq!(request(input), Ok(Request::Named(named, Run { selection, ..run })));
        }
    }
    let older = json!({"target": {"stackName": "web"}, "allowOlder": true});
    let named = NamedTarget { field: "target", destination: stack(), only: None, groups: None };
    let run = Run { selection: Selection::AllowOlder, ..Run::default() };
    assert_eq!(request(older), Ok(Request::Named(named, run)));
}

#[test]
fn a_run_of_a_parameter_may_name_the_groups_and_leave_out_the_drift() {
    let input =
        json!({"target": {"parameterName": "/golden/web"}, "verify": false, "groups": ["a"]});
    let destination = Destination::Parameter("/golden/web".parse().unwrap());
    let groups = Some(vec!["a".to_owned()]);
    let named = NamedTarget { field: "target", destination, only: None, groups };
    let run = Run { verify: false, ..Run::default() };
    assert_eq!(request(input), Ok(Request::Named(named, run)));
    refused(
        json!({"target": {"stackName": "web"}, "groups": []}),
        "groups: expected only together with parameterName",
    );
}

#[test]
fn a_reconcile_is_told_where_it_belongs() {
    for (input, field) in [
        (json!({"reconcile": true}), "reconcile"),
        (json!({"reconcile": true, "dryRun": true}), "reconcile"),
        (json!({"dryRun": true}), "dryRun"),
        (json!({"dryRun": false, "stackName": "web"}), "dryRun"),
    ] {
        let message = request(input).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
        assert!(message.contains("ReconcileStateMachineArn"), "{message}");
    }
}

#[test]
fn events_that_mean_nothing_are_skipped_with_the_reason() {
    let of_volume = backup(|event| event["detail"]["resourceType"] = json!("EBS"));
    let running = backup(|event| {
        event["detail"]["state"] = json!("RUNNING");
        event["resources"] = json!([]);
    });
    // The documented CREATED event has hardly any field.
    let created = backup(|event| {
        event["detail"] = json!({"state": "CREATED"});
        event["resources"] = json!([]);
    });
    let copy = backup(|event| event["detail-type"] = json!("Copy Job State Change"));
    let arn = "arn:aws:backup:eu-west-1:111122223333:recovery-point:1a-2b";
    let in_air_gapped_vault = backup(|event| event["resources"] = json!([arn]));
    let failed = available(|event| event["detail"]["State"] = json!("failed"));
    for (input, reason) in [
        (of_volume, "the backup's resource type is EBS, not EC2"),
        (running, "the backup job is RUNNING, not COMPLETED"),
        (created, "the backup job is CREATED, not COMPLETED"),
        (
            copy,
            "\"Copy Job State Change\" events are ignored; only \"Backup Job State Change\" and \"EC2 AMI State Change\" events are handled",
        ),
        (in_air_gapped_vault, &format!("the recovery point {arn} is no image")),
        (failed, &format!("image {FIRST} is failed, not available")),
    ] {
        assert_eq!(request(input), Ok(Request::Skip(reason.into())));
    }
}

#[test]
fn what_is_no_known_form_is_told_them_all() {
    for (input, found) in [
        (json!("ami"), "\"ami\""),
        (json!([]), "[]"),
        (json!(null), "null"),
        (json!({}), "no field"),
        (json!({"image": FIRST, "x": 1}), "image, x"),
        (json!({"allowOlder": true}), "allowOlder"),
    ] {
        let expected = r#"$: expected AWS Backup's or EC2's event, {"imageId": "ami-…"}, {"target": {"parameterName": "…"}}, {"target": {"stackName": "…"}}, {"rollback": {"parameterName": "…"}} or {"rollback": {"stackName": "…"}}; found "#;
        assert_eq!(request(input).unwrap_err().to_string(), format!("{expected}{found}"));
    }
}

#[test]
fn a_known_form_that_is_wrong_is_refused_with_the_field() {
    let one_of_two = "rollback: expected exactly one of parameterName and stackName, found";
    for (input, expected) in [
        (json!({"imageId": "i-1"}), "imageId: expected an image ID"),
        (json!({"imageId": null}), "imageId: invalid type: null, expected a string"),
        (json!({"imageId": FIRST, "allowOlder": 1}), "allowOlder: invalid type"),
        (json!({"imageId": FIRST, "alowOlder": true}), "alowOlder: unknown field"),
        (json!({"imageId": FIRST, "rollback": {}}), "rollback: unknown field"),
        (json!({"imageId": FIRST, "reconcile": true}), "reconcile: unknown field"),
        (json!({"rollback": true}), "rollback: invalid type"),
        (json!({"rollback": {}}), &format!("{one_of_two} neither")),
        (
            json!({"rollback": {"parameterName": "/a", "stackName": "a"}}),
            &format!("{one_of_two} both"),
        ),
        (
            json!({"rollback": {"parameterName": "a b"}}),
            "rollback.parameterName: expected the name of an SSM parameter",
        ),
        (
            json!({"rollback": {"stackName": "1"}}),
            "rollback.stackName: expected the name of a stack",
        ),
        (
            json!({"rollback": {"stackName": "web", "parameterKey": "a-b"}}),
            "rollback.parameterKey: expected the name of a template parameter",
        ),
        (
            json!({"rollback": {"parameterName": "/a", "parameterKey": "DbImage"}}),
            "rollback.parameterKey: expected only together with stackName, found \"DbImage\"",
        ),
        (
            json!({"target": {}}),
            "target: expected exactly one of parameterName and stackName, found neither",
        ),
        (
            json!({"target": {"parameterName": "/a", "stackName": "a"}}),
            "target: expected exactly one of parameterName and stackName, found both",
        ),
        (
            json!({"target": {"parameterName": "/a", "parameterKey": "DbImage"}}),
            "target.parameterKey: expected only together with stackName, found \"DbImage\"",
        ),
        (json!({"target": "web"}), "target: invalid type"),
        (json!({"target": {"stack": "web"}}), "target.stack: unknown field"),
        (json!({"target": {"stackName": "web"}, "imageId": FIRST}), "target: unknown field"),
        (json!({"target": {"stackName": "web"}, "reconcile": true}), "reconcile: unknown field"),
        (json!({"rollback": {"stack": "web"}}), "rollback.stack: unknown field"),
        (json!({"rollback": {"stackName": "web"}, "allowOlder": true}), "allowOlder: unknown"),
        (json!({"rollback": {"stackName": "web"}, "dryRun": "yes"}), "dryRun: invalid type"),
        (
            backup(|event| event["source"] = json!("my.app")),
            "source: expected \"aws.backup\", found \"my.app\"",
        ),
        (backup(|event| event["detail"]["state"] = json!(7)), "detail.state: invalid type"),
        (
            backup(|event| event["detail"]["statusMessage"] = json!(["x"])),
            "detail.statusMessage: invalid type",
        ),
        (backup(|event| event["resources"] = json!([])), "resources: expected the ARN of an image"),
        (
            backup(|event| event["resources"] = json!(["x", "arn:aws:ec2:eu-west-1::image/ami-x"])),
            "resources[1]: expected an image ID",
        ),
        (json!({"detail-type": 7}), "detail-type: invalid type"),
    ] {
        refused(input, expected);
    }
}
