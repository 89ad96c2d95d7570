//! Where tags lead: the targets that they name, and which of those are not Driftless's business.

use std::collections::BTreeMap;
use std::str::FromStr;

use contract::error_name::OF_A_TAG;
use contract::ids::{ImageId, Malformed, ParameterKey, ParameterName, StackName};
use step::{InvalidInput, truncated};

use crate::{Settings, TagKeys};

/// An image's or an instance's tags.
pub type Tags = BTreeMap<String, String>;

/// The maximum length of a tag's value in a message. EC2 allows 256 characters.
const MAX_VALUE_CHARS: usize = 100;

/// A destination in an image's tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// Pattern 1.
    Parameter(ParameterName),
    /// Pattern 2.
    Stack(StackName),
}

impl Destination {
    /// The SSM parameter's name, or the stack's.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Parameter(name) => name.as_str(),
            Self::Stack(name) => name.as_str(),
        }
    }
}

/// Where an image's tags lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leads {
    /// The targets that Driftless may touch.
    pub destinations: Vec<Destination>,
    /// Tags that name something else, for people. The keys are in wide use, `StackName` for cost
    /// reports above all.
    pub foreign: Vec<String>,
}

/// What one tag names.
#[derive(Debug, PartialEq, Eq)]
enum Named<T> {
    Ours(T),
    /// The value, and the prefix that it lacks.
    Foreign(String),
    Nothing,
}

/// The kinds of names in tags, as their ARNs have them.
struct Kind {
    noun: &'static str,
    service: &'static str,
    /// What precedes the name in an ARN's last part.
    resource: &'static str,
}

const PARAMETER: Kind = Kind { noun: "SSM parameters", service: "ssm", resource: "parameter" };
const STACK: Kind = Kind { noun: "stacks", service: "cloudformation", resource: "stack/" };

impl Settings {
    /// Where these tags lead.
    ///
    /// # Errors
    /// A tag names something with a permitted prefix that cannot be a target.
    pub fn leads(&self, tags: &Tags) -> Result<Leads, InvalidInput> {
        let mut leads = Leads::default();
        match self.parameter(tags)? {
            Named::Ours(name) => leads.destinations.push(Destination::Parameter(name)),
            Named::Foreign(reason) => leads.foreign.push(reason),
            Named::Nothing => {}
        }
        match self.stack(tags)? {
            Named::Ours(name) => {
                self.parameter_key(tags)?;
                leads.destinations.push(Destination::Stack(name));
            }
            Named::Foreign(reason) => leads.foreign.push(reason),
            Named::Nothing => {}
        }
        Ok(leads)
    }

    /// Whether these tags name this destination, in whatever form.
    #[must_use]
    pub fn names(&self, tags: &Tags, destination: &Destination) -> bool {
        match destination {
            Destination::Parameter(name) => {
                matches!(self.parameter(tags), Ok(Named::Ours(found)) if found == *name)
            }
            Destination::Stack(name) => {
                matches!(self.stack(tags), Ok(Named::Ours(found)) if found == *name)
            }
        }
    }

    /// The stack's parameter in these tags; the default key for an SSM parameter, which has no
    /// others. `None` if the key is malformed.
    #[must_use]
    pub fn key_at(&self, destination: &Destination, tags: &Tags) -> Option<ParameterKey> {
        match destination {
            Destination::Parameter(_) => Some(ParameterKey::default()),
            Destination::Stack(_) => self.parameter_key(tags).ok(),
        }
    }

