//! Pattern 2: a promotion updates the stack, with nothing but the image changed.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::target::Pattern;
use futures_util::future::try_join;
use harness::{Backup, Ended, Scenario, Stack, What};
use serde_json::json;

use crate::support::expect;
use crate::support::two_groups::TwoGroups;

trials![
    a_backup_is_promoted_and_heals,
    the_same_event_again_updates_nothing,
    an_older_image_after_a_newer_one_changes_nothing,
    two_groups_whose_backups_end_at_once_both_get_their_image,
    a_backup_that_ends_during_the_update_for_another_gets_in_too,
    a_busy_stack_is_waited_for,
    an_update_that_is_rolled_back_meanwhile_has_the_decision_made_again,
];

pub async fn a_backup_is_promoted_and_heals(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    ensure!(target.pattern == Pattern::Stack && target.name == healing.stack.name, "{target:#?}");
    expect::promoted(&target, &healing, &backup.image)?;
    ensure!(healing.stack.parameter("ImageId").await? == backup.image, "the parameter is another");
    ensure!(healing.stack.updates().await? == 1, "more than one update");
    ensure!(healing.group.instance().await? == healing.instance, "a running instance was replaced");
    expect::heals_into(&healing, &backup.image).await
}

async fn the_same_event_again_updates_nothing(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    expect::target(&s.driftless.send(&backup.event()).await?.ended().await?, Outcome::Promoted)?;
    let before = healing.stack.describe().await?;

    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Unchanged)?;
    ensure!(target.outcome == TargetOutcome::Unchanged, "{target:#?}");
    ensure!(expect::times(&ended, "UpdateStack") == 0, "{:#?}", ended.transcript);
    let after = healing.stack.describe().await?;
    ensure!(after.last_updated_time == before.last_updated_time, "it was updated again");
    ensure!(target.groups.rows.iter().all(|group| group.boots.as_ref() == Some(&backup.image)));
    Ok(())
}

async fn an_older_image_after_a_newer_one_changes_nothing(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let older = s.backup(&healing.instance).await?;
    let newer = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&newer.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, &healing, &newer.image)?;

    let late = s.driftless.send(&older.event()).await?;
    let by_hand = s.driftless.start(&json!({"imageId": older.image})).await?;
    for (execution, outcome) in
        [(late, TargetOutcome::Unchanged), (by_hand, TargetOutcome::Superseded)]
    {
        let ended = execution.ended().await?;
        let target = expect::target(&ended, Outcome::Unchanged)?;
        ensure!(target.outcome == outcome, "expected {outcome:?}, found {target:#?}");
        ensure!(expect::times(&ended, "UpdateStack") == 0, "{:#?}", ended.transcript);
    }
    ensure!(healing.stack.parameter("ImageId").await? == newer.image, "the older one is in");
    ensure!(healing.stack.updates().await? == 1, "it was updated");
    Ok(())
}

async fn two_groups_whose_backups_end_at_once_both_get_their_image(s: &Scenario) -> Result<()> {
    let two = TwoGroups::new(s).await?;
    let (web, worker) =
        try_join(s.backup(&two.web_instance), s.backup(&two.worker_instance)).await?;
    let (first, second) = (web.event(), worker.event());
    let (first, second) = try_join(s.driftless.send(&first), s.driftless.send(&second)).await?;
    let (first, second) = try_join(first.ended(), second.ended()).await?;

    for ended in [&first, &second] {
        ensure!(ended.status == "SUCCEEDED", "{ended:#?}");
        let target = expect::only(ended.report()?.targets)?;
        let expected = |parameter: &str, image: &str| {
            target.images.iter().any(|i| i.parameter == parameter && i.after.as_str() == image)
        };
        ensure!(expected("WebImageId", &web.image), "{target:#?}");
        ensure!(expected("WorkerImageId", &worker.image), "{target:#?}");
        ensure!(target.groups.rows.len() == 2, "{target:#?}");
    }
    let updates = two.stack.updates().await?;
    ensure!((1..=2).contains(&updates), "{updates} updates");
    two.heal_into(&web.image, &worker.image).await
}

async fn a_backup_that_ends_during_the_update_for_another_gets_in_too(s: &Scenario) -> Result<()> {
    let two = TwoGroups::new(s).await?;
    let web = s.backup(&two.web_instance).await?;
    let update = s.hold(What::Stack, &two.stack.name).await?;
    let first = s.driftless.send(&web.event()).await?;
    two.stack.is_updating().await?;
    let worker = s.backup(&two.worker_instance).await?;
    let second = s.driftless.send(&worker.event()).await?;
    // On AWS the update is over long before the backup.
    if s.cloud().is_local() {
        second.attempted("UpdateStack", ErrorName::StackBusy).await?;
    }
    update.release().await?;
    let (first, second) = try_join(first.ended(), second.ended()).await?;

    for ended in [&first, &second] {
        let target = expect::target(ended, Outcome::Promoted)?;
        ensure!(target.outcome == TargetOutcome::Updated, "{target:#?}");
    }
    ensure!(two.stack.updates().await? == 2, "{} updates", two.stack.updates().await?);
    two.heal_into(&web.image, &worker.image).await
}

/// Promotes a backup while an update by hand is under way.
async fn during_an_update_by_hand(
    s: &Scenario,
    stack: &Stack,
    parameters: &[(&str, &str)],
    backup: &Backup,
) -> Result<Ended> {
    let update = s.hold(What::Stack, &stack.name).await?;
    stack.start_update(parameters).await?;
    let execution = s.driftless.send(&backup.event()).await?;
    execution.attempted("UpdateStack", ErrorName::StackBusy).await?;
    update.release().await?;
    execution.ended().await
}

async fn a_busy_stack_is_waited_for(s: &Scenario) -> Result<()> {
    let two = TwoGroups::new(s).await?;
    let by_hand = s.image(&[]).await?;
    let web = s.backup(&two.web_instance).await?;
    let parameters = [("WorkerImageId", by_hand.as_str())];
    let ended = during_an_update_by_hand(s, &two.stack, &parameters, &web).await?;

    expect::target(&ended, Outcome::Promoted)?;
    ensure!(expect::attempts(&ended, ErrorName::StackBusy) > 0, "{:#?}", ended.transcript);
    ensure!(two.stack.parameter("WorkerImageId").await? == by_hand, "the update by hand is lost");
    two.heal_into(&web.image, &by_hand).await
}

async fn an_update_that_is_rolled_back_meanwhile_has_the_decision_made_again(
    s: &Scenario,
) -> Result<()> {
    let two = TwoGroups::new(s).await?;
    let before = two.web_instance.image.clone();
    let by_hand = s.image(&[]).await?;
    let web = s.backup(&two.web_instance).await?;
    // The one image shows as soon as the update begins; the other, unknown, undoes both.
    let parameters = [("WebImageId", by_hand.as_str()), ("WorkerImageId", "ami-0aaaaaaaaaaaaaaa0")];
    let ended = during_an_update_by_hand(s, &two.stack, &parameters, &web).await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    ensure!(expect::attempts(&ended, ErrorName::ConcurrentWrite) > 0, "{:#?}", ended.transcript);
    let decision = expect::only(target.images)?;
    ensure!(decision.before.expose() == before, "{decision:#?}");
    two.heal_into(&web.image, &before).await
}
