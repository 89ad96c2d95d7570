//! The operator's policy for all targets: the disabled checks, and whether an image of unknown
//! provenance may be promoted.

use std::collections::BTreeSet;

use contract::Gather;
use contract::ids::is_account_id;
use contract::steps::{Provenance, ProvenanceVerdict};

use crate::backups::Job;
use crate::checks::CHECKS;

/// The names of the disabled checks, comma-separated.
const DISABLED_CHECKS: &str = "DISABLED_CHECKS";
/// `true` or `false`.
const ALLOW_UNVERIFIED: &str = "ALLOW_UNVERIFIED";
/// The account that the function runs in.
const ACCOUNT_ID: &str = "ACCOUNT_ID";
/// The partition and the Region that it runs in; Lambda sets the Region.
const PARTITION: &str = "PARTITION";
const REGION: &str = "AWS_REGION";
/// Words in the message of a backup job that say something against the image, comma-separated.
const HARMFUL_MESSAGES: &str = "HARMFUL_MESSAGES";
/// How many hours an image must last.
const MINIMUM_LIFETIME_HOURS: &str = "MINIMUM_LIFETIME_HOURS";

/// The operator's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The account that must own the images.
    pub account: String,
    /// Whether an image may be promoted whose origin cannot be verified.
    pub allow_unverified: bool,
    /// How many hours an image must last from now on.
    pub minimum_lifetime_hours: u32,
    partition: String,
    region: String,
    /// In lower case.
    harmful: Vec<String>,
    disabled: BTreeSet<String>,
}

/// The function's environment differs from the template's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// A misspelt name would leave the intended check enabled.
    #[error("{DISABLED_CHECKS}: there is no check {found:?}; the checks are: {known}")]
    UnknownCheck {
        /// The unknown name.
        found: String,
        /// The names of all checks.
        known: String,
    },
    /// Any other value would be ambiguous.
    #[error("{ALLOW_UNVERIFIED}: expected true or false, found {0:?}")]
    NotYesOrNo(String),
    /// Any other value would disable the check, or reject every image.
    #[error("{MINIMUM_LIFETIME_HOURS}: expected a number of hours, found {0:?}")]
    NotHours(String),
    /// Without it AWS Backup cannot be asked about an instance.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// Without it no image's owner can be checked.
    #[error("{ACCOUNT_ID}: expected the 12 digits of an account, found {0:?}")]
    NotAnAccount(String),
}

impl Policy {
    /// Reads the variables of an environment.
    ///
    /// # Errors
    /// The first variable that cannot be parsed.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadPolicy> {
        let account = variable(ACCOUNT_ID).unwrap_or_default();
        if !is_account_id(&account) {
            return Err(BadPolicy::NotAnAccount(account));
        }
        let allow_unverified = variable(ALLOW_UNVERIFIED).unwrap_or_default();
        let allow_unverified =
            allow_unverified.parse().map_err(|_| BadPolicy::NotYesOrNo(allow_unverified))?;
        let disabled = variable(DISABLED_CHECKS).unwrap_or_default();
        let disabled = listed(&disabled).map(known_check).collect::<Result<_, _>>()?;
        let harmful = variable(HARMFUL_MESSAGES).unwrap_or_default().to_lowercase();
        let hours = variable(MINIMUM_LIFETIME_HOURS).unwrap_or_default();
        let required = |name: &'static str| variable(name).ok_or(BadPolicy::Missing(name));
        Ok(Self {
            account,
            allow_unverified,
            minimum_lifetime_hours: hours.parse().map_err(|_| BadPolicy::NotHours(hours))?,
            partition: required(PARTITION)?,
            region: required(REGION)?,
            harmful: listed(&harmful).map(str::to_owned).gather(),
            disabled,
        })
    }

    /// Whether the check with this name is enabled.
    #[must_use]
    pub fn runs(&self, check: &str) -> bool {
        !self.disabled.contains(check)
    }

    /// The ARN of an instance, as AWS Backup names it.
    #[must_use]
    pub fn instance_arn(&self, instance: &str) -> String {
        let Self { partition, region, account, .. } = self;
        format!("arn:{partition}:ec2:{region}:{account}:instance/{instance}")
    }

    /// Whether what a backup job said counts against its image.
    #[must_use]
    pub(crate) fn is_harmful(&self, job: &Job) -> bool {
        let said = [&job.message, &job.category].map(|text| text.as_deref().unwrap_or_default());
        let said = said.join(" ").to_lowercase();
        self.harmful.iter().any(|word| said.contains(word))
    }

    /// Whether an image with this provenance may be promoted.
    #[must_use]
    pub fn permits(&self, provenance: &Provenance) -> bool {
        match provenance.verdict {
            ProvenanceVerdict::Verified => true,
            ProvenanceVerdict::Unverified => self.allow_unverified,
            ProvenanceVerdict::Violated => false,
        }
    }
}

/// The entries of a comma-separated list.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn known_check(name: &str) -> Result<String, BadPolicy> {
    if CHECKS.iter().any(|check| check.name == name) {
        return Ok(name.to_owned());
    }
    let known: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    Err(BadPolicy::UnknownCheck { found: name.to_owned(), known: known.join(", ") })
}
