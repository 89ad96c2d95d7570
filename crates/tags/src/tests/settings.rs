//! The function's environment, as the template sets it, and each way to get it wrong.

use super::settings;
use crate::{BadSettings, Settings};

fn read(changed: &[(&str, Option<&str>)]) -> Result<Settings, BadSettings> {
    let template = [
        ("ACCOUNT_ID", "111122223333"),
        ("AWS_REGION", "eu-west-1"),
        ("PARAMETER_PREFIX", "/golden/"),
        ("STACK_PREFIX", "web"),
    ];
    Settings::read(|name| {
        let changed = changed.iter().find(|(changed, _)| *changed == name);
        let set = || template.iter().find(|(set, _)| *set == name).map(|(_, value)| *value);
        changed.map_or_else(set, |(_, value)| *value).map(str::to_owned)
    })
}

#[test]
fn the_keys_are_the_articles_unless_the_environment_says_otherwise() {
    assert_eq!(read(&[]), Ok(settings()));
    let keys = settings().keys;
    let keys = [keys.parameter_name, keys.stack_name, keys.parameter_key, keys.instance_refresh];
    assert_eq!(
        keys,
        ["ImageIdParameterName", "StackName", "ImageIdParameterKey", "InstanceRefresh"]
    );
    let changed = read(&[("STACK_NAME_TAG", Some("promote:stack"))]).unwrap();
    assert_eq!(changed.keys.stack_name, "promote:stack");
}

#[test]
fn an_environment_that_is_not_the_templates_is_refused() {
    for (name, value, expected) in [
        ("ACCOUNT_ID", Some("1234"), "ACCOUNT_ID: expected the 12 digits"),
        ("ACCOUNT_ID", None, "ACCOUNT_ID is not set"),
        ("AWS_REGION", None, "AWS_REGION is not set"),
        ("PARAMETER_PREFIX", None, "PARAMETER_PREFIX is not set"),
        ("STACK_PREFIX", None, "STACK_PREFIX is not set"),
        ("STACK_NAME_TAG", Some("InstanceRefresh"), "two tags have the key \"InstanceRefresh\""),
    ] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
