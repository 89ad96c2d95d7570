//! The operator's settings: which tags name targets, and which targets Driftless may touch.

use contract::ids::is_account_id;
use contract::target::{
    TAG_INSTANCE_REFRESH, TAG_PARAMETER_KEY, TAG_PARAMETER_NAME, TAG_STACK_NAME,
};

/// The account that the function runs in.
const ACCOUNT_ID: &str = "ACCOUNT_ID";
/// The Region that the function runs in; Lambda sets it.
const REGION: &str = "AWS_REGION";
/// The prefix of the SSM parameters that Driftless may write.
const PARAMETER_PREFIX: &str = "PARAMETER_PREFIX";
/// The prefix of the stacks that Driftless may update.
const STACK_PREFIX: &str = "STACK_PREFIX";
/// The keys of the tags. Without a variable, the key is the one in `contract`.
const PARAMETER_NAME_TAG: &str = "PARAMETER_NAME_TAG";
const STACK_NAME_TAG: &str = "STACK_NAME_TAG";
const PARAMETER_KEY_TAG: &str = "PARAMETER_KEY_TAG";
const INSTANCE_REFRESH_TAG: &str = "INSTANCE_REFRESH_TAG";

/// The operator's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The account and the Region that a tag's ARN must name.
    pub account: String,
    /// See [`Settings::account`].
    pub region: String,
    /// The prefix of the SSM parameters that Driftless may write.
    pub parameter_prefix: String,
    /// The prefix of the stacks that Driftless may update.
    pub stack_prefix: String,
    /// The keys of the tags that Driftless reads.
    pub keys: TagKeys,
}

/// The keys of the tags that Driftless reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagKeys {
    /// Names an SSM parameter (pattern 1).
    pub parameter_name: String,
    /// Names a stack (pattern 2).
    pub stack_name: String,
    /// Names the stack's parameter.
    pub parameter_key: String,
    /// Asks for an instance refresh.
    pub instance_refresh: String,
}

/// The function's environment differs from the template's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Without it no ARN in a tag can be checked.
    #[error("{ACCOUNT_ID}: expected the 12 digits of an account, found {0:?}")]
    NotAnAccount(String),
    /// Without it a function would take every target for its own, or none.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// Two tags with one key would mean two things at once.
    #[error("two tags have the key {0:?}; each needs a key of its own")]
    SameKey(String),
}

impl Settings {
    /// Reads the variables of an environment.
    ///
    /// # Errors
    /// The first variable that is missing or cannot be parsed.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadSettings> {
        let required = |name: &'static str| variable(name).ok_or(BadSettings::Missing(name));
        let account = required(ACCOUNT_ID)?;
        if !is_account_id(&account) {
            return Err(BadSettings::NotAnAccount(account));
        }
        let key = |name, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let keys = TagKeys {
            parameter_name: key(PARAMETER_NAME_TAG, TAG_PARAMETER_NAME),
            stack_name: key(STACK_NAME_TAG, TAG_STACK_NAME),
            parameter_key: key(PARAMETER_KEY_TAG, TAG_PARAMETER_KEY),
            instance_refresh: key(INSTANCE_REFRESH_TAG, TAG_INSTANCE_REFRESH),
        };
        keys.check()?;
        Ok(Self {
            account,
            region: required(REGION)?,
            parameter_prefix: required(PARAMETER_PREFIX)?,
            stack_prefix: required(STACK_PREFIX)?,
            keys,
        })
    }
}

impl TagKeys {
    fn check(&self) -> Result<(), BadSettings> {
        let mut keys =
            [&self.parameter_name, &self.stack_name, &self.parameter_key, &self.instance_refresh];
        keys.sort();
        let twice = keys.windows(2).find_map(|pair| match pair {
            [one, other] if one == other => Some((*one).clone()),
            _ => None,
        });
        twice.map_or(Ok(()), |key| Err(BadSettings::SameKey(key)))
    }
}
