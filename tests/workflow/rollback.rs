//! Rollbacks: automatic if a promotion fails and the operator chose that, and manual.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome, TargetReport};
use contract::steps::{Versions, WritePhase};
use contract::target::TAG_INSTANCE_REFRESH;
use futures_util::future::try_join;
use harness::cloud::Called;
use harness::image::{self, Parameter};
use harness::scenario::AutoHealingStack;
use harness::{Backup, Ended, Execution, Scenario, What, paths};
use serde_json::json;

use crate::support::deployed::careful;
use crate::support::expect;
use crate::support::two_groups::TwoGroups;

trials![
    a_failed_promotion_is_kept_where_nothing_else_is_said,
    a_parameter_is_rolled_back_by_hand,
    a_stack_is_rolled_back_by_hand,
    one_group_of_a_stack_is_rolled_back_by_hand,
    a_rollback_is_planned_first_when_the_input_says_so,
    a_rollback_of_a_name_that_no_image_has_is_refused;
    only here, "it needs a Driftless with other parameters":
    a_parameter_whose_group_boots_another_image_is_put_back,
    a_stack_whose_group_boots_another_image_is_put_back,
    a_promotion_during_which_the_stack_drifts_is_put_back,
    a_promotion_whose_refresh_fails_is_put_back,
    a_parameter_that_cannot_be_put_back_is_told_loudly,
    a_stack_that_is_put_back_to_an_image_that_is_gone_is_told_loudly,
    a_parameter_that_a_stack_reads_is_put_back_with_it,
    a_parameter_is_put_back_when_the_stack_that_reads_it_cannot_be_updated,
];

/// Pattern 2 where the template ignores the parameter: its group boots another copy of the base.
async fn ignoring(s: &Scenario) -> Result<(AutoHealingStack, String)> {
    let base = image::base(s.cloud()).await?;
    let other = s.image(&[]).await?;
    let parameters = [("ImageId", base.as_str()), ("OtherImageId", other.as_str())];
    let stack = s.stack("ignores-image", &parameters).await?;
    Ok((AutoHealingStack::of(stack, base).await?, other))
}

/// A promotion that failed with this error and was rolled back.
fn rolled_back(ended: &Ended, name: ErrorName) -> Result<TargetReport> {
    let target = expect::target(ended, Outcome::Failed)?;
    ensure!(target.outcome == TargetOutcome::RolledBack, "{target:#?}");
    let found = target.error.as_ref().and_then(|error| error.catalogued());
    ensure!(found == Some(name), "expected {name}, found {target:#?}");
    Ok(target)
}

async fn promote(s: &Scenario, healing: &AutoHealingStack) -> Result<(Ended, String)> {
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    Ok((ended, backup.image))
}

async fn a_failed_promotion_is_kept_where_nothing_else_is_said(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern_from("pinned").await?;
    let (ended, image) = promote(s, &healing).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    expect::error(&ended, &target, ErrorName::LaunchImageMismatch)?;
    let now = parameter.read().await?;
    ensure!(now.value == image && now.version == 2, "{now:?}");
    ensure!(expect::times(&ended, "RollBack") == 0, "{:#?}", ended.transcript);
    Ok(())
}

async fn a_parameter_whose_group_boots_another_image_is_put_back(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let (parameter, healing) = s.parameter_pattern_from("pinned").await?;
    let (ended, image) = promote(s, &healing).await?;

    let target = rolled_back(&ended, ErrorName::LaunchImageMismatch)?;
    let now = parameter.read().await?;
    ensure!(now.value == healing.base && now.version == 3, "{now:?}");
    let write = expect::only(target.writes)?;
    let versions = Versions { written: true, previous_version: 2, version: 3 };
    ensure!(write.phase == WritePhase::Settled(versions), "{write:#?}");
    ensure!(write.before.expose() == image && write.after.as_str() == healing.base, "{write:#?}");
    // The rollback is proved like the promotion.
    let group = expect::only(target.groups.rows)?;
    ensure!(group.expected.as_str() == healing.base, "{group:#?}");
    expect::heals_into(&healing, &healing.base).await
}

