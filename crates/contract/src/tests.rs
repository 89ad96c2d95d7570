//! Properties of any text: it is a name that its service allows, or is refused with a message of
//! bounded length; and an image's ARN is parsed in every partition.

use proptest::prelude::*;

use crate::ids::{ImageId, ParameterKey, ParameterName, StackName};

/// Valid names, almost valid ones, and anything else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9/_.-]{0,40}",
        "ami-[0-9a-f]{7,18}",
        "ami-[0-9a-fA-F߉\n ]{8}",
        "arn:aws(-cn|-us-gov|-iso|-iso-b)?:ssm:[a-z0-9-]{0,9}:[0-9]{12}:parameter/[a-z/]{0,9}",
        (any::<char>(), 100..2_000_usize).prop_map(|(c, length)| c.to_string().repeat(length)),
    ]
}

/// The parsed name, if the text is valid.
fn taken<T>(text: &str) -> Option<String>
where
    T: std::str::FromStr + Into<String>,
    T::Err: std::fmt::Display,
{
    match text.parse::<T>() {
        Ok(name) => Some(name.into()),
        Err(malformed) => {
            let message = malformed.to_string();
            // The longest are the escapes of what cannot be printed.
            assert!(message.chars().count() < 100 + 64 * 10, "{message}");
            None
        }
    }
}

proptest! {
    #[test]
    fn a_name_is_taken_as_it_is_and_only_if_aws_takes_it(text in text()) {
        let word = |extra: &'static str| {
            move |c: char| c.is_ascii_alphanumeric() || extra.contains(c)
        };
        if let Some(name) = taken::<ImageId>(&text) {
            prop_assert_eq!(&name, &text);
            prop_assert!(name.starts_with("ami-") && matches!(name.len(), 12 | 21));
        }
        if let Some(name) = taken::<ParameterName>(&text) {
            prop_assert_eq!(&name, &text);
            prop_assert!(name.chars().all(word("_.-/")) && (1..=1011).contains(&name.len()));
        }
        if let Some(name) = taken::<StackName>(&text) {
            prop_assert_eq!(&name, &text);
            prop_assert!(name.chars().all(word("-")) && (1..=128).contains(&name.len()));
        }
        if let Some(name) = taken::<ParameterKey>(&text) {
            prop_assert_eq!(&name, &text);
            prop_assert!(name.chars().all(word("")) && (1..=255).contains(&name.len()));
        }
    }

    #[test]
    fn an_images_arn_is_read_in_every_partition(
        partition in "aws(-cn|-us-gov|-iso|-iso-b|-iso-e|-iso-f|-eusc)?",
        region in "[a-z]{2}(-[a-z]{2,4})?-[a-z]{4,9}-[0-9]",
        account in "([0-9]{12})?",
        id in "ami-([0-9a-f]{8}|[0-9a-f]{17})",
    ) {
        let arn = format!("arn:{partition}:ec2:{region}:{account}:image/{id}");
        let read = ImageId::from_arn(&arn).expect("an image's ARN").expect("an image's id");
        prop_assert_eq!(read.as_str(), id);
    }

    #[test]
    fn any_arn_is_looked_at(text in text(), partition in "aws|aws-cn|x") {
        for text in [text.clone(), format!("arn:{partition}:ec2:::image/{text}")] {
            if let Some(Ok(image)) = ImageId::from_arn(&text) {
                prop_assert!(text.ends_with(image.as_str()));
            }
        }
    }
}

/// A phase is flattened into its message, where serde itself would take any field.
#[test]
fn a_message_with_a_phase_rejects_unknown_fields() {
    use crate::steps::{GroupRefresh, ParameterWrite, StackDrift};

    fn rejects<T: serde::de::DeserializeOwned + serde::Serialize>(json: &str) {
        let read: T = serde_json::from_str(json).unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
        let more = json.replace('}', r#","unknown":1}"#);
        assert!(serde_json::from_str::<T>(&more).is_err(), "{more}");
    }
    rejects::<StackDrift>(r#"{"stackName":"web","phase":"NotStarted"}"#);
    rejects::<StackDrift>(r#"{"stackName":"web","phase":"Running","detectionId":"1"}"#);
    let write = r#"{"parameterName":"/a","before":"x","after":"ami-0000000000000000a","phase":"#;
    rejects::<ParameterWrite>(&format!(r#"{write}"NotStarted"}}"#));
    let versions = r#""written":true,"previousVersion":1,"version":2}"#;
    rejects::<ParameterWrite>(&format!(r#"{write}"Settled",{versions}"#));
    let refresh = r#"{"groupName":"g","expected":"ami-0000000000000000a","phase":"#;
    rejects::<GroupRefresh>(&format!(r#"{refresh}"Settled","refreshId":"r"}}"#));
    rejects::<GroupRefresh>(&format!(r#"{refresh}"NotNeeded"}}"#));
}