    /// Whether these tags ask for an instance refresh.
    #[must_use]
    pub fn ask_for_refresh(&self, tags: &Tags) -> bool {
        let value = tags.get(&self.keys.instance_refresh);
        value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// Whether a target tag is among these tags, whatever it names.
    #[must_use]
    pub fn carry_target(&self, tags: &Tags) -> bool {
        let keys = [&self.keys.parameter_name, &self.keys.stack_name];
        keys.into_iter().any(|key| tags.contains_key(key))
    }

    /// Whether these tags are for Driftless but name no target. The other keys are in wider use.
    #[must_use]
    pub fn lack_target(&self, tags: &Tags) -> bool {
        tags.contains_key(&self.keys.parameter_key) && !self.carry_target(tags)
    }

    /// The tags among these that Driftless reads.
    #[must_use]
    pub fn ours(&self, tags: &Tags) -> Tags {
        let TagKeys { parameter_name, stack_name, parameter_key, instance_refresh } = &self.keys;
        let keys = [parameter_name, stack_name, parameter_key, instance_refresh];
        let ours = keys.into_iter().filter_map(|key| tags.get_key_value(key));
        ours.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The tag that names this destination.
    #[must_use]
    pub fn tag_of(&self, destination: &Destination) -> &str {
        match destination {
            Destination::Parameter(_) => &self.keys.parameter_name,
            Destination::Stack(_) => &self.keys.stack_name,
        }
    }

    /// Why Driftless may not touch this destination; `None` if it may.
    #[must_use]
    pub fn forbids(&self, destination: &Destination) -> Option<String> {
        let (kind, prefix) = match destination {
            Destination::Parameter(_) => (&PARAMETER, &self.parameter_prefix),
            Destination::Stack(_) => (&STACK, &self.stack_prefix),
        };
        (!destination.name().starts_with(prefix)).then(|| outside(kind, prefix))
    }

    /// Why an image without a target tag has no target. `instance`: its source, and whether that
    /// lives.
    #[must_use]
    pub fn no_destination(&self, image: &ImageId, instance: Option<(&str, bool)>) -> String {
        let keys = &self.keys;
        let (parameter, stack) = (&keys.parameter_name, &keys.stack_name);
        let neither = format!("image {image} carries neither the tag {parameter} nor {stack}");
        match instance {
            None => neither,
            Some((id, true)) => format!("{neither}, and neither does its instance {id}"),
            Some((id, false)) => format!("{neither}, and its instance {id} is gone"),
        }
    }

    fn parameter(&self, tags: &Tags) -> Result<Named<ParameterName>, InvalidInput> {
        self.named(tags, &self.keys.parameter_name, &PARAMETER, &self.parameter_prefix)
    }

    fn stack(&self, tags: &Tags) -> Result<Named<StackName>, InvalidInput> {
        self.named(tags, &self.keys.stack_name, &STACK, &self.stack_prefix)
    }

    /// The stack's parameter in these tags.
    ///
    /// # Errors
    /// The key is malformed.
    pub fn parameter_key(&self, tags: &Tags) -> Result<ParameterKey, InvalidInput> {
        let key = &self.keys.parameter_key;
        tags.get(key).map_or(Ok(ParameterKey::default()), |value| parsed(key, value.trim()))
    }

    /// The prefix decides first: another's tag is no mistake, whatever its value looks like.
    fn named<T: FromStr<Err = Malformed>>(
        &self,
        tags: &Tags,
        key: &str,
        kind: &Kind,
        prefix: &str,
    ) -> Result<Named<T>, InvalidInput> {
        let Some(value) = tags.get(key).map(|value| value.trim()) else {
            return Ok(Named::Nothing);
        };
        let arn = kind.arn(value);
        let name = arn.as_ref().map_or(value, |arn| arn.name);
        if !name.starts_with(prefix) {
            let value = truncated(format!("{value:?}"), MAX_VALUE_CHARS);
            let reason = format!("the tag {key} names {value}, {}", outside(kind, prefix));
            return Ok(Named::Foreign(reason));
        }
        if let Some(arn) =
            arn.filter(|arn| arn.account != self.account || arn.region != self.region)
        {
            let Self { account, region, .. } = self;
            let expected = format!("expected an ARN of account {account} in Region {region}");
            let found = format!("found account {:?} in Region {:?}", arn.account, arn.region);
            return Err(invalid(key, format!("{expected}, {found}")));
        }
        parsed(key, name).map(Named::Ours)
    }
}

fn parsed<T: FromStr<Err = Malformed>>(key: &str, value: &str) -> Result<T, InvalidInput> {
    let parsed = value.parse();
    parsed.map_err(|error: Malformed| invalid(key, error.to_string()))
}

/// A tag cannot be followed. The path says that it is a tag, which can be corrected.
fn invalid(key: &str, problem: String) -> InvalidInput {
    InvalidInput::new(format!("{OF_A_TAG}{key}"), problem)
}

fn outside(kind: &Kind, prefix: &str) -> String {
    format!("and Driftless may only touch {} whose names begin with {prefix:?}", kind.noun)
}

/// An ARN of a target.
struct Arn<'a> {
    region: &'a str,
    account: &'a str,
    name: &'a str,
}

impl Kind {
    /// The target in `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`; `None` if the value is a name
    /// or something else's ARN. A stack's ARN, which is its ID, ends in a UUID after its name. A
    /// parameter's has one slash before the name, whether or not the name begins with one, and
    /// every permitted name does.
    fn arn<'a>(&self, value: &'a str) -> Option<Arn<'a>> {
        let mut parts = value.splitn(6, ':');
        let is_of_service = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| partition.starts_with("aws"))
            && parts.next() == Some(self.service);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let rest = resource.strip_prefix(self.resource).filter(|_| is_of_service)?;
        let name = if self.service == STACK.service { rest.split('/').next()? } else { rest };
        Some(Arn { region, account, name })
    }
}
