//! Fuzzes the merge of changes into a stack's parameters: only images are sent by value, and only if the
//! value that the decision saw is still there; no other value appears in an error.
#![no_main]

#[allow(dead_code)]
#[path = "../../../update-stack/src/decide.rs"]
mod decide;

use aws_sdk_cloudformation::types::Parameter;
use contract::steps::Change;
use libfuzzer_sys::fuzz_target;
use aws::stacks::{Error, merge, value};

const NEW: &str = "ami-0000000000000000b";
/// Part of every value that is not an image ID.
const SECRET: &str = "hush-7f3c";

/// The new image, the image before, or a secret.
type AnyValue = Result<bool, String>;
/// The key, the value, what it resolves to.
type AnyParameter = (String, AnyValue, Option<AnyValue>);
/// The key or its index, the value that the decision saw, whether the parameter is SSM-typed.
type AnyChange = (Result<u8, String>, AnyValue, bool);

fn text(any: AnyValue) -> String {
    match any {
        Ok(true) => NEW.to_owned(),
        Ok(false) => "ami-0000000000000000a".to_owned(),
        Err(text) => format!("{SECRET}{text}"),
    }
}

fn parameter((key, value, resolved): AnyParameter) -> Parameter {
    let parameter = Parameter::builder().parameter_key(key).parameter_value(text(value));
    parameter.set_resolved_value(resolved.map(text)).build()
}

fn change((key, before, is_via_ssm): AnyChange, parameters: &[Parameter]) -> Option<Change> {
    let by_index = |index: u8| parameters.get(usize::from(index))?.parameter_key();
    let parameter = key.map_or_else(Some, |index| by_index(index).map(str::to_owned))?;
    let via = if is_via_ssm { Some("/golden/web".parse().ok()?) } else { None };
    Some(Change { parameter, before: text(before).into(), after: NEW.parse().ok()?, via })
}

fn is_merged_well(sent: &[Parameter], current: &[Parameter], changes: &[Change]) {
    assert_eq!(sent.len(), current.len());
    for (sent, current) in sent.iter().zip(current) {
        assert_eq!(sent.parameter_key(), current.parameter_key());
        let Some(value) = sent.parameter_value() else {
            assert_eq!(sent.use_previous_value(), Some(true));
            continue;
        };
        assert_eq!(value, NEW);
        let mut of_it = changes.iter().filter(|c| Some(&*c.parameter) == current.parameter_key());
        let is_seen = |change: &Change| current.parameter_value() == Some(change.before.expose());
        assert!(of_it.any(|change| change.via.is_none() && is_seen(change)));
    }
}

fuzz_target!(|input: (String, Vec<AnyParameter>, Vec<AnyChange>)| {
    let (execution, current, changes) = input;
    let mut current: Vec<_> = current.into_iter().map(parameter).collect();
    // CloudFormation has each key only once. An error may contain the keys.
    current.sort_by(|a, b| a.parameter_key().cmp(&b.parameter_key()));
    current.dedup_by(|a, b| a.parameter_key() == b.parameter_key());
    let changes: Vec<_> = changes.into_iter().filter_map(|any| change(any, &current)).collect();
    let mut keys = current.iter().filter_map(Parameter::parameter_key);
    if keys.any(|key| key.contains(SECRET)) || changes.iter().any(|c| c.parameter.contains(SECRET))
    {
        return;
    }

    let token = decide::client_request_token(&execution, &changes);
    assert!(token.len() <= 128 && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    match merge("web", &current, &changes) {
        Ok(Some(sent)) => is_merged_well(&sent, &current, &changes),
        Ok(None) => assert!(changes.iter().all(|c| value(&current, c) == Some(NEW))),
        Err(error) => {
            assert!(matches!(error, Error::UnknownKeys { .. } | Error::Changed { .. }));
            let text = format!("{error} {error:?}");
            assert!(!text.contains(SECRET), "{text}");
        }
    }
});
