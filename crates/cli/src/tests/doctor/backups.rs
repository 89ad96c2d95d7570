//! Which instances a backup plan covers (`API_BackupSelection`).

use aws_sdk_backup::types::builders::BackupSelectionBuilder;
use aws_sdk_backup::types::{
    BackupSelection, Condition, ConditionParameter, ConditionType, Conditions,
};

use crate::doctor::backups::{Plan, is_like};
use crate::inventory::Tags;

const INSTANCE: &str = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1";

fn selection() -> BackupSelectionBuilder {
    BackupSelection::builder().selection_name("all").iam_role_arn("arn:role")
}

fn tag(key: &str, value: &str) -> Condition {
    let condition = Condition::builder().condition_type(ConditionType::Stringequals);
    condition.condition_key(key).condition_value(value).build().unwrap()
}

fn condition(key: &str, value: &str) -> ConditionParameter {
    let key = format!("aws:ResourceTag/{key}");
    ConditionParameter::builder().condition_key(key).condition_value(value).build()
}

#[test]
fn a_selection_is_by_arns_tags_and_conditions() {
    let tags: Tags = [("backup".to_owned(), "daily".to_owned())].into();
    let is_daily = || Conditions::builder().string_equals(condition("backup", "daily")).build();
    let is_not =
        |value| Conditions::builder().string_not_equals(condition("backup", value)).build();
    let like = |value| Conditions::builder().string_like(condition("backup", value)).build();
    for (name, selection, expected) in [
        ("everything", selection().resources("*"), true),
        ("this", selection().resources(INSTANCE), true),
        ("instances", selection().resources("arn:aws:ec2:*:*:instance/*"), true),
        ("volumes", selection().resources("arn:aws:ec2:*:*:volume/*"), false),
        ("excluded", selection().resources("*").not_resources(INSTANCE), false),
        ("tagged", selection().list_of_tags(tag("backup", "daily")), true),
        ("otherwise", selection().list_of_tags(tag("backup", "weekly")), false),
        (
            "any tag",
            selection().list_of_tags(tag("a", "b")).list_of_tags(tag("backup", "daily")),
            true,
        ),
        ("condition", selection().resources("*").conditions(is_daily()), true),
        ("condition alone", selection().conditions(is_daily()), true),
        ("not", selection().resources("*").conditions(is_not("daily")), false),
        ("not other", selection().resources("*").conditions(is_not("weekly")), true),
        ("like", selection().resources("*").conditions(like("*ail*")), true),
        ("not like", selection().resources("*").conditions(like("week*")), false),
        ("nothing", selection(), false),
    ] {
        let selections = vec![selection.build().unwrap()];
        let plan = Plan { selections, ..Plan::default() };
        assert_eq!(plan.covers(INSTANCE, &tags), expected, "{name}");
    }
    assert!(!Plan::default().covers(INSTANCE, &tags));
}

#[test]
fn an_asterisk_stands_for_any_text() {
    for (text, pattern, expected) in [
        ("production", "prod*", true),
        ("production", "*rod*", true),
        ("production", "*tion", true),
        ("production", "p*d*n", true),
        ("production", "*", true),
        ("production", "production", true),
        ("production", "prod", false),
        ("production", "*prod", false),
        ("aba", "ab*ba", false),
        ("", "*", true),
    ] {
        assert_eq!(is_like(text, pattern), expected, "{text} like {pattern}");
    }
}
