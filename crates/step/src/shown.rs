//! What a parameter has in place, as it may be told. Whoever tags an image names the parameter, so
//! what is in it may be anything: a secret, too.

use contract::ids::ImageId;

/// What stands for a value that is not told.
const NO_IMAGE: &str = "a value that is no image id";

/// A value in place, for an error or the log: an image's id as it is, nothing of any other.
#[must_use]
pub fn shown(value: &str) -> &str {
    if value.parse::<ImageId>().is_ok() { value } else { NO_IMAGE }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::text;

    proptest! {
        #[test]
        fn nothing_but_an_image_is_told(value in text(), id in "ami-([0-9a-f]{8}|[0-9a-f]{17})") {
            prop_assert_eq!(shown(&id), &id);
            let padded = format!("{value} {id}");
            prop_assert_eq!(shown(&padded), NO_IMAGE);
            prop_assert!(shown(&value) == NO_IMAGE || value.starts_with("ami-"));
        }
    }
}
