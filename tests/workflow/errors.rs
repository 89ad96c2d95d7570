//! The basis of error handling: an error that a Lambda names is retried, caught and reported by
//! that name.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::{Scenario, unique};
use serde_json::{Value, json};

use crate::support::{expect, promote, promote_in_vain};

trials![
    an_unknown_image_is_looked_for_again_and_then_named,
    a_parameter_that_does_not_exist_is_named,
    a_parameter_outside_the_prefix_is_refused,
    a_stack_outside_the_prefix_is_refused,
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

async fn a_parameter_outside_the_prefix_is_refused(s: &Scenario) -> Result<()> {
    let base = harness::image::base(s.cloud()).await?;
    let parameter = s.parameter_called(&unique("/elsewhere/test"), &base).await?;
    let before = parameter.read().await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let target = json!({"parameterName": parameter.name});
    for input in [json!({"imageId": image}), json!({"target": target}), json!({"rollback": target})]
    {
        is_refused(s, &input, [&parameter.name, &s.driftless.parameter_prefix]).await?;
    }
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn a_stack_outside_the_prefix_is_refused(s: &Scenario) -> Result<()> {
    let name = unique("elsewhere");
    let image = s.image(&[(TAG_STACK_NAME, &name)]).await?;
    for input in [json!({"imageId": image}), json!({"target": {"stackName": name}})] {
        is_refused(s, &input, [&name, &s.driftless.stack_prefix]).await?;
    }
    Ok(())
}

/// A run by hand fails by name, with the target and the permitted prefix, and calls nothing.
async fn is_refused(s: &Scenario, input: &Value, said: [&String; 2]) -> Result<()> {
    let ended = s.driftless.start(input).await?.ended().await?;
    let cause = expect::failure(&ended, ErrorName::TargetNotPermitted)?;
    expect::mentions(cause, said)?;
    ensure!(expect::times(&ended, "ValidateAmi") == 0, "{:#?}", ended.transcript);
    Ok(())
}
