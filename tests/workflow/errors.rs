//! What everything else rests on: an error that a Lambda names is retried, caught and reported by
//! that name.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, Report};
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::{Ended, Scenario, unique};
use serde_json::json;

use crate::expect;

trials![
    an_unknown_image_is_looked_for_again_and_then_named,
    a_parameter_that_does_not_exist_is_named,
    a_parameter_outside_the_prefix_is_denied,
    a_stack_outside_the_prefix_is_denied,
];

/// Well-formed, and nobody's.
const UNKNOWN: &str = "ami-0aaaaaaaaaaaaaaa0";

async fn an_unknown_image_is_looked_for_again_and_then_named(s: &Scenario) -> Result<()> {
    let ended = s.driftless.start(&json!({"imageId": UNKNOWN})).await?.ended().await?;
    let cause = expect::failure(&ended, ErrorName::ImageNotFound)?;
    ensure!(cause.contains(UNKNOWN), "{cause}");
    // The state machine matched the name in its retries: another one would have ended it at once.
    ensure!(expect::attempts(&ended, ErrorName::ImageNotFound) > 1, "{:#?}", ended.transcript);
    ensure!(expect::times(&ended, "ResolveTags") == 1, "{:#?}", ended.transcript);
    Ok(())
}

async fn a_parameter_that_does_not_exist_is_named(s: &Scenario) -> Result<()> {
    let name = s.driftless.parameter_name();
    let (ended, report) = fails(s, &[(TAG_PARAMETER_NAME, &name)]).await?;
    let target = expect::only(report.targets)?;
    let message = expect::error(&ended, &target, ErrorName::ParameterNotFound)?;
    ensure!(message.contains(&name), "{message}");
    Ok(())
}

async fn a_parameter_outside_the_prefix_is_denied(s: &Scenario) -> Result<()> {
    let base = harness::image::base(s.cloud()).await?;
    let parameter = s.parameter_called(&unique("/elsewhere/test"), &base).await?;
    let before = parameter.read().await?;
    let (ended, report) = fails(s, &[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let target = expect::only(report.targets)?;
    let message = expect::error(&ended, &target, ErrorName::AccessDenied)?;
    ensure!(message.contains("ssm:"), "the message does not name the call: {message}");
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn a_stack_outside_the_prefix_is_denied(s: &Scenario) -> Result<()> {
    let name = unique("elsewhere");
    let (ended, report) = fails(s, &[(TAG_STACK_NAME, &name)]).await?;
    let target = expect::only(report.targets)?;
    // Whether there is such a stack is not even told.
    let message = expect::error(&ended, &target, ErrorName::AccessDenied)?;
    ensure!(message.contains("cloudformation:"), "the message does not name the call: {message}");
    Ok(())
}

/// Promotes an image with these tags, in vain.
async fn fails(s: &Scenario, tags: &[(&str, &str)]) -> Result<(Ended, Report)> {
    let image = s.image(tags).await?;
    let ended = s.driftless.start(&json!({"imageId": image})).await?.ended().await?;
    let report = expect::report(&ended, Outcome::Failed)?;
    Ok((ended, report))
}