async fn a_stack_whose_group_boots_another_image_is_put_back(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    // The group boots what is put back: only the new image never reaches it.
    let base = image::base(s.cloud()).await?;
    let parameters = [("ImageId", base.as_str()), ("OtherImageId", base.as_str())];
    let stack = s.stack("ignores-image", &parameters).await?;
    let healing = AutoHealingStack::of(stack, base).await?;
    let (ended, image) = promote(s, &healing).await?;

    let target = rolled_back(&ended, ErrorName::LaunchImageMismatch)?;
    let error = target.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
    ensure!(error.contains(&image) && error.contains(&healing.base), "{error}");
    ensure!(healing.stack.parameter("ImageId").await? == healing.base, "it was not put back");
    ensure!(healing.stack.updates().await? == 2, "not one update there and one back");
    let group = expect::only(target.groups.rows)?;
    ensure!(group.boots.as_deref() == Some(healing.base.as_str()), "{group:#?}");
    expect::heals_into(&healing, &healing.base).await
}

/// The promotion of a backup during which the stack drifts: after the detection before the write, and
/// before the one after it.
pub async fn promoted_while_it_drifts(
    s: &Scenario,
    healing: &AutoHealingStack,
    backup: &Backup,
) -> Result<Execution> {
    let write = s.hold_calls(("ssm", "PutParameter"), &backup.image).await?;
    let execution = s.driftless.send(&backup.event()).await?;
    write.caught().await?;
    healing.group.enlarge().await?;
    write.release().await?;
    Ok(execution)
}

async fn a_promotion_during_which_the_stack_drifts_is_put_back(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let execution = promoted_while_it_drifts(s, &healing, &backup).await?;

    let target = rolled_back(&execution.ended().await?, ErrorName::DriftDetected)?;
    ensure!(parameter.read().await?.value == healing.base, "it was not put back");
    // The rollback itself has no new drift.
    let difference = expect::only(expect::drift(&target)?.differences.to_vec())?;
    ensure!(difference.path == "/MaxSize" && difference.before, "{difference:#?}");
    Ok(())
}

async fn a_promotion_whose_refresh_fails_is_put_back(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup_with(&healing.instance, &[(TAG_INSTANCE_REFRESH, "true")]).await?;
    let begun = s.hold(What::Refresh, &healing.group.name).await?;
    let execution = s.driftless.send(&backup.event()).await?;
    begun.caught().await?;
    disable(s, &backup.image).await?;
    begun.release().await?;

    let ended = execution.ended().await?;
    let target = rolled_back(&ended, ErrorName::InstanceRefreshFailed)?;
    let message = target.error.map(|error| error.message).unwrap_or_default();
    ensure!(message.contains("could not be launched"), "{message}");
    ensure!(parameter.read().await?.value == healing.base, "it was not put back");
    // The instance that the refresh terminated comes back with the previous image.
    let healed = healing.group.instance_other_than(Some(&healing.instance.id)).await?;
    ensure!(healed.image == healing.base, "healed into {}", healed.image);
    expect::in_sync(&healing.stack).await
}

async fn a_parameter_that_cannot_be_put_back_is_told_loudly(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let (parameter, healing) = s.parameter_pattern_from("pinned").await?;
    let backup = s.backup(&healing.instance).await?;
    // Parameter Store rejects an image that no longer exists, and reports that only in an event.
    let gone = s.cloud().ec2.deregister_image().image_id(&healing.base).send().await;
    gone.called("ec2:DeregisterImage")?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::RollbackFailed)?;
    says_what_to_do(message, &parameter.name, &["LaunchImageMismatch", "ParameterNotUpdated"])?;
    ensure!(parameter.read().await?.value == backup.image, "the parameter is another");
    Ok(())
}

