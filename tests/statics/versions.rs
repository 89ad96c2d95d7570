//! What a running execution needs of an update of the template: a version for every change of a
//! function, and the versions that it began with.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::none;
use crate::template::{TEMPLATE, functions};

/// Properties whose change publishes no version, because Lambda does not keep them with the function:
/// `CloudFormation` then fails with "A version for this Lambda function exists"
/// (aws/serverless-application-model#3281).
const NOT_PART_OF_A_VERSION: [&str; 5] = [
    "CodeSigningConfigArn",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "RuntimeManagementConfig",
    "Tags",
];

/// The template parameters in a value.
fn parameters(value: &Value) -> BTreeSet<String> {
    let is_parameter = |name: &&str| !TEMPLATE["Parameters"][*name].is_null();
    match value {
        Value::Array(items) => items.iter().flat_map(parameters).collect(),
        Value::Object(members) => {
            let own = match members.iter().next() {
                Some((key, Value::String(name))) if key == "Ref" => vec![name.as_str()],
                Some((key, Value::String(text))) if key == "Fn::Sub" => {
                    text.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect()
                }
                _ => vec![],
            };
            let own = own.into_iter().filter(is_parameter).map(str::to_owned);
            own.chain(members.values().flat_map(parameters)).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// What is part of a version.
fn configuration(function: &Map<String, Value>) -> Value {
    let others = ["Policies", "VersionDescription"];
    let kept = function.iter().filter(|(name, _)| !others.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

#[test]
fn a_change_of_a_function_publishes_a_version() {
    assert_eq!(TEMPLATE["Globals"]["Function"]["AutoPublishAlias"], "live");
    none(
        functions()
            .into_iter()
            .filter(|(_, function)| {
                let all = function.get("AutoPublishAliasAllProperties");
                let beside = NOT_PART_OF_A_VERSION.iter().any(|name| function.contains_key(*name));
                all != Some(&json!(true)) || beside
            })
            .map(|(name, _)| name),
    );
}

/// SAM does not see that a parameter's value has changed (aws/serverless-application-model#1640, #3820),
/// so the function would change and the version that the state machine names would not.
/// `CloudFormation` replaces a version whose description changes, and a description that changes without
/// the function fails the update.
#[test]
fn a_change_of_a_parameter_publishes_a_version_of_the_functions_that_read_it() {
    none(functions().into_iter().filter_map(|(name, function)| {
        let read = parameters(&configuration(function));
        let described =
            parameters(&function.get("VersionDescription").cloned().unwrap_or_default());
        (read != described)
            .then(|| format!("{name} reads {read:?}, its VersionDescription has {described:?}"))
    }));
}

/// SAM keeps a version that the template no longer has. One that is replaced is kept only if the function
/// says so.
#[test]
fn a_version_that_is_replaced_is_kept() {
    none(functions().into_iter().filter_map(|(name, function)| {
        let resource = &TEMPLATE["Resources"][name];
        let replaced = function.contains_key("VersionDescription");
        let kept = resource["UpdateReplacePolicy"] == "Retain";
        // It would be the versions' too.
        let own = !resource["DeletionPolicy"].is_null();
        (replaced != kept || own).then_some(name)
    }));
}

/// `sam build` would look for a Makefile beside each program.
#[test]
fn sam_builds_nothing() {
    let builds =
        |(name, _): &(&str, _)| TEMPLATE["Resources"][*name]["Metadata"]["SkipBuild"] != true;
    none(functions().into_iter().filter(builds).map(|(name, _)| name));
    let deploy = crate::text("samconfig.toml");
    // And not the template that it has copied into .aws-sam.
    assert!(deploy.contains("template_file = \"template.yaml\""), "{deploy}");
}
