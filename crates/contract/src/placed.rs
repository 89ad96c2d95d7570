//! The value in place in a parameter. A tag names the parameter, so its value may be anything, even
//! a secret. This type redacts every value that is not an image ID.

use serde::{Deserialize, Serialize};

use crate::ids::ImageId;

/// What stands for a value that is not printed.
pub const REDACTED: &str = "a value that is not an image ID";

/// A value in place. `Display` and `Debug` print an image ID and redact everything else; Serde
/// keeps the value, because a write is made only if the value is still in place.
///
/// ```
/// use contract::placed::{PlacedValue, REDACTED};
///
/// let image = PlacedValue::from("ami-0123456789abcdef0");
/// assert_eq!(image.to_string(), "ami-0123456789abcdef0");
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

    /// The value as it may be printed.
    #[must_use]
    pub fn redacted(&self) -> &str {
        if self.image().is_some() { &self.0 } else { REDACTED }
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
            prop_assert_eq!(padded.to_string(), REDACTED);
            prop_assert_eq!(format!("{padded:?}"), format!("{REDACTED:?}"));
            prop_assert_eq!(padded.expose(), format!("{value} {id}"));
        }
    }
}
