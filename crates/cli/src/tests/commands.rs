//! The commands' arguments, and the inputs that they make.

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};

use super::parts;
use crate::{Arguments, Command};

fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = line.split_whitespace();
    Arguments::try_parse_from(["driftless"].into_iter().chain(words)).map(|it| it.command)
}

#[test]
fn the_arguments_are_what_clap_accepts() {
    Arguments::command().debug_assert();
    for (line, is_accepted) in [
        ("redrive", true),
        ("redrive --deployment web --dry-run --all --format json", true),
        ("redrive --profile ops --region eu-west-1", true),
        ("redrive --format xml", false),
        ("redrive now", false),
        ("", false),
        ("promote", false),
        ("promote --parameter /a --stack b", false),
        ("promote --image ami-0123456789abcdef0 --parameter /a", false),
        ("promote --image web", false),
        ("promote --parameter /a --key ImageId", false),
        ("rollback --image ami-0123456789abcdef0", false),
        ("rollback --stack b --image ami-0123456789abcdef0", true),
        ("rollback --stack b --key K --image ami-0123456789abcdef0", false),
        ("reconcile --dry-run --verify", true),
        ("follow", false),
        ("follow promote-1", true),
        ("status --format json", true),
        ("doctor", true),
        ("doctor --stack b", true),
        ("doctor --stack b --parameter /a", false),
    ] {
        assert_eq!(parse(line).is_ok(), is_accepted, "{line}");
    }
}

fn input(line: &str) -> Value {
    match parse(line).unwrap() {
        Command::Promote(promote) => promote.input(),
        Command::Plan(plan) => plan.input(),
        Command::Rollback(rollback) => rollback.input(),
        _ => panic!("{line} has no input"),
    }
}

#[test]
fn each_command_makes_an_input_of_the_state_machine() {
    let image = "ami-0123456789abcdef0";
    for (line, expected) in [
        ("promote --image ami-0123456789abcdef0", json!({"imageId": image})),
        (
            "promote --image ami-0123456789abcdef0 --allow-older --instance-refresh",
            json!({"imageId": image, "allowOlder": true, "instanceRefresh": true}),
        ),
        ("promote --parameter /a", json!({"target": {"parameterName": "/a"}})),
        ("promote --stack b --dry-run", json!({"target": {"stackName": "b"}, "dryRun": true})),
        (
            "plan --stack b --key K",
            json!({"target": {"stackName": "b", "parameterKey": "K"}, "dryRun": true}),
        ),
        ("rollback --parameter /a", json!({"rollback": {"parameterName": "/a"}})),
        (
            "rollback --stack b --key K --dry-run --instance-refresh",
            json!({
                "rollback": {"stackName": "b", "parameterKey": "K"},
                "dryRun": true,
                "instanceRefresh": true,
            }),
        ),
        (
            "rollback --parameter /a --image ami-0123456789abcdef0",
            json!({"imageId": image, "allowOlder": true}),
        ),
    ] {
        assert_eq!(input(line), expected, "{line}");
    }
}

#[test]
fn a_reconcile_has_a_state_machine_of_its_own() {
    let parts = parts();
    assert_eq!(
        parts.reconcile(false, true),
        (parts.reconcile.as_str(), json!({"dryRun": false, "verify": true}))
    );
}

#[test]
fn an_execution_is_named_after_its_command_and_the_time() {
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_767_323_045_678);
    assert_eq!(
        crate::run::name("promote", now, 0xfeed_0000_1a2b),
        "promote-2026-01-02T03-04-05Z-00001a2b"
    );
}
