//! EC2's events about images, which are off by default: any image, whoever made it, is promoted when
//! it is available and tagged.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use contract::target::TAG_PARAMETER_NAME;
use futures_util::future::try_join;
use harness::cloud::Called;
use harness::{Backup, Scenario, unique};
use serde_json::{Value, json};

use crate::dead_letters::letters;
use crate::support::{event, event_of, expect, promotable};

trials![
    an_event_that_names_no_image_is_skipped;
    only here, "only EC2 puts events in its name":
    the_rule_is_off_by_default,
    an_image_that_nobody_backed_up_is_promoted,
    the_two_events_of_one_backup_lead_to_one_promotion,
    tags_may_come_after_the_event,
    an_image_that_nobody_tags_is_skipped_in_the_end,
];

/// EC2's event about this image, sent at this time.
fn available(image: &str, time: &str) -> Result<Value> {
    let mut event = event("image-available")?;
    event["detail"]["ImageId"] = json!(image);
    event["resources"] = json!([format!("arn:aws:ec2:us-east-1::image/{image}")]);
    event["time"] = json!(time);
    Ok(event)
}

/// A Driftless with the rule on.
async fn listening(s: &Scenario) -> Result<Scenario> {
    s.alone(&[("ImageEvents", "true")]).await
}

async fn an_event_that_names_no_image_is_skipped(s: &Scenario) -> Result<()> {
    let mut copied = event("ec2")?;
    copied["resources"] = json!(["arn:aws:backup:us-east-1:111122223333:recovery-point:1a-2b"]);
    let mut failed = event("image-available")?;
    failed["detail"]["State"] = json!("failed");
    for (event, reason) in [(copied, "is no image"), (failed, "is failed, not available")] {
        let ended = s.driftless.start(&event).await?.ended().await?;
        let report = expect::report(&ended, Outcome::Skipped)?;
        expect::mentions(&report.summary, [reason])?;
    }
    Ok(())
}

async fn the_rule_is_off_by_default(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let (parameter, image) = promotable(s).await?;
    let before = s.driftless.mark().await?;
    let ignored = available(&image, "2026-11-20T03:00:00Z")?;
    s.driftless.put(&ignored).await?;
    // Events are delivered in order here: once this one has started an execution, the other has not.
    s.driftless.send(&event_of(&image)?).await?.ended().await?;
    let started = s.driftless.have_started(&before, &[ignored]).await?;
    ensure!(started.is_empty(), "{started:#?}");
    ensure!(parameter.read().await?.value == image, "another is in place");
    Ok(())
}

async fn an_image_that_nobody_backed_up_is_promoted(s: &Scenario) -> Result<()> {
    let s = &listening(s).await?;
    let (parameter, healing) = s.parameter_pattern().await?;
    // As Data Lifecycle Manager and people make them, with the instance's tags.
    let request = s.cloud().ec2.create_image().instance_id(&healing.instance.id).no_reboot(true);
    let tags = aws_sdk_ec2::types::TagSpecification::builder().resource_type("image".into()).tags(
        aws_sdk_ec2::types::Tag::builder().key(TAG_PARAMETER_NAME).value(&parameter.name).build(),
    );
    let made = request.name(unique("policy-1")).tag_specifications(tags.build()).send().await;
    let image = made.called("ec2:CreateImage")?.image_id.unwrap_or_default();
    harness::image::available(s.cloud(), &image).await?;
    let event = available(&image, "2026-11-20T03:00:00Z")?;
    let ended = s.driftless.send(&event).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &image)?;
    expect::heals_into(&healing, &image).await
}

async fn the_two_events_of_one_backup_lead_to_one_promotion(s: &Scenario) -> Result<()> {
    let s = &listening(s).await?;
    let healing = s.stack_pattern().await?;
    let (parameter, other) = s.parameter_pattern().await?;
    let of_stack = s.backup(&healing.instance).await?;
    let of_parameter = s.backup(&other.instance).await?;
    let before = parameter.read().await?.version;
    for backup in [&of_stack, &of_parameter] {
        both(s, backup).await?;
    }
    ensure!(healing.stack.updates().await? == 1, "not one update");
    let now = parameter.read().await?;
    ensure!(now.value == of_parameter.image && now.version == before + 1, "{now:?}");
    Ok(())
}

/// Both events at once.
async fn both(s: &Scenario, backup: &Backup) -> Result<()> {
    let ec2 = available(&backup.image, &backup.creation_date)?;
    let send = async |event: Value| {
        let ended = s.driftless.send(&event).await?.ended().await?;
        ensure!(ended.status == "SUCCEEDED", "{ended:#?}");
        Ok(())
    };
    try_join(send(ec2), send(backup.event())).await.map(drop)
}

async fn tags_may_come_after_the_event(s: &Scenario) -> Result<()> {
    let s = &listening(s).await?;
    let parameter = s.parameter_with_group(&harness::image::base(s.cloud()).await?).await?;
    let image = s.image(&[]).await?;
    let described = harness::image::describe(s.cloud(), &image).await?;
    let now = described.creation_date.unwrap_or_default();
    let execution = s.driftless.send(&available(&image, &now)?).await?;
    execution.attempted("ResolveTags", ErrorName::ImageUntagged).await?;
    let tag = aws_sdk_ec2::types::Tag::builder().key(TAG_PARAMETER_NAME).value(&parameter.name);
    let request = s.cloud().ec2.create_tags().resources(&image).tags(tag.build());
    request.send().await.called("ec2:CreateTags")?;
    expect::target(&execution.ended().await?, Outcome::Promoted)?;
    ensure!(parameter.read().await?.value == image, "another is in place");
    Ok(())
}

async fn an_image_that_nobody_tags_is_skipped_in_the_end(s: &Scenario) -> Result<()> {
    let s = &listening(s).await?;
    let image = s.image(&[]).await?;
    let ended =
        s.driftless.send(&available(&image, "2026-11-20T03:00:00Z")?).await?.ended().await?;
    expect::report(&ended, Outcome::Skipped)?;
    ensure!(letters(s).await? == 0, "a dead letter");
    Ok(())
}
