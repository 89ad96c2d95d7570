//! Tags as people write them, and tags that mean something else: `StackName` on a server that has
//! nothing to do with Driftless must neither fail an execution nor leave a dead letter.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use futures_util::future::try_join_all;
use harness::cloud::Called;
use harness::{Scenario, image};
use serde_json::json;

use crate::dead_letters::letters;
use crate::support::{event_of, expect, promote};

trials![
    an_event_of_a_foreign_image_is_skipped_with_the_reason,
    a_tag_inside_the_prefixes_that_is_wrong_stays_loud,
    spaces_and_arns_mean_what_they_say;
    only here, "it needs a Driftless with other parameters, in an account of its own":
    a_night_of_foreign_servers_fails_nothing,
    the_keys_of_the_tags_are_parameters,
];

/// How many servers of others are backed up in a night.
const FOREIGN: usize = 50;

async fn an_event_of_a_foreign_image_is_skipped_with_the_reason(s: &Scenario) -> Result<()> {
    for (tag, value) in [
        (TAG_STACK_NAME, "wordpress-prod"),
        (TAG_STACK_NAME, "Cost centre 7"),
        (TAG_PARAMETER_NAME, "/elsewhere/web"),
    ] {
        let image = s.image(&[(tag, value)]).await?;
        let ended = s.driftless.send(&event_of(&image)?).await?.ended().await?;
        let report = expect::report(&ended, Outcome::Skipped)?;
        ensure!(report.targets.is_empty(), "{report:#?}");
        expect::mentions(&report.summary, [image.as_str(), tag, value, "begin with"])?;
        let cause = promote(s, &image).await?;
        expect::mentions(expect::failure(&cause, ErrorName::TargetNotPermitted)?, [tag, value])?;
    }
    Ok(())
}

async fn a_tag_inside_the_prefixes_that_is_wrong_stays_loud(s: &Scenario) -> Result<()> {
    let stack = s.driftless.stack_name();
    let region = s.cloud().region();
    let anothers = format!("arn:aws:cloudformation:{region}:999999999999:stack/{stack}/5a7b9c1d");
    for (value, expected) in
        [(format!("{stack} (old)"), "expected the name of a stack"), (anothers, "999999999999")]
    {
        let image = s.image(&[(TAG_STACK_NAME, &value)]).await?;
        let ended = s.driftless.send(&event_of(&image)?).await?.ended().await?;
        let cause = expect::failure(&ended, ErrorName::InvalidInput)?;
        expect::mentions(cause, ["tags.StackName: ", expected])?;
    }
    Ok(())
}

async fn spaces_and_arns_mean_what_they_say(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let parameter = s.parameter_with_group(&healing.base).await?;
    let stack_id = healing.stack.describe().await?.stack_id.unwrap_or_default();
    let (account, region) = (s.cloud().account(), s.cloud().region());
    let arn = format!("arn:aws:ssm:{region}:{account}:parameter{}", parameter.name);
    let padded = format!(" {} ", parameter.name);
    for (name, stack) in [(&arn, &stack_id), (&padded, &format!("{} ", healing.stack.name))] {
        let tags = [(TAG_PARAMETER_NAME, name.as_str()), (TAG_STACK_NAME, stack.as_str())];
        let image = s.image(&tags).await?;
        let ended = s.driftless.send(&event_of(&image)?).await?.ended().await?;
        let report = expect::report(&ended, Outcome::Promoted)?;
        let names: Vec<_> = report.targets.iter().map(|target| target.name.as_str()).collect();
        ensure!(names == [&parameter.name, &healing.stack.name], "{names:?}");
        ensure!(parameter.read().await?.value == image, "the parameter is another");
        ensure!(healing.stack.parameter("ImageId").await? == image, "the stack's is another");
    }
    Ok(())
}

async fn a_night_of_foreign_servers_fails_nothing(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let base = image::base(s.cloud()).await?;
    let images = try_join_all((0..FOREIGN).map(async |n| {
        let value = if n % 2 == 0 { format!("wordpress-{n}") } else { format!("Team {n}") };
        let image = image::copy(s.cloud(), &base, &[(TAG_STACK_NAME, &value)]).await?;
        image::available(s.cloud(), &image).await?;
        anyhow::Ok(image)
    }))
    .await?;
    for image in &images {
        let execution = s.driftless.send(&event_of(image)?).await?;
        expect::report(&execution.ended().await?, Outcome::Skipped)?;
    }
    let reconciled = s.driftless.reconcile(&json!({})).await?.ended().await?;
    expect::reconciled(&reconciled, Outcome::Skipped)?;
    ensure!(letters(s).await? == 0, "{} dead letters", letters(s).await?);
    let executions = s.driftless.executions().await?;
    ensure!(executions.len() == FOREIGN, "{executions:#?}");
    Ok(())
}

async fn the_keys_of_the_tags_are_parameters(s: &Scenario) -> Result<()> {
    let keys = [
        ("ParameterNameTag", "promote:parameter"),
        ("StackNameTag", "promote:stack"),
        ("ParameterKeyTag", "promote:key"),
        ("InstanceRefreshTag", "promote:refresh"),
    ];
    let s = &s.alone(&keys).await?;
    let healing = s.stack_pattern().await?;
    let stack = healing.stack.name.as_str();
    // What the usual keys say is another's now.
    let tags = [
        ("promote:stack", stack),
        ("promote:key", "ImageId"),
        (TAG_STACK_NAME, "web shop"),
        (TAG_PARAMETER_NAME, "/golden/another"),
    ];
    let backup = s.backup_with(&healing.instance, &tags).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)?;

    let mut untag = s.cloud().ec2.delete_tags().resources(&backup.image);
    for key in ["promote:stack", "promote:key"] {
        untag = untag.tags(aws_sdk_ec2::types::Tag::builder().key(key).build());
    }
    untag.send().await.called("ec2:DeleteTags")?;
    let ended = promote(s, &backup.image).await?;
    let report = expect::report(&ended, Outcome::Skipped)?;
    expect::mentions(&report.summary, ["promote:parameter", "promote:stack"])
}
