//! The parts of a deployment, from its stack's outputs.

use aws_sdk_cloudformation::types::{Output, Parameter, Stack};

use super::parts;
use crate::deployment::{self, Parts, Settings};

fn output(key: &str, value: &str) -> Output {
    Output::builder().output_key(key).output_value(value).build()
}

fn stack(outputs: &[Output]) -> Stack {
    Stack::builder().set_outputs(Some(outputs.to_vec())).build()
}

#[test]
fn the_outputs_name_the_parts() {
    let expected = parts();
    let outputs = [
        output("RuleName", "rule"),
        output("StateMachineArn", &expected.state_machine),
        output("ReconcileStateMachineArn", &expected.reconcile),
        output("DeadLetterQueueUrl", &expected.queue),
    ];
    assert_eq!(Parts::of("driftless", &stack(&outputs)).unwrap(), expected);
    let error = Parts::of("web", &stack(&outputs[..3])).unwrap_err().to_string();
    assert!(error.contains("stack web has no output DeadLetterQueueUrl"), "{error}");
}

#[test]
fn the_parameters_are_the_settings() {
    let parameter = |key: &str, value: &str| {
        Parameter::builder().parameter_key(key).parameter_value(value).build()
    };
    let settings = Settings::of(&[
        parameter("ParameterPathPrefix", "/golden/"),
        parameter("StackNameTag", "Web"),
        parameter("AllowStackResourceUpdates", "true"),
        parameter("DriftDetectionPolicyArn", ""),
        parameter("MinimumLifetimeHours", "24"),
    ]);
    assert_eq!(
        (settings.parameter_prefix.as_str(), settings.minimum_lifetime_hours),
        ("/golden/", 24)
    );
    assert_eq!((settings.stack_name_tag.as_str(), settings.updates_resources), ("Web", true));
    assert_eq!((settings.drift_policy, settings.stack_prefix.as_str()), (None, "driftless-"));
}

#[test]
fn the_state_machines_arn_names_the_rest() {
    let parts = parts();
    assert_eq!((parts.account(), parts.region()), ("111122223333", "eu-west-1"));
    assert_eq!(parts.partition(), "aws");
    assert_eq!(deployment::execution(&parts.state_machine, "run-1"), super::EXECUTION);
}
