//! What holds for any stack: nothing but the images is sent by value, and no value of another
//! parameter is repeated anywhere.

use std::sync::{Arc, Mutex};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::update_stack::UpdateStackOutput;
use aws_sdk_cloudformation::types::{Parameter, Stack, StackStatus};
use contract::steps::{Change, UpdateInput, WriteOutcome};
use contract::{ErrorName, Named};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use step::hostile::text;
use step::mock_client;
use step::testing::{Rule, logged, mock};

use super::{NEW, OLD, change, describes, no_events_of_ours, parameter, summary};
use crate::Error;
use crate::decide::client_request_token;
use crate::handle;

/// What is in the stack's other parameters, where it can be read. (What is NoEcho reads as `****`.)
const SECRET: &str = "hush-7f3c";

/// A stack's parameters, and changes that were decided from what is there, or was, or never was.
fn stacks() -> impl Strategy<Value = (Vec<Parameter>, Vec<Change>)> {
    let image = prop_oneof![4 => Just(OLD.to_owned()), 1 => Just(NEW.to_owned()), 1 => value()];
    // Its value now; whether a change is meant, and was decided from this; whether through SSM.
    let image = (image, any::<bool>(), prop::bool::weighted(0.9), prop::bool::weighted(0.2));
    let others = btree_map("[a-z]{1,9}", value(), 0..6);
    (vec(image, 1..4), others, prop::bool::weighted(0.1)).prop_map(|(images, others, missing)| {
        let mut parameters: Vec<_> =
            others.iter().map(|(key, value)| parameter(key, value)).collect();
        let mut changes = Vec::new();
        for (index, (value, is_meant, is_seen, through)) in images.into_iter().enumerate() {
            let key = format!("Image{index}");
            let mut parameter = parameter(&key, &value);
            parameter.resolved_value = through.then(|| OLD.to_owned());
            parameters.push(parameter);
            if is_meant {
                let before = if is_seen { OLD.to_owned() } else { "none".to_owned() };
                changes.push(Change { parameter: key, before, through, ..change("") });
            }
        }
        if missing {
            changes.push(change("Missing"));
        }
        (parameters, changes)
    })
}

/// What is in a parameter that is no image.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![Just("****".to_owned()), text().prop_map(|text| format!("{SECRET}{text}"))]
}

type Sent = Arc<Mutex<Vec<Parameter>>>;

/// Accepts any update and keeps what it was sent.
fn keeps(sent: &Sent) -> Rule {
    let sent = Arc::clone(sent);
    mock!(Client::update_stack)
        .match_requests(move |request| {
            *sent.lock().unwrap() = request.parameters().to_vec();
            request.use_previous_template() == Some(true)
        })
        .then_output(|| UpdateStackOutput::builder().build())
}

/// What an update of a stack with these parameters sends, what comes of it, and what is logged.
fn updates(
    parameters: Vec<Parameter>,
    images: Vec<Change>,
) -> (Vec<Parameter>, Result<WriteOutcome, Error>, String) {
    let sent = Sent::default();
    let stack = describes(move || {
        let stack = Stack::builder().stack_name("web").stack_id("arn:web");
        let stack = stack.stack_status(StackStatus::UpdateComplete);
        stack.set_parameters(Some(parameters.clone())).build()
    });
    let rules = [stack, no_events_of_ours(), summary(None), keeps(&sent)];
    let [stack, events, summary, update] = &rules;
    let client = mock_client!(aws_sdk_cloudformation, [stack, events, summary, update]);
    let input = UpdateInput { stack_name: "web".parse().unwrap(), images, execution: "run".into() };
    let (answer, log) = logged(handle(&client, input));
    let sent = sent.lock().unwrap().clone();
    (sent, answer.map(|update| update.outcome), log)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_but_the_images_is_sent_by_value((parameters, images) in stacks()) {
        let (sent, answer, log) = updates(parameters.clone(), images.clone());
        prop_assert_eq!(sent.is_empty(), !matches!(answer, Ok(WriteOutcome::Updated)));
        for (parameter, sent) in parameters.iter().zip(&sent) {
            prop_assert_eq!(sent.parameter_key(), parameter.parameter_key());
            match sent.parameter_value() {
                None => prop_assert_eq!(sent.use_previous_value(), Some(true)),
                Some(value) => {
                    prop_assert_eq!(value, NEW);
                    let mut by_value = images.iter().filter(|image| !image.through);
                    prop_assert!(by_value.any(|i| Some(&*i.parameter) == sent.parameter_key()));
                    // And only in the place of what the decision saw.
                    prop_assert_eq!(parameter.parameter_value(), Some(OLD));
                }
            }
        }
        prop_assert!(sent.is_empty() || sent.len() == parameters.len());
        prop_assert!(!log.contains(SECRET));
    }

    #[test]
    fn no_other_parameters_value_is_told((parameters, images) in stacks()) {
        let (_, answer, log) = updates(parameters.clone(), images.clone());
        prop_assert!(!log.contains(SECRET));
        if let Err(error) = answer {
            // What is in an image's own parameter is told.
            let is_image = |p: &&Parameter| {
                images.iter().any(|image| Some(&*image.parameter) == p.parameter_key())
            };
            let text = error.to_string();
            let images = parameters.iter().filter(is_image);
            let mut images = images.filter_map(Parameter::parameter_value);
            prop_assert!(!text.contains(SECRET) || images.any(|value| text.contains(value)));
            let expected = [ErrorName::ParameterKeyNotFound, ErrorName::ConcurrentWrite];
            prop_assert!(expected.contains(&error.name()));
        }
    }

    #[test]
    fn any_token_is_one_that_cloudformation_takes(execution in text(), (_, images) in stacks()) {
        let token = client_request_token(&execution, &images);
        prop_assert!(token.len() <= 128 && token.starts_with(|c: char| c.is_ascii_alphabetic()));
        prop_assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
        prop_assert_eq!(client_request_token(&execution, &images), token);
    }
}
