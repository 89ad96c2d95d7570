//! Why a stack's parameters cannot be changed.

use contract::{ErrorName, Named};

use crate::{AwsError, refusals};

/// The transform whose templates must not be sent as `UsePreviousTemplate`: CloudFormation then
/// uses the expanded template, in which the parameters are already literals (`UpdateStack`,
/// `UsePreviousTemplate`).
pub(super) const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";
/// The maximum length of a template in a request, in bytes (`UpdateStack`, `TemplateBody`).
pub(super) const MAX_TEMPLATE_BYTES: usize = 51_200;

/// Why the stack's parameters cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No stack has that name.
    #[error(
        "stack {0} does not exist in this account and Region; correct the image's tag StackName"
    )]
    NotFound(String),
    /// The stack is nested, and its parent sets its parameters.
    #[error(
        "stack {stack} is nested in {root}; tag the images with {root} and its image parameter instead"
    )]
    Nested {
        /// The stack.
        stack: String,
        /// The name of the stack at the top.
        root: String,
    },
    /// The template does not have these parameters.
    #[error(
        "stack {stack} has no parameter {}; its parameters are: {}", missing.join(", "), known.join(", ")
    )]
    UnknownKeys {
        /// The stack.
        stack: String,
        /// The parameters to change that do not exist.
        missing: Vec<String>,
        /// The parameters that exist.
        known: Vec<String>,
    },
    /// A value is neither what the decision saw nor what it chose.
    #[error(
        "parameter {parameter} of stack {stack} was {seen} when the image was chosen and is {current} now"
    )]
    Changed {
        /// The stack.
        stack: String,
        /// The parameter's key.
        parameter: String,
        /// What the decision saw.
        seen: String,
        /// What is there now.
        current: String,
    },
    /// Another operation runs.
    #[error("stack {stack} is in {status}: another operation is running")]
    Busy {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
    },
    /// CloudFormation does not update a stack in this state.
    #[error("stack {stack} is in {status} and cannot be updated; {remedy}")]
    NotUpdatable {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
        /// What an operator must do.
        remedy: &'static str,
    },
    /// CloudFormation cannot act for the stack.
    #[error("CloudFormation cannot use the service role of stack {stack}: {reason}")]
    ServiceRole {
        /// The stack.
        stack: String,
        /// CloudFormation's reason, which names the role.
        reason: String,
    },
    /// An early validation or a hook refused the change.
    #[error("a change of stack {stack} is not permitted: {reason}")]
    NotPermitted {
        /// The stack.
        stack: String,
        /// CloudFormation's reason, which names the validation or the hook.
        reason: String,
    },
    /// The template must be sent and is too long to send.
    #[error(
        "the template of stack {stack} uses {LANGUAGE_EXTENSIONS}, so it must be sent with the update; it has {length} bytes, and at most {MAX_TEMPLATE_BYTES} are allowed"
    )]
    TemplateTooLong {
        /// The stack.
        stack: String,
        /// The template's length in bytes.
        length: usize,
    },
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Error {
    /// Converts CloudFormation's refusal to change this stack. The stack was ready a moment ago, so
    /// if it is busy now, another operation has started in between.
    #[must_use]
    pub fn refused(stack: &str, error: AwsError) -> Self {
        let stack = stack.to_owned();
        if let Some(status) = refusals::stack_state_in_refusal(&error) {
            return Self::Busy { stack, status: status.to_owned() };
        }
        let reason = error.to_string();
        if refusals::is_service_role_unusable(&error) {
            Self::ServiceRole { stack, reason }
        } else if refusals::is_failed_validation(&reason) {
            Self::NotPermitted { stack, reason }
        } else {
            error.into()
        }
    }
}

impl Named for Error {
    fn name(&self) -> ErrorName {
        match self {
            Self::NotFound(_) => ErrorName::StackNotFound,
            Self::Nested { .. } => ErrorName::StackNested,
            Self::UnknownKeys { .. } => ErrorName::ParameterKeyNotFound,
            Self::Changed { .. } => ErrorName::ConcurrentWrite,
            Self::Busy { .. } => ErrorName::StackBusy,
            Self::NotUpdatable { .. } => ErrorName::StackNotUpdatable,
            Self::ServiceRole { .. } => ErrorName::ServiceRoleUnusable,
            Self::NotPermitted { .. } => ErrorName::UpdateNotPermitted,
            Self::TemplateTooLong { .. } => ErrorName::TemplateTooLong,
            Self::Aws(error) => error.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_text() {
        for (text, name) in [
            (
                "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated.",
                ErrorName::StackBusy,
            ),
            ("Role arn is invalid or cannot be assumed", ErrorName::ServiceRoleUnusable),
            ("The following hook(s) failed: [A::B::C]", ErrorName::UpdateNotPermitted),
            ("Template format error", ErrorName::UnexpectedAnswer),
        ] {
            let (action, code) = ("cloudformation:UpdateStack", "ValidationError".to_owned());
            let error = AwsError::Refused { action, code, message: text.to_owned() };
            let error = Error::refused("web", error);
            assert_eq!(error.name(), name, "{error}");
            assert!(error.to_string().contains(text) || name == ErrorName::StackBusy, "{error}");
        }
    }
}
