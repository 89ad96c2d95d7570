//! The guard, which is off by default: the images in place are protected from deregistration, until
//! the proof of their successors is complete.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::cloud::Called;
use harness::scenario::AutoHealingStack;
use harness::{Backup, Scenario, image};
use serde_json::json;

use crate::rollback;
use crate::support::deployed::{careful, planned};
use crate::support::two_targets::{TwoTargets, both_updated};
use crate::support::{control, expect, promotable, promote};

trials![
    ;
    only here, "only a local AWS ends a lifecycle when it is told to":
    nothing_is_protected_by_default,
    the_image_in_place_outlives_its_lifecycle_and_the_one_before_does_not,
    a_rollback_keeps_the_protection_of_what_it_puts_back,
    an_image_that_two_targets_share_is_protected_until_both_have_left_it,
    the_protection_of_another_is_never_removed,
    turning_it_on_protects_what_is_in_place_and_writes_nothing_twice,
    a_release_that_fails_is_told_and_made_up_for,
    an_image_without_room_for_tags_is_named_and_stays_in_place,
];

/// The tags with which Driftless marks what it protects.
const TAGS: &str = "driftless:";
const MARK: &str = "driftless:protected";

/// Whether an image is protected, and which tags Driftless has put on it.
async fn protection(s: &Scenario, id: &str) -> Result<(bool, BTreeSet<String>)> {
    let image = image::describe(s.cloud(), id).await?;
    let status = image.deregistration_protection().context("no protection status")?;
    let keys = image.tags().iter().filter_map(|tag| tag.key());
    let ours = keys.filter(|key| key.starts_with(TAGS)).map(str::to_owned).collect();
    Ok((status.starts_with("enabled"), ours))
}

/// Driftless protects the image for this number of image parameters.
async fn is_protected_for(s: &Scenario, id: &str, parameters: usize) -> Result<()> {
    let (is_protected, tags) = protection(s, id).await?;
    let is_marked = tags.contains(MARK);
    ensure!(is_protected && is_marked && tags.len() == 1 + parameters, "{id}: {tags:?}");
    Ok(())
}

/// Nothing protects the image, and nothing says so.
async fn is_free(s: &Scenario, id: &str) -> Result<()> {
    let (is_protected, tags) = protection(s, id).await?;
    ensure!(!is_protected && tags.is_empty(), "{id}: {is_protected}, {tags:?}");
    Ok(())
}

/// A backup that is in place now.
async fn promoted(s: &Scenario, healing: &AutoHealingStack) -> Result<Backup> {
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::target(&ended, Outcome::Promoted)?;
    Ok(backup)
}

/// Whether AWS Backup can delete the image at the end of its lifecycle.
async fn can_be_deleted(s: &Scenario, backup: &Backup) -> Result<bool> {
    control(s)?.end_lifecycle(&backup.image).await
}

async fn nothing_is_protected_by_default(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::target(&ended, Outcome::Promoted)?;
    ensure!(expect::times(&ended, "GuardImages") == 0, "{:#?}", ended.transcript);
    is_free(s, &backup.image).await?;
    ensure!(can_be_deleted(s, &backup).await?, "it is still there");
    Ok(())
}

async fn the_image_in_place_outlives_its_lifecycle_and_the_one_before_does_not(
    s: &Scenario,
) -> Result<()> {
    protects_and_releases(&planned(s).await?).await
}

/// Against a Driftless that protects images.
pub async fn protects_and_releases(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let first = promoted(s, &healing).await?;
    is_protected_for(s, &first.image, 1).await?;
    ensure!(!can_be_deleted(s, &first).await?, "the image in place was deleted");
    expect::heals_into(&healing, &first.image).await?;

    let healing = AutoHealingStack::of(healing.stack, healing.base).await?;
    let second = promoted(s, &healing).await?;
    is_protected_for(s, &second.image, 1).await?;
    is_free(s, &first.image).await?;
    ensure!(can_be_deleted(s, &first).await?, "the replaced image is still there");
    ensure!(!can_be_deleted(s, &second).await?, "the image in place was deleted");
    expect::heals_into(&healing, &second.image).await
}

async fn a_rollback_keeps_the_protection_of_what_it_puts_back(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let (parameter, healing) = s.parameter_pattern().await?;
    let first = promoted(s, &healing).await?;
    let second = s.backup(&healing.instance).await?;
    let execution = rollback::promoted_while_it_drifts(s, &healing, &second).await?;
    execution.entered("RollBack").await?;
    is_protected_for(s, &first.image, 1).await?;
    let target = expect::target(&execution.ended().await?, Outcome::Failed)?;
    ensure!(target.outcome == TargetOutcome::RolledBack, "{target:#?}");
    ensure!(parameter.read().await?.value == first.image, "it was not put back");
    is_protected_for(s, &first.image, 1).await?;
    is_free(s, &second.image).await?;
    ensure!(!can_be_deleted(s, &first).await?, "the image in place was deleted");
    Ok(())
}

