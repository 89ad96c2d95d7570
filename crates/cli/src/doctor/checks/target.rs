//! The target itself: its name, its parameter or stack.

use contract::placed::PlacedValue;

use super::{Case, StackFacts};
use crate::doctor::Finding;
use crate::target::Target;

/// The data type with which Parameter Store validates an image, and without which Auto Scaling
/// refuses an instance refresh (aws-samples/cdk-image-pipeline#290).
const IMAGE_DATA_TYPE: &str = "aws:ec2:image";

/// Driftless writes only what begins with a prefix.
pub(super) fn prefix(case: &Case<'_>) -> Finding {
    const CHECK: &str = "prefix";
    let settings = &case.parts.settings;
    let (setting, prefix) = match case.target {
        Target::Parameter(_) => ("ParameterPathPrefix", &settings.parameter_prefix),
        Target::Stack(_) => ("StackNamePrefix", &settings.stack_prefix),
    };
    let name = case.target.name();
    if name.starts_with(prefix) {
        return Finding::ok(CHECK, format!("{name} begins with {prefix}"));
    }
    Finding::change(
        CHECK,
        format!("{name} does not begin with {prefix}, so Driftless ignores it"),
        format!(
            "deploy Driftless with a {setting} that {name} begins with, or choose another name"
        ),
    )
}

pub(super) fn parameter(case: &Case<'_>, name: &str) -> Finding {
    const CHECK: &str = "parameter";
    let put = |options: &str| {
        format!(
            "aws ssm put-parameter --name {name} --type String --data-type {IMAGE_DATA_TYPE} \
             --value ami-…{options}"
        )
    };
    let Some(parameter) = &case.facts.parameter else {
        return Finding::change(CHECK, format!("{name} does not exist"), put(""));
    };
    let value = PlacedValue::from(parameter.value.as_str());
    let (kind, data_type) = (&parameter.kind, &parameter.data_type);
    if kind != "String" {
        return Finding::change(
            CHECK,
            format!("its type is {kind}; a launch template reads a String"),
            format!("aws ssm delete-parameter --name {name}\n{}", put("")),
        );
    }
    if data_type != IMAGE_DATA_TYPE {
        return Finding::change(
            CHECK,
            format!("its data type is {data_type}, so Parameter Store does not check the image"),
            put(" --overwrite"),
        );
    }
    match value.image() {
        Some(image) => Finding::ok(CHECK, format!("a String of data type {data_type}: {image}")),
        None => Finding::change(
            CHECK,
            format!("its value is {value}, so a group cannot boot from it"),
            put(" --overwrite"),
        ),
    }
}

/// Writing a stack's resource makes that stack drift.
pub(super) fn owner(case: &Case<'_>) -> Finding {
    const CHECK: &str = "outside stacks";
    match &case.facts.owner {
        None => Finding::ok(CHECK, "no stack has the parameter"),
        Some(stack) => Finding::change(
            CHECK,
            format!("a resource of stack {stack}, which would drift with every promotion"),
            format!(
                "in the template of {stack}, add `DeletionPolicy: Retain` to the parameter and \
                 update the stack; then remove the parameter from the template and update again"
            ),
        ),
    }
}

pub(super) fn missing_stack(name: &str) -> Finding {
    Finding::change(
        "stack",
        format!("no stack of this account and Region has the name {name}"),
        "correct the name, or pass --region",
    )
}

pub(super) fn stack(stack: &StackFacts) -> Finding {
    const CHECK: &str = "stack";
    match (&stack.root, &stack.problem) {
        (Some(root), _) => Finding::change(
            CHECK,
            format!("nested in {root}, which sets its parameters"),
            format!("tag the instances with {root} and its parameter"),
        ),
        (None, Some(problem)) => Finding::change(CHECK, problem, "repair the stack first"),
        (None, None) => Finding::ok(CHECK, "can be updated"),
    }
}
