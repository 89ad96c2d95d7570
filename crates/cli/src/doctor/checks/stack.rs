//! What Driftless may do with the stacks: update them, and detect their drift.

use super::{Case, StackFacts};
use crate::doctor::Finding;

/// The types that the function `DetectDrift` may read without a further policy (`template.yaml`),
/// and nested stacks, which drift detection does not read.
const READABLE: [&str; 4] = [
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::CloudFormation::Stack",
    "AWS::EC2::LaunchTemplate",
    "AWS::SSM::Parameter",
];

/// CloudFormation updates a stack with its service role, else with the permissions of the caller.
pub(super) fn service_role(case: &Case<'_>, stack: &StackFacts) -> Finding {
    const CHECK: &str = "service role";
    match &stack.role {
        Some(role) => Finding::ok(CHECK, role),
        None if case.parts.settings.updates_resources => {
            Finding::ok(CHECK, "none; AllowStackResourceUpdates permits the update")
        }
        None => Finding::change(
            CHECK,
            "the stack has none, and AllowStackResourceUpdates is false: its update is denied",
            "update the stack once with --role-arn, or deploy Driftless with \
             AllowStackResourceUpdates=true",
        ),
    }
}

/// Drift detection reads every resource of a stack, with the permissions of its caller.
pub(super) fn drift_detection(case: &Case<'_>) -> Vec<Finding> {
    const CHECK: &str = "drift detection";
    let finding = |(name, stack): (&String, &StackFacts)| {
        let types = stack.types.iter().map(String::as_str);
        let others: Vec<_> = types.filter(|one| !READABLE.contains(one)).collect();
        let types = others.join(", ");
        match &case.parts.settings.drift_policy {
            _ if others.is_empty() => {
                Finding::ok(CHECK, format!("every type of {name} is readable"))
            }
            Some(policy) => Finding::ok(CHECK, format!("{types} of {name}, with {policy}")),
            None => Finding::change(
                CHECK,
                format!("stack {name} has types that Driftless may not read: {types}"),
                "deploy Driftless with DriftDetectionPolicyArn=arn:aws:iam::aws:policy/ReadOnlyAccess, \
                 or the ARN of a policy that lets it read these types",
            ),
        }
    };
    case.facts.stacks.iter().map(finding).collect()
}
