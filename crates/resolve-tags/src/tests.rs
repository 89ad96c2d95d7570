//! resolve-tags: the forms of input, and how images and groups make up a target.

mod belonging;
mod decide;
mod handler;
mod properties;
mod request;

use contract::steps::Resolved;
use contract::target::Promotion;
use serde_json::{Value, json};
use tags::{Image, Instance, Settings, Tags};

const FIRST: &str = "ami-00000000000000001";
const SECOND: &str = "ami-00000000000000002";
const THIRD: &str = "ami-00000000000000003";

const TO_PARAMETER: &[(&str, &str)] = &[("ImageIdParameterName", "/golden/web")];
const TO_STACK: &[(&str, &str)] = &[("StackName", "web")];
const TO_STACKS_DB: &[(&str, &str)] = &[("StackName", "web"), ("ImageIdParameterKey", "DbImage")];

/// A Driftless of account 111122223333 in eu-west-1 that may touch parameters and stacks with these
/// prefixes.
fn permitting(parameters: &str, stacks: &str) -> Settings {
    let variable = |name: &str| match name {
        "ACCOUNT_ID" => Some("111122223333".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "PARAMETER_PREFIX" => Some(parameters.to_owned()),
        "STACK_PREFIX" => Some(stacks.to_owned()),
        _ => None,
    };
    Settings::read(variable).unwrap()
}

fn settings() -> Settings {
    permitting("/golden/", "web")
}

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An image of that night of November.
fn image(id: &str, night: u8, tagged: &[(&str, &str)]) -> Image {
    Image {
        image_id: id.parse().unwrap(),
        creation_date: format!("2026-11-{night:02}T03:00:00.000Z"),
        source_instance_id: None,
        is_backup: false,
        status_message: None,
        tags_of: None,
        tags: tags(tagged),
    }
}

fn of_instance(image: Image, instance: &str) -> Image {
    Image { source_instance_id: Some(instance.into()), ..image }
}

/// A live instance of group `group`, which stack `infra` made.
fn instance(group: &str, tagged: &[(&str, &str)]) -> Instance {
    let mut tags = tags(tagged);
    tags.insert("aws:autoscaling:groupName".into(), group.into());
    tags.insert("aws:cloudformation:stack-name".into(), "infra".into());
    Instance { instance_type: Some("t3.small".into()), tags }
}

fn backup(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "version": "0",
        "detail-type": "Backup Job State Change",
        "source": "aws.backup",
        "resources": [format!("arn:aws:ec2:eu-west-1::image/{FIRST}")],
        "detail": {"state": "COMPLETED", "resourceType": "EC2", "percentDone": 100},
    });
    change(&mut event);
    event
}

/// Each parameter with its candidates.
fn candidates(promotion: &Promotion) -> Vec<(&str, Vec<&str>)> {
    let images = promotion.target.images().into_iter();
    images
        .map(|(name, it)| (name, it.candidates.iter().map(|c| c.image_id.as_str()).collect()))
        .collect()
}

/// What an answer promotes; nothing where it is skipped.
fn promotions(resolved: Resolved) -> Vec<Promotion> {
    match resolved {
        Resolved::Targets { promotions } => promotions,
        Resolved::Skipped { .. } => Vec::new(),
    }
}

/// Why an answer is skipped.
fn reason(resolved: Resolved) -> String {
    match resolved {
        Resolved::Skipped { reason } => reason,
        Resolved::Targets { promotions } => panic!("{promotions:?}"),
    }
}
