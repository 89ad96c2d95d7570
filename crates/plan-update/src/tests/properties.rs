//! What holds for any change set: whatever is more than a launch template's or a group's version of
//! it is found, and reported at bounded length; and for any stack: no parameter's value is
//! reported.

use std::collections::BTreeSet;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::create_change_set::CreateChangeSetOutput;
use aws_sdk_cloudformation::types::{
    ChangeAction, ChangeSource, Parameter, Replacement, ResourceChange, ResourceChangeDetail,
    ResourceTargetDefinition,
};
use contract::steps::PlanInput;
use contract::{ErrorName, Named};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::arbitrary::text;
use testkit::logged;
use testkit::mock_client;
use testkit::mocks::mock;
use testkit::stacks::{NEW, SECRET, stacks};

use super::{GROUP, ID, TEMPLATE, image, input, stack_with, summary};
use crate::decide::{change_set_name, finding, planned};
use crate::handle;

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![5 => proptest::sample::select(words).prop_map(str::to_owned), 1 => text()]
}

fn detail() -> impl Strategy<Value = ResourceChangeDetail> {
    let name = one_of(&["LaunchTemplateData", "LaunchTemplate", "MixedInstancesPolicy", "MaxSize"]);
    let source = one_of(&["ParameterReference", "ResourceAttribute", "DirectModification"]);
    let cause = one_of(&["ImageId", "Other"]);
    (name, source, cause).prop_map(|(name, source, cause)| {
        ResourceChangeDetail::builder()
            .target(ResourceTargetDefinition::builder().name(name).build())
            .change_source(ChangeSource::from(source.as_str()))
            .causing_entity(cause)
            .build()
    })
}

fn change() -> impl Strategy<Value = ResourceChange> {
    let kind = one_of(&[GROUP, TEMPLATE, "AWS::EC2::Instance"]);
    let action = one_of(&["Modify", "Modify", "Remove", "Add"]);
    let replacement = proptest::option::of(one_of(&["False", "True", "Conditional"]));
    (kind, action, replacement, vec(detail(), 0..3)).prop_map(
        |(kind, action, replacement, details)| {
            ResourceChange::builder()
                .logical_resource_id("It")
                .resource_type(kind)
                .action(ChangeAction::from(action.as_str()))
                .set_replacement(replacement.as_deref().map(Replacement::from))
                .set_details(Some(details))
                .build()
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_more_is_found(changes in vec(change(), 0..4)) {
        let is_fine = |change: &ResourceChange| {
            let planned = planned(change);
            let permitted: &[&str] = match planned.resource_type.as_str() {
                TEMPLATE => &["LaunchTemplateData"],
                GROUP => &["LaunchTemplate", "MixedInstancesPolicy"],
                _ => &[],
            };
            let foreign = change.details().iter().any(|detail| {
                detail.change_source() == Some(&ChangeSource::ParameterReference)
                    && detail.causing_entity() != Some("ImageId")
            });
            let may_be = if planned.resource_type == GROUP { "Conditional" } else { "False" };
            planned.action == "Modify"
                && planned.replacement.is_none_or(|it| it == "False" || it == may_be)
                && !planned.properties.is_empty()
                && planned.properties.iter().all(|name| permitted.contains(&name.as_str()))
                && !foreign
        };
        let found = finding("web", &changes, &[image("ImageId")], &BTreeSet::new());
        prop_assert_eq!(found.is_none(), changes.iter().all(is_fine));
        if let Some(found) = found {
            prop_assert_eq!(found.name, ErrorName::PlanTouchesMore);
            prop_assert!(found.message.chars().count() < step::MAX_MESSAGE_CHARS + 40);
        }
    }

    #[test]
    fn no_parameters_value_is_told((parameters, images) in stacks()) {
        let stack = stack_with(move |stack| stack.parameters = Some(parameters.clone()));
        let creates = mock!(Client::create_change_set)
            .match_requests(|request| {
                let mut values = request.parameters().iter().filter_map(Parameter::parameter_value);
                values.all(|value| value == NEW)
            })
            .then_output(|| CreateChangeSetOutput::builder().id(ID).build());
        let client = mock_client!(aws_sdk_cloudformation, [stack, summary(&[]), creates]);
        let (answer, log) = logged(handle(&client, PlanInput { images, ..input(None) }));
        let told = format!("{answer:?} {log}");
        prop_assert!(!told.contains(SECRET), "{}", told);
        if let Err(error) = answer {
            let expected = [ErrorName::ParameterKeyNotFound, ErrorName::ConcurrentWrite];
            prop_assert!(expected.contains(&error.name()));
        }
    }

    #[test]
    fn any_name_is_one_that_cloudformation_takes(execution in text()) {
        let name = change_set_name(&execution);
        prop_assert!(name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphabetic()));
        prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    }
}