async fn a_stack_that_is_put_back_to_an_image_that_is_gone_is_told_loudly(
    s: &Scenario,
) -> Result<()> {
    let s = &careful(s).await?;
    let (healing, other) = ignoring(s).await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::RollbackFailed)?;
    says_what_to_do(message, &healing.stack.name, &["LaunchImageMismatch", &healing.base, &other])?;
    // What had been written was rolled back.
    ensure!(healing.stack.parameter("ImageId").await? == healing.base, "it was not put back");
    Ok(())
}

/// A stack from this fixture whose `ImageId` names an SSM parameter with the image.
async fn reading(
    s: &Scenario,
    fixture: &str,
    others: &[(&str, &str)],
    base: &str,
) -> Result<(Parameter, AutoHealingStack)> {
    let parameter = s.parameter(base).await?;
    let template = paths::fixture(&format!("stacks/{fixture}.yaml"))?;
    let (plain, reads) =
        ("  ImageId:\n    Type: ", "  ImageId:\n    Type: AWS::SSM::Parameter::Value<");
    let template = template
        .replace(&format!("{plain}AWS::EC2::Image::Id"), &format!("{reads}AWS::EC2::Image::Id>"));
    let values = [&[("ImageId", parameter.name.as_str())], others].concat();
    let stack = s.stack_of(&template, &values, &[]).await?;
    Ok((parameter, AutoHealingStack::of(stack, base.to_owned()).await?))
}

async fn a_parameter_that_a_stack_reads_is_put_back_with_it(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let base = image::base(s.cloud()).await?;
    let others = [("OtherImageId", base.as_str())];
    let (parameter, healing) = reading(s, "ignores-image", &others, &base).await?;
    let (ended, image) = promote(s, &healing).await?;
    let target = rolled_back(&ended, ErrorName::LaunchImageMismatch)?;
    let write = expect::only(target.writes)?;
    ensure!(write.before.expose() == image && write.after.as_str() == base, "{write:#?}");
    ensure!(parameter.read().await?.value == base, "it was not put back");
    ensure!(healing.stack.updates().await? == 2, "not one update there and one back");
    expect::heals_into(&healing, &base).await
}

async fn a_parameter_is_put_back_when_the_stack_that_reads_it_cannot_be_updated(
    s: &Scenario,
) -> Result<()> {
    let s = &careful(s).await?;
    let base = image::base(s.cloud()).await?;
    let (parameter, healing) = reading(s, "no-room", &[], &base).await?;
    let (ended, _) = promote(s, &healing).await?;
    rolled_back(&ended, ErrorName::StackUpdateFailed)?;
    // CloudFormation has rolled back the stack, but not the parameter.
    ensure!(healing.stack.updates().await? == 1, "it was updated again");
    ensure!(parameter.read().await?.value == base, "it was not put back");
    expect::heals_into(&healing, &base).await
}

/// Both reasons, and what a person must check.
fn says_what_to_do(message: &str, name: &str, reasons: &[&str]) -> Result<()> {
    for named in reasons.iter().chain(&[name, "the rollback to", "by hand"]) {
        ensure!(message.contains(named), "no {named:?} in {message:?}");
    }
    Ok(())
}

async fn disable(s: &Scenario, image: &str) -> Result<()> {
    let disabled = s.cloud().ec2.disable_image().image_id(image).send().await;
    disabled.called("ec2:DisableImage").map(drop)
}

// --- by hand -----------------------------------------------------------------------------------

async fn by_hand(s: &Scenario, input: serde_json::Value) -> Result<Ended> {
    s.driftless.start(&input).await?.ended().await
}

/// Takes two backups and promotes the newer; both.
async fn two_promoted(s: &Scenario, healing: &AutoHealingStack) -> Result<(String, String)> {
    let older = s.backup(&healing.instance).await?;
    let newer = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&newer.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, healing, &newer.image)?;
    Ok((older.image, newer.image))
}

