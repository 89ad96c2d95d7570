//! The parts of a deployment, from its stack's outputs.

use aws_sdk_cloudformation::types::Output;

use super::parts;
use crate::deployment::Parts;

fn output(key: &str, value: &str) -> Output {
    Output::builder().output_key(key).output_value(value).build()
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
    assert_eq!(Parts::of("driftless", &outputs).unwrap(), expected);
    let error = Parts::of("web", &outputs[..3]).unwrap_err().to_string();
    assert!(error.contains("stack web has no output DeadLetterQueueUrl"), "{error}");
}

#[test]
fn the_state_machines_arn_names_the_rest() {
    let parts = parts();
    assert_eq!((parts.account(), parts.region()), ("111122223333", "eu-west-1"));
    assert_eq!(Parts::execution(&parts.state_machine, "run-1"), super::EXECUTION);
}
