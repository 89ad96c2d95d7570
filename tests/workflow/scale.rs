//! Scale: many groups of one template at once, and many targets in one account.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Counts, Outcome};
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use harness::{Scenario, What, groups_template, image};
use serde_json::json;

use crate::calls::calls;
use crate::support::expect;

trials![
    ten_groups_of_one_template_get_their_images_by_two_updates_at_most;
    only here, "it needs an account of its own":
    three_hundred_targets_are_reconciled_and_three_of_them_fail,
];

const GROUPS: usize = 10;
/// One more than a round of a reconcile has, together with the stacks and those that fail.
const PARAMETERS: usize = 248;
const STACKS: usize = 50;
/// How many calls a test makes at once.
const AT_ONCE: usize = 16;

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

async fn three_hundred_targets_are_reconciled_and_three_of_them_fail(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let base = image::base(s.cloud()).await?;
    let parameters = all((0..PARAMETERS).map(|_| s.parameter_with_group(&base))).await?;
    let of_stack = [("ImageId", base.as_str())];
    let stacks = all((0..STACKS).map(|_| s.stack("stack", &of_stack))).await?;
    let missing = [s.driftless.parameter_name(), s.driftless.parameter_name()];
    let unknown = s.driftless.stack_name();
    let tag = |key: &'static str, name: &str| (key, name.to_owned());
    let tags = parameters.iter().map(|parameter| tag(TAG_PARAMETER_NAME, &parameter.name));
    let tags = tags.chain(stacks.iter().map(|stack| tag(TAG_STACK_NAME, &stack.name)));
    let tags = tags.chain(missing.iter().map(|name| tag(TAG_PARAMETER_NAME, name)));
    let tags: Vec<_> = tags.chain([tag(TAG_STACK_NAME, &unknown)]).collect();
    let images = all(tags.iter().map(async |tag| {
        let (key, name) = tag;
        let tags = [(*key, name.as_str())];
        let image = image::copy(s.cloud(), &base, &tags).await?;
        image::available(s.cloud(), &image).await?;
        Ok(image)
    }))
    .await?;
    let ended = s.driftless.reconcile(&json!({})).await?.ended().await?;

    let report = expect::reconciled(&ended, Outcome::Failed)?;
    let expected = Counts { promoted: PARAMETERS + STACKS, failed: 3, ..Counts::default() };
    ensure!(report.results.counts == expected, "{report:#?}");
    let failed = &report.results.failed;
    let told: BTreeMap<_, _> =
        failed.rows.iter().map(|row| (row.name.as_str(), row.error.as_deref())).collect();
    let [parameter, stack] = [ErrorName::ParameterNotFound, ErrorName::StackNotFound];
    let should = missing.iter().map(|name| (name.as_str(), Some(parameter.as_str())));
    let should = should.chain([(unknown.as_str(), Some(stack.as_str()))]).collect();
    ensure!(told == should && failed.more == 0, "{failed:#?}");
    let values = all(parameters.iter().map(|parameter| parameter.values())).await?;
    for (values, image) in values.iter().zip(&images) {
        ensure!(*values == [base.clone(), image.clone()], "{values:?}, not {image} once");
    }
    for updates in all(stacks.iter().map(|stack| stack.updates())).await? {
        ensure!(updates == 1, "{updates} updates");
    }
    let calls = calls(s).await?;
    let count = |step: &str, call: &str| {
        calls.get(&(step.to_owned(), call.to_owned())).copied().unwrap_or_default()
    };
    // In each of two rounds one page of images, four of launch templates and four of groups, for all
    // targets together.
    ensure!(count("ListTargets", "ec2:DescribeImages") == 2, "{calls:#?}");
    ensure!(count("ListTargets", "ec2:DescribeLaunchTemplateVersions") <= 8, "{calls:#?}");
    ensure!(count("ListTargets", "autoscaling:DescribeAutoScalingGroups") <= 8, "{calls:#?}");
    // The groups of a target are known: no promotion lists those of the account.
    let all = PARAMETERS + STACKS;
    ensure!(count("VerifyGroups", "autoscaling:DescribeAutoScalingGroups") <= all, "{calls:#?}");
    ensure!(count("ValidateAmi", "autoscaling:DescribeAutoScalingGroups") <= all, "{calls:#?}");
    let total: usize = calls.values().sum();
    println!("{} targets: {:.1?}, {total} calls: {calls:?}", report.targets, ended.took);
    Ok(())
}
