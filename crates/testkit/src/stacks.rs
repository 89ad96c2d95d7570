//! A stack's parameters, some of them secret, and changes that were decided from their current
//! values, from earlier ones, or from values that never existed.

use aws_sdk_cloudformation::types::Parameter;
use contract::steps::Change;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::arbitrary::text;

/// The image that the decision saw.
pub const OLD: &str = "ami-0000000000000000a";
/// The image that it chose.
pub const NEW: &str = "ami-0000000000000000b";
/// Part of every readable value that is not an image. (A `NoEcho` value reads as `****`.)
pub const SECRET: &str = "hush-7f3c";

/// The parameters, and the changes.
pub fn stacks() -> BoxedStrategy<(Vec<Parameter>, Vec<Change>)> {
    let others = btree_map("[a-z]{1,9}", secret(), 0..6);
    (vec(image(), 1..4), others, prop::bool::weighted(0.1))
        .prop_map(|(images, others, missing)| {
            let mut parameters: Vec<_> = others
                .iter()
                .map(|(key, value)| {
                    Parameter::builder().parameter_key(key).parameter_value(value).build()
                })
                .collect();
            let mut changes = Vec::new();
            for (index, (mut parameter, change)) in images.into_iter().enumerate() {
                let key = format!("Image{index}");
                changes.extend(change.map(|change| Change { parameter: key.clone(), ..change }));
                parameter.parameter_key = Some(key);
                parameters.push(parameter);
            }
            if missing {
                changes.push(change(OLD.to_owned(), false));
            }
            (parameters, changes)
        })
        .boxed()
}

/// A parameter that may hold an image, and its change, if there is one.
fn image() -> impl Strategy<Value = (Parameter, Option<Change>)> {
    let value = prop_oneof![4 => Just(OLD.to_owned()), 1 => Just(NEW.to_owned()), 1 => secret()];
    let before = prop_oneof![9 => Just(OLD.to_owned()), 1 => secret()];
    let is_via_ssm = prop::bool::weighted(0.2);
    (value.clone(), value, before, is_via_ssm, any::<bool>()).prop_map(
        |(value, resolved, before, is_via_ssm, is_changed)| {
            let parameter = Parameter::builder().parameter_value(value);
            let parameter = parameter.set_resolved_value(is_via_ssm.then_some(resolved)).build();
            (parameter, is_changed.then(|| change(before, is_via_ssm)))
        },
    )
}

fn change(before: String, is_via_ssm: bool) -> Change {
    let via = is_via_ssm.then(|| "/golden/web".parse().expect("a name"));
    let after = NEW.parse().expect("an image");
    Change { parameter: "Missing".into(), before: before.into(), after, via }
}

/// The value of a parameter that is not an image.
fn secret() -> BoxedStrategy<String> {
    prop_oneof![Just("****".to_owned()), text().prop_map(|text| format!("{SECRET}{text}"))].boxed()
}
