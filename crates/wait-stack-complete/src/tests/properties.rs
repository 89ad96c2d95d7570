//! What holds for any events of a stack, in any order: success is said only where the images are in
//! place or the update's own events say so, and no parameter's value is reported.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Parameter, ResourceStatus, Stack, StackEvent, StackStatus};
use contract::steps::WaitInput;
use contract::{ErrorName, Named};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::arbitrary::text;
use testkit::logged;
use testkit::mock_client;
use testkit::mocks::mock;
use testkit::stacks::{SECRET, stacks};

use super::{NEW, OLD, TOKEN, changes, event, image, input, of_stack};
use crate::decide::{End, Verdict, end, reason, verdict};
use crate::handle;

fn status() -> impl Strategy<Value = StackStatus> {
    let known = proptest::sample::select(StackStatus::values().to_vec());
    prop_oneof![
        5 => known.prop_map(StackStatus::from),
        1 => text().prop_map(|text| StackStatus::from(text.as_str())),
    ]
}

fn events() -> impl Strategy<Value = Vec<StackEvent>> {
    let status = proptest::sample::select(ResourceStatus::values().to_vec());
    let why = proptest::option::of(text());
    let one = (status, why, any::<bool>(), text()).prop_map(|(status, why, is_stack, id)| {
        let status = ResourceStatus::from(status);
        let mut event =
            if is_stack { of_stack(TOKEN, status, "") } else { event(TOKEN, &id, status, "") };
        event.resource_status_reason = why;
        event
    });
    vec(one, 0..6)
}

fn parameters() -> impl Strategy<Value = Vec<Parameter>> {
    vec(prop_oneof![Just(NEW.to_owned()), Just(OLD.to_owned()), text()], 0..3)
        .prop_map(|values| values.iter().map(|value| image(value)).collect())
}

proptest! {
    #[test]
    fn complete_means_that_the_images_are_there(status in status(), parameters in parameters()) {
        let is_there = parameters.first().and_then(Parameter::parameter_value) == Some(NEW);
        let is_complete = status == StackStatus::UpdateComplete && is_there;
        let verdict = verdict(&status, &parameters, &changes());
        prop_assert_eq!(verdict == Verdict::Complete, is_complete);
        prop_assert!(!status.as_str().ends_with("_IN_PROGRESS") || verdict != Verdict::Settled);
    }

    #[test]
    fn an_end_is_one_that_its_own_events_tell(status in status(), events in events()) {
        let newest_of_stack = events.iter().find(|e| e.physical_resource_id() == Some("arn:web"));
        let told = newest_of_stack.and_then(StackEvent::resource_status);
        match end(&status, &events) {
            End::Complete => prop_assert_eq!(told, Some(&ResourceStatus::UpdateComplete)),
            End::Failed(in_status) => {
                prop_assert!(in_status.contains("FAILED") || in_status.contains("ROLLBACK"));
                prop_assert!(!events.is_empty());
            }
            End::Unknown => {}
        }
    }

    #[test]
    fn a_reason_is_one_that_an_event_gives(events in events()) {
        if let Some(reason) = reason(&events) {
            let given = events.iter().map(StackEvent::resource_status_reason);
            let mut given = given.map(|given| given.unwrap_or("no reason given"));
            prop_assert!(given.any(|given| reason.ends_with(given)));
        }
    }

    #[test]
    fn no_parameters_value_is_told(
        status in status(), events in events(), (parameters, images) in stacks()
    ) {
        let stack = mock!(Client::describe_stacks).then_output(move || {
            let stack = Stack::builder().stack_name("web").stack_status(status.clone());
            let stack = stack.set_parameters(Some(parameters.clone())).build();
            DescribeStacksOutput::builder().stacks(stack).build()
        });
        let events = mock!(Client::describe_stack_events).then_output(move || {
            DescribeStackEventsOutput::builder().set_stack_events(Some(events.clone())).build()
        });
        let client = mock_client!(aws_sdk_cloudformation, [stack, events]);
        let (answer, log) = logged(handle(&client, WaitInput { images, ..input() }));
        let told = format!("{answer:?} {log}");
        prop_assert!(!told.contains(SECRET), "{}", told);
        if let Err(error) = answer {
            prop_assert_eq!(error.name(), ErrorName::StackUpdateFailed);
        }
    }
}
