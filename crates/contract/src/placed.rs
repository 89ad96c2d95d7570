//! The value in place in a parameter. A tag names the parameter, so its value may be anything, even
//! a secret. This type redacts every value that is not an image ID.

use serde::{Deserialize, Serialize};

use crate::ids::ImageId;

/// Printed instead of a redacted value, if nothing else is known of it.
pub const REDACTED: &str = "a value that is not an image ID";

/// What stands for a value of each kind: the kind, and nothing of the value.
const KINDS: [&str; 7] = [EMPTY, PLACEHOLDER, LIST, ARN, JSON, NUMBER, REDACTED];
const EMPTY: &str = "an empty value";
const PLACEHOLDER: &str = "a placeholder";
const LIST: &str = "a list of values";
const ARN: &str = "an ARN that is not an image ID";
const JSON: &str = "JSON that is not an image ID";
const NUMBER: &str = "a number that is not an image ID";

/// The words that operators put where an image will be. `ami-…` without an ID is one too.
const PLACEHOLDERS: [&str; 14] = [
    "-",
    "ami",
    "changeme",
    "change-me",
    "dummy",
    "initial",
    "n/a",
    "nil",
    "none",
    "null",
    "placeholder",
    "tbd",
    "todo",
    "unset",
];

/// A value in place. `Display` and `Debug` print an image ID and of everything else only its kind;
/// Serde keeps the value, because a write is made only if the value is still in place.
///
/// ```
/// use contract::placed::{PlacedValue, REDACTED};
///
/// let image = PlacedValue::from("ami-0123456789abcdef0");
/// assert_eq!(image.to_string(), "ami-0123456789abcdef0");
///
/// let placeholder = PlacedValue::from("ami-placeholder");
/// assert_eq!(placeholder.to_string(), "a placeholder");
///
/// let password = PlacedValue::from("correct horse battery staple");
/// assert_eq!(password.to_string(), REDACTED);
/// assert!(!format!("{password:?}").contains("horse"));
/// assert_eq!(password.expose(), "correct horse battery staple");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlacedValue(String);

impl PlacedValue {
    /// The value itself, to compare or to send. Never print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The image, if the value is an image ID.
    #[must_use]
    pub fn image(&self) -> Option<ImageId> {
        self.0.parse().ok()
    }

    /// Whether it is several values: one image must not replace them.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.0.contains(',')
    }

    /// The value as it may be printed. That of a printed value is the same.
    #[must_use]
    pub fn redacted(&self) -> &str {
        if self.image().is_some() { &self.0 } else { self.kind() }
    }

    /// The kind of a value that is not an image ID.
    fn kind(&self) -> &'static str {
        let text = self.0.trim();
        let lower = text.to_ascii_lowercase();
        if let Some(kind) = KINDS.into_iter().find(|kind| *kind == text) {
            kind
        } else if text.is_empty() {
            EMPTY
        } else if self.is_list() {
            LIST
        } else if lower.starts_with("ami-") || PLACEHOLDERS.contains(&lower.as_str()) {
            PLACEHOLDER
        } else if lower.starts_with("arn:") {
            ARN
        } else if text.starts_with(['{', '[']) {
            JSON
        } else if text.parse::<f64>().is_ok() {
            NUMBER
        } else {
            REDACTED
        }
    }
}

impl<T: Into<String>> From<T> for PlacedValue {
    fn from(value: T) -> Self {
        Self(value.into())
    }
}

impl std::fmt::Display for PlacedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.redacted())
    }
}

impl std::fmt::Debug for PlacedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_an_image_id_is_printed(value in ".*", id in "ami-([0-9a-f]{8}|[0-9a-f]{17})") {
            let image = PlacedValue::from(id.as_str());
            prop_assert_eq!(image.to_string(), id.clone());
            prop_assert_eq!(format!("{image:?}"), format!("{id:?}"));
            let padded = PlacedValue::from(format!("{value} {id}"));
            prop_assert!(KINDS.contains(&padded.redacted()), "{}", padded);
            prop_assert_eq!(padded.to_string(), padded.redacted());
            prop_assert_eq!(format!("{padded:?}"), format!("{:?}", padded.redacted()));
            prop_assert_eq!(padded.expose(), format!("{value} {id}"));
            // The report redacts what a step has redacted.
            let twice = PlacedValue::from(padded.redacted());
            prop_assert_eq!(twice.redacted(), padded.redacted());
        }
    }

    #[test]
    fn the_kind_is_told() {
        for (value, kind) in [
            ("", EMPTY),
            (" \n", EMPTY),
            ("ami-0123456789abcdef0,ami-0123456789abcdef1", LIST),
            ("ami-placeholder", PLACEHOLDER),
            ("AMI-0123456789ABCDEF0", PLACEHOLDER),
            ("None", PLACEHOLDER),
            ("arn:aws:ec2:eu-west-1::image/ami-0123456789abcdef0", ARN),
            (r#"{"image":"ami-0123456789abcdef0"}"#, JSON),
            ("42", NUMBER),
            ("correct horse battery staple", REDACTED),
        ] {
            assert_eq!(PlacedValue::from(value).to_string(), kind, "{value:?}");
        }
    }
}
