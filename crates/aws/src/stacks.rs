//! Changes a stack's image parameters: whether the stack can be updated, how its parameters are
//! sent, and which template is sent with them. update-stack and plan-update share it, so that both
//! send the same request.

mod error;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    Capability, Parameter, ResourceStatus, Stack, StackResource, TemplateStage,
};
use contract::placed::PlacedValue;
use contract::steps::Change;

pub use self::error::Error;
use self::error::{LANGUAGE_EXTENSIONS, MAX_TEMPLATE_BYTES};
use crate::readiness::{Readiness, readiness};
use crate::{AwsError, Called, refusals};

/// Whether an update can start now.
///
/// # Errors
/// [`Error::Busy`], [`Error::NotUpdatable`]
pub fn check_readiness(stack: &Stack) -> Result<(), Error> {
    let Some(status) = stack.stack_status() else { return Ok(()) };
    let name = stack.stack_name().unwrap_or_default().to_owned();
    let status_text = status.as_str().to_owned();
    match readiness(status) {
        Readiness::Ready => Ok(()),
        Readiness::Busy => Err(Error::Busy { stack: name, status: status_text }),
        Readiness::Stuck(remedy) => {
            Err(Error::NotUpdatable { stack: name, status: status_text, remedy })
        }
    }
}

/// The stack with this name or ARN, or `None` if it does not exist.
///
/// # Errors
/// [`AwsError`]
pub async fn find(cloudformation: &Client, name: &str) -> Result<Option<Stack>, AwsError> {
    let answer = cloudformation.describe_stacks().stack_name(name).send().await;
    match answer.called("cloudformation:DescribeStacks") {
        Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
        Err(error) if refusals::is_stack_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The maximum number of a stack's resources that CloudFormation lists (`DescribeStackResources`).
const LISTED: usize = 100;

/// The resources of the stack that has a resource with this physical ID; none if no stack has.
///
/// # Errors
/// [`AwsError`]
pub async fn beside(
    cloudformation: &Client,
    physical_id: &str,
) -> Result<Vec<StackResource>, AwsError> {
    let request = cloudformation.describe_stack_resources().physical_resource_id(physical_id);
    match request.send().await.called("cloudformation:DescribeStackResources") {
        Ok(answer) => Ok(answer.stack_resources.unwrap_or_default()),
        Err(error) if refusals::is_not_a_stack_resource(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The stack that owns an SSM parameter, and the resource that it is, according to the resources
/// [`beside`] it.
#[must_use]
pub fn owner<'a>(name: &str, resources: &'a [StackResource]) -> Option<(&'a str, &'a str)> {
    let is_namesake = |resource: &&StackResource| resource.physical_resource_id() == Some(name);
    // Not another resource with the same name, such as a log group, and not one that its stack no
    // longer owns.
    let is_parameter = |resource: &&StackResource| {
        let status = resource.resource_status();
        let is_gone =
            matches!(status, Some(ResourceStatus::DeleteComplete | ResourceStatus::DeleteSkipped));
        resource.resource_type() == Some("AWS::SSM::Parameter") && !is_gone
    };
    let mut namesakes = resources.iter().filter(is_namesake).peekable();
    match namesakes.peek() {
        // It is a resource beyond the end of the list.
        None if resources.len() >= LISTED => {
            resources.first().and_then(|first| Some((first.stack_name()?, "a resource")))
        }
        _ => namesakes.find(is_parameter).map(|parameter| {
            let stack = parameter.stack_name().unwrap_or_default();
            (stack, parameter.logical_resource_id().unwrap_or_default())
        }),
    }
}

/// The stack as it is now.
///
/// # Errors
/// [`Error::NotFound`], and [`Error::Nested`] when another stack owns its parameters.
pub async fn describe(cloudformation: &Client, name: &str) -> Result<Stack, Error> {
    let stack = find(cloudformation, name).await?;
    let stack = stack.ok_or_else(|| Error::NotFound(name.to_owned()))?;
    // A child of the root has both; deeper ones have other parents, and the same root.
    match stack.root_id().or(stack.parent_id()) {
        Some(root) => {
            Err(Error::Nested { stack: name.to_owned(), root: name_in_arn(root).to_owned() })
        }
        None => Ok(stack),
    }
}

/// `arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>`.
fn name_in_arn(stack_id: &str) -> &str {
    stack_id.split('/').nth(1).unwrap_or(stack_id)
}

/// The image that a change's parameter has now: its value, or what the value resolves to.
#[must_use]
pub fn value<'a>(parameters: &'a [Parameter], change: &Change) -> Option<&'a str> {
    let parameter = parameters.iter().find(|p| p.parameter_key() == Some(&change.parameter))?;
    if change.via.is_some() { parameter.resolved_value() } else { parameter.parameter_value() }
}

fn redacted(value: &str) -> String {
    PlacedValue::from(value).to_string()
}

/// Merges the changes into the stack's parameters as they are sent: the changed ones by value, all
/// others as `UsePreviousValue` and never by value, because a `NoEcho` parameter reads as `****`. A
/// parameter that takes its image from an SSM parameter keeps its value, too: the update resolves
/// it again. `None` when every image is already in place.
///
/// # Errors
/// [`Error::UnknownKeys`] names every change without a parameter; [`Error::Changed`] the first
/// parameter that another writer has changed since the decision. (For an SSM parameter, the write
/// has already compared.)
pub fn merge(
    stack: &str,
    current: &[Parameter],
    changes: &[Change],
) -> Result<Option<Vec<Parameter>>, Error> {
    let known: Vec<&str> = current.iter().filter_map(Parameter::parameter_key).collect();
    let keys = changes.iter().map(|change| change.parameter.as_str());
    let missing: Vec<&str> = keys.filter(|key| !known.contains(key)).collect();
    if !missing.is_empty() {
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        return Err(Error::UnknownKeys {
            stack: stack.to_owned(),
            missing: owned(missing),
            known: owned(known),
        });
    }
    let mut open = Vec::new();
    for change in changes {
        let value = value(current, change);
        if value == Some(change.after.as_str()) {
            continue;
        }
        // A parameter that does not resolve to anything has another type by now.
        if value.is_none() || (change.via.is_none() && value != Some(change.before.expose())) {
            return Err(Error::Changed {
                stack: stack.to_owned(),
                parameter: change.parameter.clone(),
                seen: change.before.to_string(),
                current: value.map_or_else(|| "of another type".to_owned(), redacted),
            });
        }
        open.push(change);
    }
    let sent = known.into_iter().map(|key| {
        let parameter = Parameter::builder().parameter_key(key);
        match open.iter().find(|change| change.parameter == key && change.via.is_none()) {
            Some(change) => parameter.parameter_value(change.after.as_str()).build(),
            None => parameter.use_previous_value(true).build(),
        }
    });
    Ok((!open.is_empty()).then(|| sent.collect()))
}

/// How to send the stack's template with an update that does not change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What the template asks for now.
    pub capabilities: Vec<Capability>,
    /// The template to send, or `None` for `UsePreviousTemplate`.
    pub body: Option<String>,
}

/// Reads the stack's template.
///
/// # Errors
/// [`Error::TemplateTooLong`] when it must be sent and is too long for a request.
pub async fn template(cloudformation: &Client, name: &str) -> Result<Template, Error> {
    let answer = cloudformation.get_template_summary().stack_name(name).send().await;
    let summary = answer.called("cloudformation:GetTemplateSummary")?;
    let mut capabilities = summary.capabilities.unwrap_or_default();
    let transforms = summary.declared_transforms.unwrap_or_default();
    // A template with a transform (SAM, an include) is expanded again on every update.
    if !transforms.is_empty() {
        capabilities.push(Capability::CapabilityAutoExpand);
    }
    if !transforms.iter().any(|transform| transform == LANGUAGE_EXTENSIONS) {
        return Ok(Template { capabilities, body: None });
    }
    let request = cloudformation.get_template().stack_name(name);
    let answer = request.template_stage(TemplateStage::Original).send().await;
    let answer = answer.called("cloudformation:GetTemplate")?;
    let body = answer.template_body.unwrap_or_default();
    if body.len() > MAX_TEMPLATE_BYTES {
        return Err(Error::TemplateTooLong { stack: name.to_owned(), length: body.len() });
    }
    Ok(Template { capabilities, body: Some(body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "ami-0000000000000000a";
    const NEW: &str = "ami-0000000000000000b";

    fn change(parameter: &str) -> Change {
        Change {
            parameter: parameter.into(),
            before: OLD.into(),
            after: NEW.parse().unwrap(),
            via: None,
        }
    }

    fn via_ssm(parameter: &str) -> Change {
        Change { via: Some("/golden/web".parse().unwrap()), ..change(parameter) }
    }

    fn parameter(key: &str, value: &str) -> Parameter {
        Parameter::builder().parameter_key(key).parameter_value(value).build()
    }

    fn resolved(key: &str, image: &str) -> Parameter {
        let mut parameter = parameter(key, "/golden/web");
        parameter.resolved_value = Some(image.into());
        parameter
    }

    /// `expected` are keys and values; no value stands for `UsePreviousValue`.
    #[track_caller]
    fn merges(current: &[Parameter], changes: &[Change], expected: &[(&str, Option<&str>)]) {
        let sent = |(key, value): &(&str, Option<&str>)| {
            let previous = value.is_none().then_some(true);
            let parameter = Parameter::builder().parameter_key(*key);
            let parameter = parameter.set_parameter_value(value.map(str::to_owned));
            parameter.set_use_previous_value(previous).build()
        };
        let expected: Vec<Parameter> = expected.iter().map(sent).collect();
        assert_eq!(merge("web", current, changes).unwrap(), Some(expected));
    }

    #[test]
    fn only_what_must_change_is_sent_by_value() {
        merges(
            &[parameter("A", NEW), parameter("B", OLD), parameter("Secret", "****")],
            &[change("A"), change("B")],
            &[("A", None), ("B", Some(NEW)), ("Secret", None)],
        );
    }

    #[test]
    fn an_ssm_typed_parameter_is_compared_as_resolved_and_sent_unchanged() {
        merges(&[resolved("A", OLD)], &[via_ssm("A")], &[("A", None)]);
        let both = [resolved("A", OLD), parameter("B", OLD)];
        merges(&both, &[via_ssm("A"), change("B")], &[("A", None), ("B", Some(NEW))]);
        // Whatever the stack resolved last: what counts is that it is not the image.
        merges(&[resolved("A", "ami-0000000000000000c")], &[via_ssm("A")], &[("A", None)]);
    }

    #[test]
    fn images_that_are_in_place_make_no_update() {
        assert_eq!(merge("web", &[parameter("A", NEW)], &[change("A")]).unwrap(), None);
        assert_eq!(merge("web", &[resolved("A", NEW)], &[via_ssm("A")]).unwrap(), None);
    }

    #[test]
    fn all_missing_keys_are_named_with_the_known_ones() {
        let error = merge("web", &[parameter("X", "1")], &[change("A"), change("B")]).unwrap_err();
        assert_eq!(error.to_string(), "stack web has no parameter A, B; its parameters are: X");
    }

    #[test]
    fn an_unexpected_value_is_reported() {
        for (current, change) in [
            (parameter("A", "ami-0000000000000000c"), change("A")),
            // The template was changed in between.
            (parameter("A", OLD), via_ssm("A")),
            (resolved("A", OLD), change("A")),
        ] {
            let error = merge("web", &[current], &[change]).unwrap_err();
            assert!(matches!(error, Error::Changed { .. }), "{error}");
        }
    }

    #[test]
    fn a_stacks_name_is_in_its_arn() {
        for place in ["aws:cloudformation:eu-west-1", "aws-cn:cloudformation:cn-north-1"] {
            let arn = format!("arn:{place}:111122223333:stack/root/1-2-3");
            assert_eq!(name_in_arn(&arn), "root");
        }
        assert_eq!(name_in_arn("root"), "root");
    }
}
