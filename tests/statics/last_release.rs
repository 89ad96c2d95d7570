//! What the last release has promised to what outlives an upgrade: executions that run keep their versions of
//! the functions, which need the functions and their roles; inputs wait in the dead-letter queue and in
//! schedules, and a reconcile that runs starts promotions of the new release.
//!
//! The last release is the newest tag of this checkout; without one there is nothing to compare with.

use std::collections::BTreeMap;
use std::process::Command;

use contract::event::{BackupEvent, ImageEvent, ManualRun, ReconcileRun, RollbackRun, TargetRun};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::template::{TEMPLATE, actions, statements};
use crate::{none, text};

/// A file of the last release.
fn released(path: &str) -> Option<String> {
    let git = |arguments: &[&str]| {
        let root = harness::paths::root();
        let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    };
    let tag = git(&["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"])?;
    git(&["show", &format!("{}:{path}", tag.trim())])
}

/// The actions that each function of a template may take.
fn permissions(template: &Value) -> BTreeMap<&str, Vec<&str>> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let functions = resources.filter(|(_, it)| it["Type"] == "AWS::Serverless::Function");
    functions
        .map(|(name, function)| {
            let properties = function["Properties"].as_object().unwrap();
            (name.as_str(), statements(properties).into_iter().flat_map(actions).collect())
        })
        .collect()
}

/// What running executions would miss.
fn missing(before: &Value, after: &Value) -> Vec<String> {
    let kept = permissions(after);
    let of_function = |(name, actions): (&str, Vec<&str>)| match kept.get(name) {
        None => vec![format!("{name} is gone, and its versions with it")],
        Some(kept) => {
            let lost = actions.into_iter().filter(|action| !kept.contains(action));
            lost.map(|action| format!("{name} may not {action} any more")).collect()
        }
    };
    permissions(before).into_iter().flat_map(of_function).collect()
}

/// The inputs in the tables of docs/operations.md.
fn inputs(operations: &str) -> Vec<Value> {
    let section = |name: &str| {
        let (_, rest) = operations.split_once(&format!("\n## {name}\n")).unwrap();
        rest.split("\n## ").next().unwrap().to_owned()
    };
    let rows = section("Inputs") + &section("Reconcile");
    let inputs = rows.lines().filter_map(|line| line.strip_prefix("| `{")?.split('`').next());
    let whole = |input: &str| format!("{{{input}").replace("ami-…", "ami-0123456789abcdef0");
    inputs.map(|input| serde_json::from_str(&whole(input)).unwrap()).collect()
}

fn is_accepted(input: &Value) -> bool {
    fn is<T: DeserializeOwned>(input: &Value) -> bool {
        serde_json::from_value::<T>(input.clone()).is_ok()
    }
    is::<ManualRun>(input)
        || is::<TargetRun>(input)
        || is::<RollbackRun>(input)
        || is::<ReconcileRun>(input)
        || is::<BackupEvent>(input)
        || is::<ImageEvent>(input)
}

#[test]
fn functions_of_the_last_release_and_their_permissions_are_kept() {
    if let Some(template) = released("template.yaml") {
        none(missing(&crate::python("template.py", &json!(template)), &TEMPLATE));
    }
}

#[test]
fn a_function_or_a_permission_that_is_gone_is_found() {
    let mut after = TEMPLATE.clone();
    let resources = after["Resources"].as_object_mut().unwrap();
    resources.remove("ListTargets").unwrap();
    let statement = &mut resources["ResolveTags"]["Properties"]["Policies"][0]["Statement"][0];
    statement["Action"] = json!(["ec2:DescribeImages"]);
    assert_eq!(
        missing(&TEMPLATE, &after),
        [
            "ListTargets is gone, and its versions with it",
            "ResolveTags may not ec2:DescribeInstances any more",
        ]
    );
    assert_eq!(missing(&TEMPLATE, &TEMPLATE), [] as [&str; 0]);
}

#[test]
fn inputs_of_this_and_the_last_release_are_accepted() {
    const DOCUMENTED: &str = "docs/operations.md";
    let now = inputs(&text(DOCUMENTED));
    assert!(now.len() > 10, "{now:#?}");
    let before = released(DOCUMENTED).map(|operations| inputs(&operations));
    let all = now.into_iter().chain(before.into_iter().flatten());
    none(all.filter(|input| !is_accepted(input)));
}
