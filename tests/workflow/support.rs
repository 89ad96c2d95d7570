//! What several workflow tests share: common promotions, the local AWS's control API, events.

pub mod definition;
pub mod deployed;
pub mod expect;
pub mod faults;
pub mod transcript;
pub mod two_groups;
pub mod two_targets;

use anyhow::{Context, Result};
use contract::report::{Outcome, TargetReport};
use contract::target::TAG_PARAMETER_NAME;
use harness::cloud::Called;
use harness::control::Control;
use harness::image::Parameter;
use harness::{Ended, Scenario, image, paths, unique};
use serde_json::{Value, json};

/// A parameter with the base image and a group, and an image that is meant for it.
pub async fn promotable(s: &Scenario) -> Result<(Parameter, String)> {
    let parameter = s.parameter_with_group(&image::base(s.cloud()).await?).await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    Ok((parameter, image))
}

/// Promotes this image by hand.
pub async fn promote(s: &Scenario, image: &str) -> Result<Ended> {
    s.driftless.start(&json!({"imageId": image})).await?.ended().await
}

/// Promotes an image with these tags into one target, which must fail.
pub async fn promote_in_vain(s: &Scenario, tags: &[(&str, &str)]) -> Result<(Ended, TargetReport)> {
    let ended = promote(s, &s.image(tags).await?).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    Ok((ended, target))
}

/// What only a local AWS has.
pub fn control(s: &Scenario) -> Result<Control> {
    s.cloud().control().context("a local AWS has a control API")
}

/// The rule that starts a reconcile, and whether it is on: the account's only one with a schedule.
pub async fn schedule(s: &Scenario) -> Result<(String, String)> {
    let request = s.cloud().eventbridge.list_rules();
    let rules = request.send().await.called("events:ListRules")?.rules.unwrap_or_default();
    let scheduled = rules.into_iter().filter(|rule| rule.schedule_expression.is_some()).collect();
    let rule = expect::only(scheduled)?;
    let state = rule.state.context("the rule has no state")?;
    Ok((rule.name.context("the rule has no name")?, state.as_str().to_owned()))
}

/// An event from `tests/fixtures/events`, as of a job of its own.
pub fn event(fixture: &str) -> Result<Value> {
    let text = paths::fixture(&format!("events/{fixture}.json"))?;
    let mut event: Value = serde_json::from_str(&text).with_context(|| fixture.to_owned())?;
    event["detail"]["backupJobId"] = json!(unique("job"));
    Ok(event)
}

/// The event of a completed backup that is this image.
pub fn event_of(image: &str) -> Result<Value> {
    let mut event = event("ec2")?;
    event["resources"] = json!([format!("arn:aws:ec2:us-east-1::image/{image}")]);
    Ok(event)
}
