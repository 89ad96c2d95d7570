//! A parameter's value that is not an image ID appears nowhere: in no error, no answer's other
//! field, no line of the log. That holds of the image's parameter, which somebody's tag names, and
//! all the more of a stack's others.

use aws_sdk_cloudformation::config::http::HttpResponse;
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Parameter as StackParameter, Stack};
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ssm::operation::get_parameter::GetParameterOutput;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use contract::steps::Validated;
use contract::target::{Pattern, Promotion, Selection};
use contract::{ErrorName, Named};
use proptest::collection::btree_map;
use proptest::prelude::*;
use testkit::arbitrary::text;
use testkit::logged;
use testkit::mocks::{Rule, mock};

use super::handle::Rules;
use super::{NEW, OLD, candidate, image, parameter_target, selecting, target};
use crate::Error;

const SECRET: &str = "hush-7f3c";

fn secret() -> BoxedStrategy<String> {
    text().prop_map(|text| format!("{SECRET}{text}")).boxed()
}

fn value() -> BoxedStrategy<String> {
    prop_oneof![2 => Just(OLD.to_owned()), 3 => secret(), 1 => Just("****".to_owned())].boxed()
}

fn parameter(key: &str, value: &str) -> StackParameter {
    StackParameter::builder().parameter_key(key).parameter_value(value).build()
}

/// What a stack has: secrets, and mostly the image's parameter, which may name an SSM parameter.
fn parameters() -> impl Strategy<Value = Vec<StackParameter>> {
    let others = btree_map("[a-z]{1,9}", secret(), 0..4);
    let through = value().prop_map(|resolved| ("/golden/web".to_owned(), Some(resolved)));
    let image = prop_oneof![value().prop_map(|value| (value, None)), through];
    (others, prop::option::weighted(0.9, image)).prop_map(|(others, image)| {
        let mut parameters: Vec<_> = others.iter().map(|(k, v)| parameter(k, v)).collect();
        parameters.extend(image.map(|(value, resolved)| {
            let mut parameter = parameter("ImageId", &value);
            parameter.resolved_value = resolved;
            parameter
        }));
        parameters
    })
}

fn targets() -> impl Strategy<Value = Promotion> {
    let flags = (any::<bool>(), prop::bool::weighted(0.3), prop::bool::weighted(0.2));
    flags.prop_map(|(is_stack, rollback, is_empty)| {
        let candidates = if is_empty { Vec::new() } else { vec![candidate(NEW)] };
        let target = if is_stack { target(candidates) } else { parameter_target(candidates) };
        let selection = if rollback { Selection::Rollback } else { Selection::Newest };
        selecting(selection, target)
    })
}

fn ssm_has(kind: ParameterType, value: String) -> Rule {
    mock!(aws_sdk_ssm::Client::get_parameter).then_output(move || {
        let parameter = Parameter::builder().r#type(kind.clone()).value(&value).build();
        GetParameterOutput::builder().parameter(parameter).build()
    })
}

fn stack_has(parameters: Vec<StackParameter>) -> Rule {
    mock!(aws_sdk_cloudformation::Client::describe_stacks).then_output(move || {
        let stack = Stack::builder().set_parameters(Some(parameters.clone())).build();
        DescribeStacksOutput::builder().stacks(stack).build()
    })
}

/// Nothing wrong with the images, whichever are asked for.
fn images() -> Rule {
    mock!(aws_sdk_ec2::Client::describe_images).then_output(|| {
        let images = vec![image(OLD).build(), image(NEW).build()];
        DescribeImagesOutput::builder().set_images(Some(images)).build()
    })
}

/// The decision, and everything that it reports.
fn told(rules: &Rules, target: Promotion) -> (Result<Validated, Error>, String) {
    let (answer, log) = logged(rules.validated(target));
    let told = match &answer {
        Ok(answer) => format!("{answer:?} {log}"),
        Err(error) => format!("{error} {error:?} {log}"),
    };
    (answer, told)
}

proptest! {
    #[test]
    fn what_is_in_place_is_not_told_unless_it_is_an_image(
        parameters in parameters(), value in value(), is_hidden in any::<bool>(), target in targets()
    ) {
        let kind = if is_hidden { ParameterType::SecureString } else { ParameterType::String };
        let is_read = target.target.pattern() == Pattern::Parameter;
        let rules = Rules {
            images: images(),
            stack: stack_has(parameters),
            parameter: ssm_has(kind, value),
            ..Rules::new()
        };
        let (answer, told) = told(&rules, target);
        prop_assert!(!told.contains(SECRET), "{}", told);
        if let Err(error) = answer {
            use ErrorName::{
                ImageRejected, ParameterHoldsList, ParameterKeyNotFound, TargetNotPermitted,
            };
            // The text after the secret may have a comma.
            let expected =
                [ImageRejected, ParameterHoldsList, TargetNotPermitted, ParameterKeyNotFound];
            prop_assert!(expected.contains(&error.name()), "{}", error);
            prop_assert!(!is_read || error.name() != ParameterKeyNotFound);
        } else {
            prop_assert!(!is_read || !is_hidden);
        }
    }
}

/// A connection that breaks in the middle of an answer leaves one that nothing can be read from.
#[test]
fn an_answer_that_cannot_be_read_is_not_told() {
    let cut = |body: String| HttpResponse::new(200.try_into().unwrap(), body.into());
    let stack = mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .then_http_response(move || cut(format!("<DescribeStacksResponse><Value>{SECRET}")));
    let parameter = mock!(aws_sdk_ssm::Client::get_parameter)
        .then_http_response(move || cut(format!("{{\"Parameter\": {{\"Value\": \"{SECRET}")));
    let rules = Rules { stack, parameter, ..Rules::new() };
    for target in [target(vec![candidate(NEW)]), parameter_target(vec![candidate(NEW)])] {
        let (answer, told) = told(&rules, target);
        assert_eq!(answer.unwrap_err().name(), ErrorName::ServiceUnavailable);
        assert!(!told.contains(SECRET), "{told}");
    }
}
