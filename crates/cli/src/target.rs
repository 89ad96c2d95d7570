//! A target in a command's arguments: an SSM parameter, or a stack.

use clap::Args;
use contract::ids::{ParameterKey, ParameterName, StackName};
use serde_json::{Value, json};

/// The target of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[group(skip)]
pub(crate) struct TargetArguments {
    /// The SSM parameter that the launch template reads (pattern 1).
    #[arg(long, value_name = "NAME")]
    pub parameter: Option<ParameterName>,
    /// The stack that takes the image as a parameter (pattern 2).
    #[arg(long, value_name = "NAME")]
    pub stack: Option<StackName>,
    /// Only this image parameter of the stack.
    #[arg(long, value_name = "NAME", requires = "stack", conflicts_with = "parameter")]
    pub key: Option<ParameterKey>,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Pattern 1.
    Parameter(String),
    /// Pattern 2.
    Stack(String),
}

impl Target {
    /// The SSM parameter's name, or the stack's.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Parameter(name) | Self::Stack(name) => name,
        }
    }

    /// The pattern's name in inputs and reports.
    pub(crate) const fn pattern(&self) -> &'static str {
        match self {
            Self::Parameter(_) => "parameter",
            Self::Stack(_) => "stack",
        }
    }
}

impl TargetArguments {
    /// The target, if one is named.
    pub(crate) fn target(&self) -> Option<Target> {
        let parameter = self.parameter.as_ref().map(|name| Target::Parameter(name.to_string()));
        parameter.or_else(|| Some(Target::Stack(self.stack.as_ref()?.to_string())))
    }

    /// The target as an input names it.
    pub(crate) fn names(&self) -> Value {
        let mut names = json!({});
        for (field, name) in [
            ("parameterName", self.parameter.as_ref().map(ToString::to_string)),
            ("stackName", self.stack.as_ref().map(ToString::to_string)),
            ("parameterKey", self.key.as_ref().map(ToString::to_string)),
        ] {
            set(&mut names, field, name.map(Value::from));
        }
        names
    }
}

/// Sets a field of an object, unless there is no value.
pub(crate) fn set(object: &mut Value, field: &str, value: Option<Value>) {
    if let (Value::Object(fields), Some(value)) = (object, value) {
        fields.insert(field.to_owned(), value);
    }
}
