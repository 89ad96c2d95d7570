//! promote-ssm: the decisions by tables. The rule of a write is in `rule`, the handler in `handle`,
//! what holds for any values in `properties`, and what is reported about them in `secrets`.

mod handle;
mod properties;
mod rule;
mod secrets;

use aws_sdk_cloudformation::types::{ResourceStatus, StackResource};
use contract::steps::ParameterWrite;

use crate::decide::{check_owner, distinct};

const NAME: &str = "/golden/web";
const OTHER: &str = "/golden/db";
const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const FOREIGN: &str = "ami-0000000000000000c";

fn write_of(name: &str) -> ParameterWrite {
    ParameterWrite::new(name.parse().unwrap(), OLD.into(), NEW.parse().unwrap())
}

fn write() -> ParameterWrite {
    write_of(NAME)
}

fn resource(physical_id: &str, kind: &str, status: ResourceStatus) -> StackResource {
    StackResource::builder()
        .stack_name("base")
        .logical_resource_id("Image")
        .physical_resource_id(physical_id)
        .resource_type(kind)
        .resource_status(status)
        .build()
}

#[test]
fn one_parameter_is_written_once_and_takes_one_image() {
    let twice = vec![write(), write_of(OTHER), write()];
    assert_eq!(distinct(twice).unwrap(), [write(), write_of(OTHER)]);
    let conflicting = ParameterWrite { after: FOREIGN.parse().unwrap(), ..write() };
    let error = distinct(vec![write(), conflicting]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("writes[1].after: parameter {NAME} cannot take both {NEW} and {FOREIGN}")
    );
}

#[test]
fn only_a_live_parameter_of_that_name_makes_a_stack_its_owner() {
    use ResourceStatus as Status;
    let many = |physical_id: &str| {
        vec![resource(physical_id, "AWS::EC2::Instance", Status::CreateComplete); 100]
    };
    for (resources, owned) in [
        (vec![], false),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::UpdateComplete)], true),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::DeleteFailed)], true),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::DeleteComplete)], false),
        (vec![resource(NAME, "AWS::SSM::Parameter", Status::DeleteSkipped)], false),
        (vec![resource(NAME, "AWS::Logs::LogGroup", Status::CreateComplete)], false),
        (vec![resource(OTHER, "AWS::SSM::Parameter", Status::CreateComplete)], false),
        // CloudFormation lists a hundred of the stack's resources, and it is not among them.
        (many("i-1"), true),
        (many(NAME), false),
    ] {
        assert_eq!(check_owner(NAME, &resources).is_err(), owned, "{resources:?}");
    }
}
