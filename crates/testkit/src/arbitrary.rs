//! Proptest strategies for malformed and malicious input: texts of any length and script, JSON of
//! any shape, and JSON with one value corrupted.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

/// Texts that resemble AWS's, or arbitrary ones.
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

/// ARNs of every partition, complete or truncated.
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

/// `value` with any JSON in the place of one of its values, or with an additional field.
pub fn corrupted(value: &Value) -> BoxedStrategy<Value> {
    let value = value.clone();
    (proptest::sample::select(json_paths(&value)), json(), proptest::option::of(text()))
        .prop_map(move |((pointer, _), other, extra)| {
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

/// Every value in `value`, itself at the end: its JSON pointer, and its path as an error has it.
#[must_use]
pub fn json_paths(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(value, "", "", &mut found);
    found
}

fn collect(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = format!("{path}.{name}");
                let path = path.trim_start_matches('.');
                collect(inner, &format!("{pointer}/{name}"), path, found);
            }
        }
        Value::Array(values) => {
            for (index, inner) in values.iter().enumerate() {
                let (pointer, path) = (format!("{pointer}/{index}"), format!("{path}[{index}]"));
                collect(inner, &pointer, &path, found);
            }
        }
        _ => {}
    }
    let path = if path.is_empty() { "$" } else { path };
    found.push((pointer.to_owned(), path.to_owned()));
}