async fn an_image_that_two_targets_share_is_protected_until_both_have_left_it(
    s: &Scenario,
) -> Result<()> {
    let s = &planned(s).await?;
    let targets = TwoTargets::new(s).await?;
    let (first, second) = (targets.image(s).await?, targets.image(s).await?);
    both_updated(&promote(s, &first).await?)?;
    is_protected_for(s, &first, 2).await?;
    // Both leave it in one execution.
    both_updated(&promote(s, &second).await?)?;
    is_free(s, &first).await?;
    is_protected_for(s, &second, 2).await?;
    // One leaves it, and later the other.
    let third = s.image(&[(TAG_PARAMETER_NAME, &targets.parameter.name)]).await?;
    expect::target(&promote(s, &third).await?, Outcome::Promoted)?;
    is_protected_for(s, &second, 1).await?;
    is_protected_for(s, &third, 1).await?;
    let fourth = s.image(&[(TAG_STACK_NAME, &targets.healing.stack.name)]).await?;
    expect::target(&promote(s, &fourth).await?, Outcome::Promoted)?;
    is_free(s, &second).await?;
    is_protected_for(s, &third, 1).await
}

async fn the_protection_of_another_is_never_removed(s: &Scenario) -> Result<()> {
    let s = &planned(s).await?;
    let (parameter, theirs) = promotable(s).await?;
    let request = s.cloud().ec2.enable_image_deregistration_protection().image_id(&theirs);
    request.send().await.called("ec2:EnableImageDeregistrationProtection")?;
    expect::target(&promote(s, &theirs).await?, Outcome::Promoted)?;
    let ours = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    expect::target(&promote(s, &ours).await?, Outcome::Promoted)?;
    is_protected_for(s, &ours, 1).await?;
    let (is_protected, tags) = protection(s, &theirs).await?;
    ensure!(is_protected && tags.is_empty(), "{is_protected}, {tags:?}");
    Ok(())
}

async fn turning_it_on_protects_what_is_in_place_and_writes_nothing_twice(
    s: &Scenario,
) -> Result<()> {
    let s = &s.alone(&[("ProtectImages", "true")]).await?;
    let (parameter, image) = promotable(s).await?;
    parameter.write(&image).await?;
    for _ in 0..2 {
        expect::target(&promote(s, &image).await?, Outcome::Unchanged)?;
        is_protected_for(s, &image, 1).await?;
    }
    let is_write = |action: &&str| action.contains("Tags") || action.contains("Protection");
    let calls = control(s)?.calls_of_functions().await?;
    let writes: Vec<_> = calls.iter().map(|call| call.action.as_str()).filter(is_write).collect();
    ensure!(writes == ["CreateTags", "EnableImageDeregistrationProtection"], "{writes:?}");
    Ok(())
}

async fn a_release_that_fails_is_told_and_made_up_for(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let (parameter, first) = promotable(s).await?;
    expect::target(&promote(s, &first).await?, Outcome::Promoted)?;
    let second = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let refusal = json!({
        "service": "ec2", "action": "DisableImageDeregistrationProtection", "match": first,
        "kind": "error", "code": "OperationNotPermitted",
    });
    control(s)?.add_fault(&refusal).await?;
    let ended = promote(s, &second).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    expect::error(&ended, &target, ErrorName::UnexpectedAnswer)?;
    // The promotion stays, and so does the protection of both.
    ensure!(parameter.read().await?.value == second, "it was put back");
    is_protected_for(s, &first, 1).await?;
    is_protected_for(s, &second, 1).await?;

    expect::target(&promote(s, &second).await?, Outcome::Unchanged)?;
    is_free(s, &first).await?;
    is_protected_for(s, &second, 1).await
}

async fn an_image_without_room_for_tags_is_named_and_stays_in_place(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let (parameter, _) = promotable(s).await?;
    // AWS Backup copies up to 50 tags.
    let keys: Vec<_> = (0..49).map(|n| format!("k{n}")).collect();
    let mut tags = vec![(TAG_PARAMETER_NAME, parameter.name.as_str())];
    tags.extend(keys.iter().map(|key| (key.as_str(), "x")));
    let full = s.image(&tags).await?;
    let ended = promote(s, &full).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    expect::mentions(expect::error(&ended, &target, ErrorName::ImageTagsFull)?, [&full])?;
    ensure!(parameter.read().await?.value == full, "it was put back");
    Ok(())
}
