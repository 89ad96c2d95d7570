//! What holds for any values: nothing is written over what the decision has not seen, nor twice.

use aws_sdk_cloudformation::types::{ResourceStatus, StackResource};
use contract::steps::ParameterWrite;
use contract::{ErrorName, Named};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::arbitrary::text;

use super::{FOREIGN, NAME, NEW, OLD, OTHER, resource, write_of};
use crate::claim::Claim;
use crate::decide::{changed, check_owner, distinct};
use crate::rule::{Action, Answer, Overdue, Shown, rule};

fn value() -> impl Strategy<Value = String> {
    prop_oneof![Just(OLD.to_owned()), Just(NEW.to_owned()), Just(FOREIGN.to_owned()), text()]
}

fn claim() -> impl Strategy<Value = Option<Claim>> {
    proptest::option::of(proptest::sample::select(
        &[Claim::Granted, Claim::Mine, Claim::Theirs][..],
    ))
}

fn writes() -> impl Strategy<Value = ParameterWrite> {
    let name = prop_oneof![Just(NAME), Just(OTHER)];
    let after = prop_oneof![4 => Just(NEW), 1 => Just(FOREIGN)];
    (name, value(), after).prop_map(|(name, before, after)| ParameterWrite {
        before: before.into(),
        after: after.parse().unwrap(),
        ..write_of(name)
    })
}

fn resources() -> impl Strategy<Value = Vec<StackResource>> {
    let id = prop_oneof![Just(NAME.to_owned()), text()];
    let kind = prop_oneof![Just("AWS::SSM::Parameter".to_owned()), text()];
    let status = proptest::sample::select(ResourceStatus::values().to_vec());
    let one = (id, kind, status)
        .prop_map(|(id, kind, status)| resource(&id, &kind, ResourceStatus::from(status)));
    let others = prop_oneof![Just(0), Just(100)];
    (vec(one, 0..6), others).prop_map(|(mut resources, others)| {
        let other = resource(OTHER, "AWS::Logs::LogGroup", ResourceStatus::CreateComplete);
        resources.extend(std::iter::repeat_n(other, others));
        resources
    })
}

proptest! {
    #[test]
    fn a_write_replaces_only_what_was_seen(
        write in writes(), current in value(), claim in claim(), was_written in any::<bool>(),
        polls in 0..7_u32,
    ) {
        let shown = Shown::of(&write, &current);
        match shown {
            Shown::New => prop_assert_eq!(current.as_str(), write.after.as_str()),
            Shown::Old => prop_assert!(current == write.before.expose()),
            Shown::Foreign => {
                prop_assert_eq!(changed(&write, &current).name(), ErrorName::ConcurrentWrite);
                prop_assert!(current != write.before.expose() && current != write.after.as_str());
            }
            Shown::NextVersion => prop_assert!(false, "a value has no version"),
        }
        let Answer { action, .. } = rule(shown, claim, was_written, Overdue::at(polls));
        let writes = matches!(action, Action::Claim | Action::Write | Action::TakeOver);
        prop_assert!(!writes || shown == Shown::Old, "{action:?}");
        prop_assert_eq!(action == Action::ChooseAgain, shown == Shown::Foreign);
    }

    #[test]
    fn a_parameter_is_written_once_and_with_one_image(writes in vec(writes(), 0..6)) {
        let of = |name: &'static str| {
            move |write: &&ParameterWrite| write.parameter_name.as_str() == name
        };
        let images = |name| writes.iter().filter(of(name)).map(|write| &write.after);
        match distinct(writes.clone()) {
            Ok(distinct) => for name in [NAME, OTHER] {
                let kept = distinct.iter().filter(of(name)).count();
                prop_assert_eq!(kept, usize::from(images(name).next().is_some()));
            },
            Err(error) => {
                prop_assert_eq!(error.name(), ErrorName::InvalidInput);
                let differ = |name| !images(name).is_sorted_by(|a, b| a == b);
                prop_assert!(differ(NAME) || differ(OTHER));
            }
        }
    }

    #[test]
    fn a_stacks_own_parameter_is_never_written(resources in resources()) {
        let gone = [ResourceStatus::DeleteComplete, ResourceStatus::DeleteSkipped];
        let owned = resources.iter().any(|resource| {
            resource.physical_resource_id() == Some(NAME)
                && resource.resource_type() == Some("AWS::SSM::Parameter")
                && resource.resource_status().is_none_or(|status| !gone.contains(status))
        });
        prop_assert!(!owned || check_owner(NAME, &resources).is_err());
    }
}
