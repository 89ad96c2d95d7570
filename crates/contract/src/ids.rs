//! Identifiers with a fixed form. Each is validated where it enters the workflow, so that no step
//! receives a malformed one.

use serde::{Deserialize, Serialize};

/// The text does not have the form that the type requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    found: String,
    expected: &'static str,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "expected {}, found {:?}", self.expected, self.found)
    }
}

impl std::error::Error for Malformed {}

/// Whether this is an account's ID: 12 digits.
#[must_use]
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

macro_rules! checked_name {
    ($(#[doc = $doc:literal])+ $name:ident, $expected:literal, $is_valid:expr) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;
            fn try_from(text: String) -> Result<Self, Malformed> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) {
                    Ok(Self(text))
                } else {
                    // The value may have any length; its first characters are enough to identify
                    // it.
                    Err(Malformed { found: text.chars().take(64).collect(), expected: $expected })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_name!(
    /// The ID of a machine image. It is `ami-` and 8 (before 2016) or 17 hexadecimal digits
    /// (EC2 user guide, "Resource IDs").
    ///
    /// ```
    /// use contract::ids::ImageId;
    ///
    /// let image: ImageId = "ami-0123456789abcdef0".parse()?;
    /// assert_eq!(image.as_str(), "ami-0123456789abcdef0");
    ///
    /// let error = "i-0123456789abcdef0".parse::<ImageId>().unwrap_err();
    /// assert!(error.to_string().starts_with("expected an image ID such as ami-"));
    /// # Ok::<(), contract::ids::Malformed>(())
    /// ```
    ImageId,
    "an image ID such as ami-0123456789abcdef0",
    |text| text.strip_prefix("ami-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17)
            && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
);

checked_name!(
    /// The full name of an SSM parameter: at most 1011 characters of `a-zA-Z0-9_.-` and `/`
    /// (`PutParameter`, Name). A parameter's ARN is refused on purpose: an ARN may point to
    /// another account.
    ParameterName,
    "the name of an SSM parameter (letters, digits, _ . - and /)",
    |text| !text.is_empty()
        && text.len() <= 1011
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b))
);

checked_name!(
    /// The name of a stack: a letter, then letters, digits and hyphens, at most 128
    /// (`CreateStack`, `StackName`).
    StackName,
    "the name of a stack (a letter, then letters, digits and -)",
    |text| text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);

checked_name!(
    /// The logical ID of a template's parameter: letters and digits, at most 255
    /// (CloudFormation user guide, "Parameters").
    ParameterKey,
    "the name of a template parameter (letters and digits)",
    |text| !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_alphanumeric())
);

impl ImageId {
    /// The image that an ARN names: `arn:<partition>:ec2:<region>:<account or empty>:image/ami-…`
    /// (AWS Backup leaves the account empty). `None` if the ARN does not name an image.
    ///
    /// # Errors
    /// The ARN is an image's, but its last part is not an image ID.
    pub fn from_arn(arn: &str) -> Option<Result<Self, Malformed>> {
        let mut parts = arn.splitn(6, ':');
        let is_ec2 = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| partition.starts_with("aws"))
            && parts.next() == Some("ec2");
        let resource = parts.nth(2).filter(|_| is_ec2)?;
        resource.strip_prefix("image/").map(str::parse)
    }
}

impl Default for ParameterKey {
    /// The key of an image without an `ImageIdParameterKey` tag.
    fn default() -> Self {
        Self("ImageId".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T: std::str::FromStr>(text: &str) -> bool {
        text.parse::<T>().is_ok()
    }

    #[test]
    fn image_ids_are_ami_and_8_or_17_hexadecimal_digits() {
        for good in ["ami-0123456789abcdef0", "ami-1a2b3c4d"] {
            assert!(accepts::<ImageId>(good), "{good}");
        }
        for bad in
            ["", "ami-", "ami-xyz", "ami-0123456789ABCDEF0", "i-0123456789abcdef0", "ami-1a2b3c4d "]
        {
            assert!(!accepts::<ImageId>(bad), "{bad}");
        }
    }

    #[test]
    fn names_follow_their_service() {
        assert!(accepts::<ParameterName>("/golden/web_1.x-y"));
        assert!(!accepts::<ParameterName>("arn:aws:ssm:us-east-1:111122223333:parameter/x"));
        assert!(accepts::<StackName>("web-1") && !accepts::<StackName>("1-web"));
        assert!(accepts::<ParameterKey>("WebImageId") && !accepts::<ParameterKey>("Web-ImageId"));
    }

    #[test]
    fn an_image_arn_of_any_partition_gives_its_id() {
        let id = "ami-0123456789abcdef0";
        for partition in ["aws", "aws-cn", "aws-us-gov"] {
            let arn = format!("arn:{partition}:ec2:eu-west-1::image/{id}");
            assert_eq!(ImageId::from_arn(&arn).unwrap().unwrap().as_str(), id);
        }
        assert_eq!(ImageId::from_arn("arn:aws:ec2:eu-west-1::snapshot/snap-1"), None);
        assert_eq!(
            ImageId::from_arn("arn:aws:backup:eu-west-1:1:recovery-point:image/ami-1a2b3c4d"),
            None
        );
        assert_eq!(ImageId::from_arn("nonsense"), None);
        assert!(ImageId::from_arn("arn:aws:ec2:eu-west-1::image/nonsense").unwrap().is_err());
    }

    #[test]
    fn what_is_malformed_is_named_but_not_echoed_at_length() {
        let message = "x".repeat(9_999).parse::<ImageId>().unwrap_err().to_string();
        assert!(message.len() < 200 && message.contains("expected an image ID"), "{message}");
    }
}
