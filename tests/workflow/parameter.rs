//! Pattern 1: a promotion writes the SSM parameter that the launch template reads.

use anyhow::{Result, ensure};
use contract::report::{Outcome, TargetOutcome};
use contract::steps::{DecisionOutcome, DriftStatus};
use contract::target::Pattern;
use harness::Scenario;
use serde_json::json;

use crate::support::expect;

trials![
    a_backup_is_promoted_and_heals,
    the_same_event_again_writes_nothing,
    an_older_image_after_a_newer_one_changes_nothing,
    an_older_image_goes_in_by_hand_when_the_input_says_so,
];

pub async fn a_backup_is_promoted_and_heals(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    ensure!(target.pattern == Pattern::Parameter && target.name == parameter.name, "{target:#?}");
    expect::promoted(&target, &healing, &backup.image)?;
    ensure!(parameter.read().await?.value == backup.image, "the parameter is another");
    ensure!(healing.group.instance().await? == healing.instance, "a running instance was replaced");
    expect::heals_into(&healing, &backup.image).await
}

async fn the_same_event_again_writes_nothing(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    expect::target(&s.driftless.send(&backup.event()).await?.ended().await?, Outcome::Promoted)?;
    let before = parameter.read().await?;

    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Unchanged)?;
    ensure!(target.outcome == TargetOutcome::Unchanged, "{target:#?}");
    ensure!(expect::times(&ended, "PromoteSsm") == 0, "{:#?}", ended.transcript);
    ensure!(parameter.read().await? == before, "it was written again");
    // What is in place is verified all the same.
    ensure!(expect::drift(&target)?.status == DriftStatus::InSync, "{target:#?}");
    ensure!(target.groups.rows.iter().all(|group| group.boots.as_ref() == Some(&backup.image)));
    Ok(())
}

async fn an_older_image_after_a_newer_one_changes_nothing(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let older = s.backup(&healing.instance).await?;
    let newer = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&newer.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, &healing, &newer.image)?;
    let before = parameter.read().await?;

    // The event is a hint: the newest image of the target is in place already.
    let late = s.driftless.send(&older.event()).await?.ended().await?;
    let target = expect::target(&late, Outcome::Unchanged)?;
    ensure!(target.outcome == TargetOutcome::Unchanged, "{target:#?}");
    // By hand that very image is meant, and what is in place is newer.
    let by_hand = s.driftless.start(&json!({"imageId": older.image})).await?.ended().await?;
    let target = expect::target(&by_hand, Outcome::Unchanged)?;
    ensure!(target.outcome == TargetOutcome::Superseded, "{target:#?}");
    let decision = expect::only(target.images)?;
    ensure!(decision.outcome == DecisionOutcome::Superseded, "{decision:#?}");
    ensure!(decision.after.as_str() == newer.image, "{decision:#?}");

    ensure!(parameter.read().await? == before, "it was written");
    for ended in [late, by_hand] {
        ensure!(expect::times(&ended, "PromoteSsm") == 0, "{:#?}", ended.transcript);
    }
    Ok(())
}

async fn an_older_image_goes_in_by_hand_when_the_input_says_so(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let older = s.backup(&healing.instance).await?;
    let newer = s.backup(&healing.instance).await?;
    let first = s.driftless.start(&json!({"imageId": newer.image})).await?.ended().await?;
    expect::promoted(&expect::target(&first, Outcome::Promoted)?, &healing, &newer.image)?;

    let input = json!({"imageId": older.image, "allowOlder": true});
    let ended = s.driftless.start(&input).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    let decision = expect::only(target.images)?;
    ensure!(decision.before.expose() == newer.image, "{decision:#?}");
    ensure!(decision.after.as_str() == older.image, "{decision:#?}");
    ensure!(parameter.read().await?.value == older.image, "the parameter is another");
    expect::heals_into(&healing, &older.image).await
}
