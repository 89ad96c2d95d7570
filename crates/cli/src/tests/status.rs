//! What a target's status is made of, and how it is printed.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::primitives::DateTime;
use aws_sdk_cloudformation::types::{Stack, StackDriftInformation, StackDriftStatus};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::json;

use super::{EXECUTION, parts};
use crate::inventory::groups::{Group, Version};
use crate::inventory::values::{Expiry, Parameter};
use crate::inventory::{Image, Inventory};
use crate::output::Format;
use crate::status::executions::{LastExecution, outcomes};
use crate::status::{Facts, Status, show};
use crate::target::Target;

const DAY: i64 = 86_400;

fn image(id: &str, created: &str, tag: (&str, &str)) -> Image {
    let tags = [(tag.0.to_owned(), tag.1.to_owned())].into();
    Image { id: id.into(), created: created.into(), tags, instance: None }
}

fn group(stack: &str, image: &str) -> Group {
    let version = Version { image: Some(image.into()), created: Some(DAY), ..Version::default() };
    Group {
        name: format!("{stack}-Group"),
        stack: Some(stack.into()),
        root: Some(stack.into()),
        versions: vec![version],
        ..Group::default()
    }
}

fn inventory() -> Inventory {
    let drift = StackDriftInformation::builder().stack_drift_status(StackDriftStatus::InSync);
    let drift = drift.last_check_timestamp(DateTime::from_secs(DAY)).build();
    let stack = Stack::builder().stack_name("driftless-web").drift_information(drift).build();
    Inventory {
        images: vec![
            image("ami-1", "2026-01-01", ("ImageIdParameterName", "/driftless/web")),
            image("ami-2", "2026-01-02", ("ImageIdParameterName", "/driftless/web")),
            image("ami-3", "2026-01-03", ("StackName", "driftless-web")),
        ],
        groups: vec![group("other", "resolve:ssm:/driftless/web"), group("driftless-web", "ami-3")],
        stacks: [("driftless-web".to_owned(), stack)].into(),
    }
}

fn parameter() -> Status {
    expiring(Expiry::At(30 * DAY))
}

fn expiring(expiry: Expiry) -> Status {
    let value = Parameter { value: "ami-1".into(), written: Some(2 * DAY), ..Parameter::default() };
    let facts = Facts {
        parameter: Some(value),
        expiries: BTreeMap::from([("ami-1".into(), expiry)]),
        last_execution: None,
    };
    Status::of(&Target::Parameter("/driftless/web".into()), &inventory(), &parts(), &facts)
}

#[test]
fn a_parameters_groups_boot_what_it_holds() {
    let status = parameter();
    assert_eq!(
        (status.boots.as_slice(), status.groups.as_slice()),
        (&["ami-1".into()][..], &["other-Group".into()][..])
    );
    assert_eq!((status.newest_image.as_deref(), status.is_newest), (Some("ami-2"), false));
    assert_eq!((status.since, status.expires), (Some(2 * DAY), Some(30 * DAY)));
    assert_eq!(status.drift, []);
}

#[test]
fn a_stacks_groups_boot_what_their_launch_templates_have() {
    let target = Target::Stack("driftless-web".into());
    let status = Status::of(&target, &inventory(), &parts(), &Facts::default());
    assert_eq!((status.boots.as_slice(), status.is_newest), (&["ami-3".into()][..], true));
    assert_eq!((status.since, status.expires), (Some(DAY), None));
    assert_eq!(status.drift.first().map(|drift| drift.status.as_str()), Some("IN_SYNC"));
}

#[test]
fn a_fixed_version_of_a_parameter_is_no_image_in_place() {
    let mut inventory = inventory();
    inventory.groups = vec![group("other", "resolve:ssm:/driftless/web:1")];
    let target = Target::Parameter("/driftless/web".into());
    let status = Status::of(&target, &inventory, &parts(), &Facts::default());
    assert_eq!((status.boots.as_slice(), status.is_newest), (&["version 1".into()][..], false));
}

#[test]
fn every_target_of_images_and_groups_is_listed() {
    let mut inventory = inventory();
    let tags = [("StackName".to_owned(), "driftless-new".to_owned())].into();
    inventory.groups.push(Group { tags, ..Group::default() });
    let targets = inventory.targets(&parts().settings);
    let names: Vec<_> = targets.iter().map(Target::name).collect();
    assert_eq!(names, ["/driftless/web", "driftless-new", "driftless-web"]);
}

#[test]
fn the_last_execution_is_about_the_targets_in_its_report() {
    let target = json!({
        "pattern": "parameter", "name": "/a", "outcome": "Updated", "images": [], "writes": [],
        "plan": {"rows": [], "more": 0}, "drift": [], "groups": {"rows": [], "more": 0},
        "refresh": [], "error": null,
    });
    let report = json!({"outcome": "Promoted", "summary": "", "targets": [target]});
    let execution = |stopped: Option<i64>| {
        DescribeExecutionOutput::builder()
            .execution_arn(EXECUTION)
            .state_machine_arn("arn")
            .status(ExecutionStatus::Succeeded)
            .start_date(DateTime::from_secs(0))
            .set_stop_date(stopped.map(DateTime::from_secs))
            .output(report.to_string())
            .build()
            .unwrap()
    };
    let last = LastExecution { execution: EXECUTION.into(), outcome: "Updated".into(), ended: 5 };
    assert_eq!(outcomes(&execution(Some(5))), [("/a".to_owned(), last)]);
    assert_eq!(outcomes(&execution(None)), []);
}

#[test]
fn a_table_fits_the_terminal() {
    let last = LastExecution { execution: EXECUTION.into(), outcome: "Updated".into(), ended: DAY };
    let one = Status { last_execution: Some(last), ..parameter() };
    for width in [80, 120] {
        let table = show::table(std::slice::from_ref(&one), 20 * DAY, Some(width)).to_string();
        let fits = |line: &str| line.chars().count() <= usize::from(width);
        assert!(table.lines().all(fits), "{table}");
    }
    let table = show::table(&[one], 20 * DAY, Some(120)).to_string();
    for part in ["/driftless/web", "ami-1", "18 d", "ami-2", "10 days", "Updated, 19 d"] {
        assert!(table.contains(part), "no {part} in {table}");
    }
}

#[test]
fn an_age_is_as_short_as_it_may_be() {
    for (seconds, expected) in
        [(-1, "now"), (59, "now"), (60, "1 min"), (7_199, "1 h"), (12 * DAY + 5, "12 d")]
    {
        assert_eq!(show::age(seconds), expected);
    }
}

/// Operators need not be allowed to read AWS Backup.
#[test]
fn an_expiry_that_may_not_be_read_is_unknown_and_not_none() {
    let denied = expiring(Expiry::Denied("not authorized to perform: backup:…".into()));
    assert_eq!(denied.expires, None);
    assert_eq!(denied.expires_unknown.as_deref(), Some("not authorized to perform: backup:…"));
    let text = show::result(&parts(), std::slice::from_ref(&denied), Format::Text).unwrap();
    assert!(
        text.contains(" ? ") && text.ends_with("not known: not authorized to perform: backup:…\n"),
        "{text}"
    );
    let json = show::result(&parts(), &[denied], Format::Json).unwrap();
    assert!(json.contains("\"expiresUnknown\""), "{json}");
    let never = show::result(&parts(), &[expiring(Expiry::Never)], Format::Json).unwrap();
    assert!(!never.contains("expiresUnknown"), "{never}");
}
