//! What nobody sends who means well, for the steps' property tests: texts of any length and
//! script, JSON of any shape, and JSON that would be right but for one value.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

/// Texts that look like what AWS writes, or like nothing.
pub fn text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => any::<String>(),
        2 => "[a-zA-Z0-9/_.:-]{0,40}",
        2 => arn(),
        1 => "ami-[0-9a-f]{0,18}",
        1 => "[éß☃𝄞\u{0}\u{1b}\"\\\\\n]{1,40}",
        1 => (any::<char>(), 500..5_000_usize).prop_map(|(c, length)| c.to_string().repeat(length)),
    ]
    .boxed()
}

/// ARNs of every partition there is, whole or not.
pub fn arn() -> BoxedStrategy<String> {
    let partition = prop_oneof![
        Just("aws"),
        Just("aws-cn"),
        Just("aws-us-gov"),
        Just("aws-iso"),
        Just("aws-iso-b"),
        Just("aws-iso-e"),
        Just("aws-eusc"),
        Just("")
    ];
    let service = prop_oneof![Just("ec2"), Just("backup"), Just("ssm"), Just("cloudformation")];
    let resource = "(image/|snapshot/|parameter/|stack/)?(ami-)?[0-9a-f/]{0,20}";
    (partition, service, "[a-z0-9-]{0,16}", "[0-9]{0,12}", resource)
        .prop_map(|(p, s, region, account, r)| format!("arn:{p}:{s}:{region}:{account}:{r}"))
        .boxed()
}

/// Any JSON.
pub fn json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(text(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
    .boxed()
}

/// `value` with any JSON in the place of one of its values, or with a field too many.
pub fn spoilt(value: &Value) -> BoxedStrategy<Value> {
    let mut pointers = Vec::new();
    collect_pointers(value, String::new(), &mut pointers);
    let value = value.clone();
    (proptest::sample::select(pointers), json(), proptest::option::of(text()))
        .prop_map(move |(pointer, other, extra)| {
            let mut value = value.clone();
            let place = value.pointer_mut(&pointer).expect("a pointer into the value");
            match (place.as_object_mut(), extra) {
                (Some(fields), Some(name)) => drop(fields.insert(name, other)),
                _ => *place = other,
            }
            value
        })
        .boxed()
}

fn collect_pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                collect_pointers(inner, format!("{at}/{name}"), found);
            }
        }
        Value::Array(values) => {
            for (index, inner) in values.iter().enumerate() {
                collect_pointers(inner, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}
