//! Scale: many groups of one template at once, and many targets in one account.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome, TargetReport};
use contract::target::TAG_PARAMETER_NAME;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use harness::{Scenario, What, groups_template, image};
use serde_json::json;

use crate::support::{control, expect};

trials![
    ten_groups_of_one_template_get_their_images_by_two_updates_at_most;
    only here, "it needs an account of its own":
    a_hundred_targets_are_reconciled_by_one_listing,
];

const GROUPS: usize = 10;
const TARGETS: usize = 100;
/// Images of each of those targets.
const NIGHTS: usize = 2;
/// How many calls a test makes at once.
const AT_ONCE: usize = 16;
/// What one state may give to the next (Step Functions, "Service quotas").
const MOST_STATE_DATA: usize = 256 * 1024;

async fn ten_groups_of_one_template_get_their_images_by_two_updates_at_most(
    s: &Scenario,
) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let name = s.stack_to_be().name;
    let stack = groups_template::deploy(s.cloud(), &name, GROUPS, &base).await?;
    let groups = try_join_all((0..GROUPS).map(async |n| {
        let group = stack.group_called(&groups_template::group(n)).await?;
        let instance = group.instance().await?;
        anyhow::Ok((group, instance))
    }))
    .await?;

    // One backup is complete before the others, which are while the update for it is under way.
    let mut instances = groups.iter().map(|(_, instance)| instance);
    let first = s.backup(instances.next().context("no group")?).await?;
    let update = s.hold(What::Stack, &stack.name).await?;
    let of_first = s.driftless.send(&first.event()).await?;
    stack.is_updating().await?;
    let others = try_join_all(instances.map(|instance| s.backup(instance))).await?;
    let promotions = try_join_all(others.iter().map(async |backup| {
        let execution = s.driftless.send(&backup.event()).await?;
        // On AWS the update is over long before the backups.
        if s.cloud().is_local() {
            execution.attempted("UpdateStack", ErrorName::StackBusy).await?;
        }
        anyhow::Ok((&backup.image, execution))
    }))
    .await?;
    update.release().await?;
    let promotions = [(&first.image, of_first)].into_iter().chain(promotions);
    let promotions = try_join_all(
        promotions.map(async |(image, execution)| anyhow::Ok((image, execution.ended().await?))),
    )
    .await?;

    for (image, ended) in &promotions {
        ensure!(ended.status == "SUCCEEDED", "{ended:#?}");
        let target = expect::only(ended.report()?.targets)?;
        ensure!(target.images.iter().any(|decision| decision.after.as_str() == *image));
    }
    let updates = stack.updates().await?;
    ensure!((1..=2).contains(&updates), "{updates} updates");
    let slowest = promotions.iter().map(|(_, ended)| ended.took).max().unwrap_or_default();
    println!("{GROUPS} groups of one template: {updates} updates, the slowest run {slowest:.1?}");
    let healed = try_join_all(groups.iter().map(|(group, _)| group.heal())).await?;
    for ((image, _), healed) in promotions.iter().zip(healed) {
        ensure!(healed.image == **image, "healed into {}, not {image}", healed.image);
    }
    expect::in_sync(&stack).await
}

/// Runs the calls, some at once.
async fn all<T>(calls: impl Iterator<Item = impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    stream::iter(calls).buffered(AT_ONCE).try_collect().await
}

async fn a_hundred_targets_are_reconciled_by_one_listing(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let base = image::base(s.cloud()).await?;
    let parameters = all((0..TARGETS).map(|_| s.parameter_with_group(&base))).await?;
    let mut newest = Vec::new();
    for _ in 0..NIGHTS {
        newest = all(parameters.iter().map(async |parameter| {
            let tags = [(TAG_PARAMETER_NAME, parameter.name.as_str())];
            let image = image::copy(s.cloud(), &base, &tags).await?;
            image::available(s.cloud(), &image).await?;
            Ok(image)
        }))
        .await?;
    }
    let ended = s.driftless.start(&json!({"reconcile": true})).await?.ended().await?;

    let report = expect::report(&ended, Outcome::Promoted)?;
    let is_updated = |target: &&TargetReport| target.outcome == TargetOutcome::Updated;
    ensure!(report.targets.iter().filter(is_updated).count() == TARGETS, "{}", report.summary);
    let values = all(parameters.iter().map(|parameter| parameter.read())).await?;
    for (value, image) in values.iter().zip(&newest) {
        ensure!(value.value == *image, "{value:?}, not {image}");
    }
    let size = ended.output.as_ref().map(String::len).unwrap_or_default();
    ensure!(size < MOST_STATE_DATA, "the report has {size} bytes");
    let calls = calls(s).await?;
    let count = |function: &str, action: &str| {
        calls.get(&(function.to_owned(), action.to_owned())).copied().unwrap_or_default()
    };
    ensure!(count("ResolveTags", "DescribeImages") == 1, "{calls:#?}");
    ensure!(count("ResolveTags", "DescribeInstances") <= 2, "{calls:#?}");
    // Once for a target, however many images it has.
    ensure!(count("ValidateAmi", "DescribeImages") == TARGETS, "{calls:#?}");
    // The parameter and the claim on it, which goes again.
    ensure!(count("PromoteSsm", "PutParameter") == 2 * TARGETS, "{calls:#?}");
    ensure!(count("PromoteSsm", "DeleteParameter") == TARGETS, "{calls:#?}");
    let total: usize = calls.values().sum();
    println!(
        "{TARGETS} targets with {NIGHTS} images each: {:.1?}, {total} calls, a report of {size} \
         bytes: {calls:?}",
        ended.took
    );
    Ok(())
}

/// How often each function made each call, in the whole account.
async fn calls(s: &Scenario) -> Result<BTreeMap<(String, String), usize>> {
    let mut counts = BTreeMap::new();
    for call in control(s)?.calls_of_functions().await? {
        let function = ["ResolveTags", "ValidateAmi", "PromoteSsm", "DetectDrift", "VerifyGroups"]
            .into_iter()
            .find(|name| call.caller.contains(name))
            .with_context(|| format!("an unexpected caller: {call:?}"))?;
        *counts.entry((function.to_owned(), call.action)).or_default() += 1;
    }
    Ok(counts)
}
