//! promote-ssm: the decisions by tables. The handler is in `handle`, what holds for any values in
//! `properties`, and what is told of them in `secrets`.

mod handle;
mod properties;
mod secrets;

use aws_sdk_cloudformation::types::{ResourceStatus, StackResource};
use contract::steps::ParameterWrite;
use contract::{ErrorName, Named};

use crate::claim::Claim;
use crate::decide::{Next, State, check_owner, distinct, next, state};

const NAME: &str = "/golden/web";
const OTHER: &str = "/golden/db";
const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const FOREIGN: &str = "ami-0000000000000000c";

fn write_of(name: &str) -> ParameterWrite {
    ParameterWrite {
        parameter_name: name.parse().unwrap(),
        before: OLD.into(),
        after: NEW.parse().unwrap(),
        written: false,
        previous_version: None,
        version: None,
    }
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
fn the_value_in_place_decides() {
    for (current, expected) in [(NEW, State::InPlace), (OLD, State::Due)] {
        assert_eq!(state(&write(), current).unwrap(), expected, "{current}");
    }
    assert_eq!(state(&write(), FOREIGN).unwrap_err().name(), ErrorName::ConcurrentWrite);
}

#[test]
fn a_write_that_was_begun_is_made_again_only_when_it_is_overdue() {
    use Claim::{Granted, Mine, Theirs};
    for (claim, looks, expected) in [
        (Granted, 0, Next::Write),
        (Granted, 3, Next::Write),
        (Mine, 0, Next::Await),
        (Mine, 5, Next::Await),
        (Mine, 6, Next::Write),
        (Mine, 7, Next::Await),
        (Theirs, 6, Next::Await),
        (Theirs, 9, Next::TakeOver),
        (Theirs, 10, Next::Await),
    ] {
        assert_eq!(next(claim, looks), expected, "{claim:?} {looks}");
    }
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
