//! What holds for any stack: nothing but the images is sent by value, and no parameter's value is
//! repeated anywhere, unless it is an image.

use std::sync::{Arc, Mutex};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::update_stack::UpdateStackOutput;
use aws_sdk_cloudformation::types::{Parameter, Stack, StackStatus};
use contract::steps::{Change, StackUpdate, UpdateInput, WriteOutcome};
use contract::{ErrorName, Named};
use proptest::prelude::*;
use testkit::arbitrary::text;
use testkit::logged;
use testkit::mock_client;
use testkit::mocks::{Rule, mock};
use testkit::stacks::{NEW, SECRET, stacks};

use super::{describes, no_events_of_ours, summary};
use crate::Error;
use crate::decide::client_request_token;
use crate::handle;

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
) -> (Vec<Parameter>, Result<StackUpdate, Error>, String) {
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
    (sent, answer, log)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_but_the_images_is_sent_by_value((parameters, images) in stacks()) {
        let (sent, answer, _) = updates(parameters.clone(), images.clone());
        let outcome = answer.as_ref().map(|update| update.outcome);
        prop_assert_eq!(sent.is_empty(), !matches!(outcome, Ok(WriteOutcome::Updated)));
        for (parameter, sent) in parameters.iter().zip(&sent) {
            prop_assert_eq!(sent.parameter_key(), parameter.parameter_key());
            match sent.parameter_value() {
                None => prop_assert_eq!(sent.use_previous_value(), Some(true)),
                Some(value) => {
                    prop_assert_eq!(value, NEW);
                    let mut by_value = images.iter().filter(|image| image.via.is_none());
                    let image = by_value.find(|i| Some(&*i.parameter) == sent.parameter_key());
                    // And only in the place of what the decision saw.
                    prop_assert_eq!(parameter.parameter_value(), image.map(|i| i.before.expose()));
                }
            }
        }
        prop_assert!(sent.is_empty() || sent.len() == parameters.len());
    }

    #[test]
    fn no_parameters_value_is_told((parameters, images) in stacks()) {
        let (_, answer, log) = updates(parameters, images);
        let told = format!("{answer:?} {log}");
        prop_assert!(!told.contains(SECRET), "{}", told);
        if let Err(error) = answer {
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
