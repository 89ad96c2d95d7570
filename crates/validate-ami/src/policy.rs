//! What the operator has decided for all targets: the checks that are turned off, and whether an
//! image of unknown provenance may be promoted.

use std::collections::BTreeSet;

use contract::steps::{Provenance, ProvenanceVerdict};

use crate::checks::CHECKS;

/// The checks that are turned off, by name, comma-separated.
const DISABLED_CHECKS: &str = "DISABLED_CHECKS";
/// `true` or `false`.
const ALLOW_UNVERIFIED: &str = "ALLOW_UNVERIFIED";
/// The account that the function runs in.
const ACCOUNT_ID: &str = "ACCOUNT_ID";

/// The operator's decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The account that images have to be of.
    pub account: String,
    /// Whether an image may be promoted of which it cannot be told where it comes from.
    pub allow_unverified: bool,
    disabled: BTreeSet<String>,
}

/// The function's environment is not what the template gives it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// Turning off what does not exist would leave on what was meant.
    #[error("{DISABLED_CHECKS}: there is no check {found:?}; the checks are: {known}")]
    UnknownCheck {
        /// The name that no check has.
        found: String,
        /// The names that checks have.
        known: String,
    },
    /// Anything else might be read either way.
    #[error("{ALLOW_UNVERIFIED}: expected true or false, found {0:?}")]
    NotYesOrNo(String),
    /// Without it no image's owner can be told.
    #[error("{ACCOUNT_ID}: expected the 12 digits of an account, found {0:?}")]
    NotAnAccount(String),
}

impl Policy {
    /// Reads the variables of an environment.
    ///
    /// # Errors
    /// The first that cannot be understood.
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

    /// Whether the check of that name is on.
    #[must_use]
    pub fn runs(&self, check: &str) -> bool {
        !self.disabled.contains(check)
    }

    /// Whether an image from there may be promoted.
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
