//! Decodes a Lambda's input, and reports the path of the field that is wrong.

use contract::{ErrorName, Named};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::truncated;

/// A message repeats the value found. Values and the names of unknown fields may have any length.
const MAX_PROBLEM_CHARS: usize = 500;
const MAX_PATH_CHARS: usize = 200;

/// The step's input is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct InvalidInput {
    path: String,
    problem: String,
}

impl InvalidInput {
    /// `path` is the field's path in the input (`detail.resourceType`, `resources[0]`; `$` is the
    /// whole input), `problem` is what was expected and found.
    #[must_use]
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: truncated(path, MAX_PATH_CHARS),
            problem: truncated(problem, MAX_PROBLEM_CHARS),
        }
    }
}

impl Named for InvalidInput {
    fn name(&self) -> ErrorName {
        ErrorName::InvalidInput
    }
}

/// Decodes `value` as a `T`.
///
/// ```
/// use contract::event::ManualRun;
/// use serde_json::json;
///
/// let run: ManualRun = step::decode(json!({"imageId": "ami-0123456789abcdef0"}))?;
/// assert_eq!(run.image_id.as_str(), "ami-0123456789abcdef0");
///
/// let error = step::decode::<ManualRun>(json!({"imageId": 7})).unwrap_err();
/// assert_eq!(error.to_string(), "imageId: invalid type: integer `7`, expected a string");
/// # Ok::<(), step::InvalidInput>(())
/// ```
///
/// # Errors
/// [`InvalidInput`] with the path of the first field that does not fit.
pub fn decode<T: DeserializeOwned>(value: Value) -> Result<T, InvalidInput> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => "$".to_owned(),
            field => field,
        };
        InvalidInput::new(path, error.into_inner().to_string())
    })
}

#[cfg(test)]
mod tests {
    use contract::event::ManualRun;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refuses(value: Value, expected: &str) {
        assert_eq!(decode::<ManualRun>(value).unwrap_err().to_string(), expected);
    }

    #[test]
    fn says_where_and_what_was_expected() {
        refuses(json!({"imageId": 7}), "imageId: invalid type: integer `7`, expected a string");
        refuses(
            json!({"imageId": "i-1"}),
            "imageId: expected an image ID such as ami-0123456789abcdef0, found \"i-1\"",
        );
        refuses(
            json!({"imageId": "ami-1a2b3c4d", "allowOlder": "yes"}),
            "allowOlder: invalid type: string \"yes\", expected a boolean",
        );
        refuses(json!([]), "$: invalid length 0, expected struct ManualRun with 4 elements");
    }

    #[test]
    fn a_long_value_or_name_does_not_make_a_long_message() {
        let long = "x".repeat(100_000);
        for value in [json!(long), json!({long: 1})] {
            let error = decode::<ManualRun>(value).unwrap_err();
            assert!(error.to_string().len() < 800);
        }
    }
}
