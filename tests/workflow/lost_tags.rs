//! AWS Backup may fail to copy tags, and the job is COMPLETED all the same (AWS Backup developer
//! guide, "Copy tags onto backups"): such an image belongs where its instance belongs.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetReport};
use contract::target::{TAG_PARAMETER_KEY, TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::cloud::Called;
use harness::scenario::AutoHealingStack;
use harness::{Backup, Scenario, image, unique};
use serde_json::json;

use crate::backup::verdict;
use crate::support::{event_of, expect};

trials![
    an_image_that_has_lost_its_tags_is_promoted_and_the_report_says_so,
    an_image_that_a_person_made_without_tags_is_left_alone,
    an_image_that_is_tagged_and_belongs_nowhere_is_named;
    only here, "it needs an account of its own":
    a_reconcile_finds_it_too,
];

/// A backup whose tags could not be copied.
async fn untagged(s: &Scenario, healing: &AutoHealingStack) -> Result<Backup> {
    let backup = s.backup(&healing.instance).await?;
    let mut request = s.cloud().ec2.delete_tags().resources(&backup.image);
    for key in [TAG_PARAMETER_NAME, TAG_STACK_NAME, TAG_PARAMETER_KEY] {
        request = request.tags(aws_sdk_ec2::types::Tag::builder().key(key).build());
    }
    request.send().await.called("ec2:DeleteTags")?;
    Ok(backup)
}

fn says_so(target: &TargetReport, backup: &Backup) -> Result<()> {
    let verdict = verdict(target, "tags")?;
    let expected = format!("not on the image; those of its instance {} count", backup.instance);
    ensure!(verdict.passed && verdict.actual == expected, "{verdict:#?}");
    Ok(())
}

async fn an_image_that_has_lost_its_tags_is_promoted_and_the_report_says_so(
    s: &Scenario,
) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let by_event = untagged(s, &healing).await?;
    let ended = s.driftless.send(&by_event.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &by_event.image)?;
    says_so(&target, &by_event)?;

    for input in [
        |backup: &Backup, _: &str| json!({"imageId": backup.image}),
        |_: &Backup, stack: &str| json!({"target": {"stackName": stack}}),
    ] {
        let backup = untagged(s, &healing).await?;
        let input = input(&backup, &healing.stack.name);
        let ended = s.driftless.start(&input).await?.ended().await?;
        let target = expect::target(&ended, Outcome::Promoted)?;
        let decision = expect::only(target.images.clone())?;
        ensure!(decision.after.as_str() == backup.image, "{decision:#?}");
        says_so(&target, &backup)?;
    }
    Ok(())
}

async fn a_reconcile_finds_it_too(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let (_, healing) = s.parameter_pattern().await?;
    let backup = untagged(s, &healing).await?;
    let reconciled = s.driftless.reconcile(&json!({})).await?.ended().await?;
    let row =
        expect::only(expect::reconciled(&reconciled, Outcome::Promoted)?.results.others.rows)?;
    let ended = s.driftless.promotion(&row.execution).ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)?;
    says_so(&target, &backup)
}

async fn an_image_that_a_person_made_without_tags_is_left_alone(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let request = s.cloud().ec2.create_image().instance_id(&healing.instance.id);
    let made = request.name(unique("before-the-upgrade")).no_reboot(true).send().await;
    let made = made.called("ec2:CreateImage")?.image_id.unwrap_or_default();
    image::available(s.cloud(), &made).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)?;
    ensure!(parameter.read().await?.value == backup.image, "another is in place");
    let gone = s.cloud().ec2.deregister_image().image_id(&made).send().await;
    gone.called("ec2:DeregisterImage").map(drop)
}

async fn an_image_that_is_tagged_and_belongs_nowhere_is_named(s: &Scenario) -> Result<()> {
    let image = s.image(&[(TAG_PARAMETER_KEY, "WebImageId")]).await?;
    let ended = s.driftless.send(&event_of(&image)?).await?.ended().await?;
    let cause = expect::failure(&ended, ErrorName::ImageUnplaced)?;
    expect::mentions(cause, [image.as_str(), TAG_STACK_NAME, TAG_PARAMETER_KEY])
}