fn went_back(ended: &Ended, from: &str, to: &str) -> Result<()> {
    let target = expect::target(ended, Outcome::Promoted)?;
    ensure!(target.outcome == TargetOutcome::Updated, "{target:#?}");
    let decision = expect::only(target.images)?;
    ensure!(decision.before.expose() == from && decision.after.as_str() == to, "{decision:#?}");
    let group = expect::only(target.groups.rows)?;
    ensure!(group.boots.as_deref() == Some(to), "{group:#?}");
    Ok(())
}

async fn a_parameter_is_rolled_back_by_hand(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let (older, newer) = two_promoted(s, &healing).await?;
    let input = json!({"rollback": {"parameterName": parameter.name}});
    went_back(&by_hand(s, input.clone()).await?, &newer, &older)?;
    ensure!(parameter.read().await?.value == older, "the parameter is another");
    expect::heals_into(&healing, &older).await?;

    // Once more: the very first image carries no tag, so there is nothing to go back to.
    let ended = by_hand(s, input).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ImageRejected)?;
    ensure!(message.contains("older") && message.contains(&older), "{message}");
    ensure!(parameter.read().await?.value == older, "the parameter is another");
    Ok(())
}

async fn a_stack_is_rolled_back_by_hand(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let (older, newer) = two_promoted(s, &healing).await?;
    let name = &healing.stack.name;
    let input = json!({"rollback": {"stackName": name, "parameterKey": "ImageId"}});
    went_back(&by_hand(s, input).await?, &newer, &older)?;
    ensure!(healing.stack.parameter("ImageId").await? == older, "the parameter is another");
    // The same by the image's own name, there and back again.
    by_hand(s, json!({"imageId": newer})).await?;
    ensure!(healing.stack.parameter("ImageId").await? == newer, "the parameter is another");
    let ended = by_hand(s, json!({"imageId": older, "allowOlder": true})).await?;
    went_back(&ended, &newer, &older)?;
    expect::heals_into(&healing, &older).await
}

async fn one_group_of_a_stack_is_rolled_back_by_hand(s: &Scenario) -> Result<()> {
    let two = TwoGroups::new(s).await?;
    let (older, _) = try_join(s.backup(&two.web_instance), s.backup(&two.worker_instance)).await?;
    let (web, worker) =
        try_join(s.backup(&two.web_instance), s.backup(&two.worker_instance)).await?;
    expect::report(&s.driftless.send(&web.event()).await?.ended().await?, Outcome::Promoted)?;
    ensure!(two.stack.parameter("WorkerImageId").await? == worker.image, "it is not in");

    let rollback = json!({"stackName": two.stack.name, "parameterKey": "WebImageId"});
    went_back(&by_hand(s, json!({"rollback": rollback})).await?, &web.image, &older.image)?;
    two.heal_into(&older.image, &worker.image).await
}

async fn a_rollback_is_planned_first_when_the_input_says_so(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let (older, newer) = two_promoted(s, &healing).await?;
    let input = json!({"rollback": {"parameterName": parameter.name}, "dryRun": true});
    let target = expect::target(&by_hand(s, input).await?, Outcome::Planned)?;
    let decision = expect::only(target.images)?;
    ensure!(decision.before.expose() == newer && decision.after.as_str() == older, "{decision:#?}");
    ensure!(parameter.read().await?.value == newer, "it was written");
    Ok(())
}

async fn a_rollback_of_a_name_that_no_image_has_is_refused(s: &Scenario) -> Result<()> {
    // There is such a parameter, but no image was ever meant for it.
    let parameter: Parameter = s.parameter(&image::base(s.cloud()).await?).await?;
    let stack = s.driftless.stack_name();
    for (path, name, rollback) in [
        ("rollback.parameterName: ", &parameter.name, json!({"parameterName": parameter.name})),
        ("rollback.stackName: ", &stack, json!({"stackName": stack})),
    ] {
        let ended = by_hand(s, json!({"rollback": rollback})).await?;
        let cause = expect::failure(&ended, ErrorName::InvalidInput)?;
        ensure!(cause.starts_with(path) && cause.contains(name.as_str()), "{cause}");
    }
    Ok(())
}
