//! The operator's policy for all targets: the disabled checks, and whether an image of unknown
//! provenance may be promoted.

use std::collections::BTreeSet;

use contract::steps::{Provenance, ProvenanceVerdict};

use crate::checks::CHECKS;

/// The names of the disabled checks, comma-separated.
const DISABLED_CHECKS: &str = "DISABLED_CHECKS";
/// `true` or `false`.
const ALLOW_UNVERIFIED: &str = "ALLOW_UNVERIFIED";
/// The account that the function runs in.
const ACCOUNT_ID: &str = "ACCOUNT_ID";

/// The operator's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The account that must own the images.
    pub account: String,
    /// Whether an image may be promoted whose origin cannot be verified.
    pub allow_unverified: bool,
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
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadPolicy::NotAnAccount(account));
        }
        let allow_unverified = variable(ALLOW_UNVERIFIED).unwrap_or_default();
        let allow_unverified =
            allow_unverified.parse().map_err(|_| BadPolicy::NotYesOrNo(allow_unverified))?;
        let disabled = variable(DISABLED_CHECKS).unwrap_or_default();
        let names = disabled.split(',').map(str::trim).filter(|name| !name.is_empty());
        let disabled = names.map(known_check).collect::<Result<_, _>>()?;
        Ok(Self { account, allow_unverified, disabled })
    }

    /// Whether the check with this name is enabled.
    #[must_use]
    pub fn runs(&self, check: &str) -> bool {
        !self.disabled.contains(check)
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

fn known_check(name: &str) -> Result<String, BadPolicy> {
    if CHECKS.iter().any(|check| check.name == name) {
        return Ok(name.to_owned());
    }
    let known: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    Err(BadPolicy::UnknownCheck { found: name.to_owned(), known: known.join(", ") })
}
