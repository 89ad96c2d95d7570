//! The basis of error handling: an error that a Lambda names is retried, caught and reported by
//! that name.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::{Scenario, unique};

use crate::support::{expect, promote, promote_in_vain};

trials![
    an_unknown_image_is_looked_for_again_and_then_named,
    a_parameter_that_does_not_exist_is_named,
    a_parameter_outside_the_prefix_is_denied,
    a_stack_outside_the_prefix_is_denied,
];

/// A well-formed ID that belongs to no image.
const UNKNOWN: &str = "ami-0aaaaaaaaaaaaaaa0";

async fn an_unknown_image_is_looked_for_again_and_then_named(s: &Scenario) -> Result<()> {
    let ended = promote(s, UNKNOWN).await?;
    let cause = expect::failure(&ended, ErrorName::ImageNotFound)?;
    ensure!(cause.contains(UNKNOWN), "{cause}");
    // The state machine matched the name in its retries: another one would have ended it at once.
    ensure!(expect::attempts(&ended, ErrorName::ImageNotFound) > 1, "{:#?}", ended.transcript);
    ensure!(expect::times(&ended, "ResolveTags") == 1, "{:#?}", ended.transcript);
    Ok(())
}

async fn a_parameter_that_does_not_exist_is_named(s: &Scenario) -> Result<()> {
    let name = s.driftless.parameter_name();
    let (ended, target) = promote_in_vain(s, &[(TAG_PARAMETER_NAME, &name)]).await?;
    let message = expect::error(&ended, &target, ErrorName::ParameterNotFound)?;
    ensure!(message.contains(&name), "{message}");
    Ok(())
}

async fn a_parameter_outside_the_prefix_is_denied(s: &Scenario) -> Result<()> {
    let base = harness::image::base(s.cloud()).await?;
    let parameter = s.parameter_called(&unique("/elsewhere/test"), &base).await?;
    let before = parameter.read().await?;
    let (ended, target) = promote_in_vain(s, &[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let message = expect::error(&ended, &target, ErrorName::AccessDenied)?;
    ensure!(message.contains("ssm:"), "the message does not name the call: {message}");
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn a_stack_outside_the_prefix_is_denied(s: &Scenario) -> Result<()> {
    let name = unique("elsewhere");
    let (ended, target) = promote_in_vain(s, &[(TAG_STACK_NAME, &name)]).await?;
    // The message does not even reveal whether the stack exists.
    let message = expect::error(&ended, &target, ErrorName::AccessDenied)?;
    ensure!(message.contains("cloudformation:"), "the message does not name the call: {message}");
    Ok(())
}
