//! The inputs of a manual execution, and the rejection of any other.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use contract::target::{TAG_PARAMETER_KEY, TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::Scenario;
use serde_json::{Value, json};

use crate::events;
use crate::support::{event, event_of, expect, promote};

trials![
    what_is_no_known_form_is_refused_with_the_field,
    a_tag_that_cannot_be_a_name_is_refused,
    another_event_is_skipped_with_the_reason,
    an_image_without_a_tag_is_skipped_naming_the_tags,
];

async fn what_is_no_known_form_is_refused_with_the_field(s: &Scenario) -> Result<()> {
    let with_resources = |resources: Value| {
        let mut event = event("ec2")?;
        event["resources"] = resources;
        anyhow::Ok(event)
    };
    let mut stateless = event("ec2")?;
    stateless["detail"]["state"] = json!(7);
    let mut foreign = event("ec2")?;
    foreign["source"] = json!("my.backup");
    let image = "ami-0123456789abcdef0";
    let inputs = [
        ("$", json!([])),
        ("$", json!("ami-0123456789abcdef0")),
        ("$", json!({})),
        ("$", json!({"ImageId": image})),
        ("imageId", json!({"imageId": 7})),
        ("imageId", json!({"imageId": "i-0123456789abcdef0"})),
        ("imageId", json!({"imageId": "ami-0123"})),
        ("allowOlder", json!({"imageId": image, "allowOlder": "yes"})),
        ("instanceRefresh", json!({"imageId": image, "instanceRefresh": 1})),
        ("force", json!({"imageId": image, "force": true})),
        ("target", json!({"target": {}})),
        ("target", json!({"target": {"parameterName": "/golden/a", "stackName": "golden-a"}})),
        ("target.parameterName", json!({"target": {"parameterName": "not a name"}})),
        ("target.stack", json!({"target": {"stack": "golden-a"}})),
        ("target", json!({"target": {"stackName": "golden-a"}, "imageId": image})),
        ("resources", with_resources(json!([]))?),
        ("resources", with_resources(json!(["arn:aws:ec2:us-east-1::snapshot/snap-1"]))?),
        ("resources[0]", with_resources(json!(["arn:aws:ec2:us-east-1::image/ami-xyz"]))?),
        ("detail.state", stateless),
        ("source", foreign),
    ];
    let mut started = Vec::new();
    for (path, input) in inputs {
        started.push((path, s.driftless.start(&input).await?, input));
    }
    for (path, execution, input) in started {
        let ended = execution.ended().await?;
        let cause = expect::failure(&ended, ErrorName::InvalidInput)?;
        let says_where = cause.strip_prefix(path).is_some_and(|rest| rest.starts_with(": "));
        ensure!(says_where, "expected {path}, found {cause:?} for {input}");
        ensure!(cause.contains("expected"), "{cause:?} does not say what was expected");
    }
    Ok(())
}

async fn a_tag_that_cannot_be_a_name_is_refused(s: &Scenario) -> Result<()> {
    let stack = s.driftless.stack_name();
    let (bad_parameter, bad_stack) = (
        format!("{}not a name", s.driftless.parameter_prefix),
        format!("{}1/2", s.driftless.stack_prefix),
    );
    for (tag, tags) in [
        (TAG_PARAMETER_NAME, vec![(TAG_PARAMETER_NAME, bad_parameter.as_str())]),
        (TAG_STACK_NAME, vec![(TAG_STACK_NAME, bad_stack.as_str())]),
        (TAG_PARAMETER_KEY, vec![(TAG_STACK_NAME, stack.as_str()), (TAG_PARAMETER_KEY, "a-b")]),
    ] {
        let image = s.image(&tags).await?;
        let ended = promote(s, &image).await?;
        let cause = expect::failure(&ended, ErrorName::InvalidInput)?;
        ensure!(cause.starts_with(&format!("tags.{tag}: expected")), "{cause}");
    }
    Ok(())
}

async fn another_event_is_skipped_with_the_reason(s: &Scenario) -> Result<()> {
    for (fixture, reason) in events::OTHERS {
        let ended = s.driftless.start(&event(fixture)?).await?.ended().await?;
        let report = expect::report(&ended, Outcome::Skipped)?;
        ensure!(report.targets.is_empty(), "{report:#?}");
        ensure!(report.summary.contains(reason), "{fixture}: {:?}", report.summary);
    }
    Ok(())
}

async fn an_image_without_a_tag_is_skipped_naming_the_tags(s: &Scenario) -> Result<()> {
    let image = s.image(&[("Name", "untagged")]).await?;
    let by_event = s.driftless.send(&event_of(&image)?).await?;
    let by_hand = s.driftless.start(&json!({"imageId": image})).await?;
    for execution in [by_event, by_hand] {
        let report = expect::report(&execution.ended().await?, Outcome::Skipped)?;
        ensure!(report.targets.is_empty(), "{report:#?}");
        for named in [&image, TAG_PARAMETER_NAME, TAG_STACK_NAME] {
            ensure!(report.summary.contains(named), "no {named} in {:?}", report.summary);
        }
    }
    Ok(())
}
