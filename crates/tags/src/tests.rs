//! tags: the settings, and where tags lead.

mod leads;
mod settings;

use crate::{Settings, Tags};

const TO_PARAMETER: &[(&str, &str)] = &[("ImageIdParameterName", "/golden/web")];
const TO_STACK: &[(&str, &str)] = &[("StackName", "web")];
const TO_STACKS_DB: &[(&str, &str)] = &[("StackName", "web"), ("ImageIdParameterKey", "DbImage")];

/// A Driftless of account 111122223333 in eu-west-1 that may touch parameters and stacks with these
/// prefixes.
fn settings() -> Settings {
    let variable = |name: &str| match name {
        "ACCOUNT_ID" => Some("111122223333".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "PARAMETER_PREFIX" => Some("/golden/".to_owned()),
        "STACK_PREFIX" => Some("web".to_owned()),
        _ => None,
    };
    Settings::read(variable).unwrap()
}

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
