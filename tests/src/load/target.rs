//! The targets of the load test: half of them parameters, each with a group that boots from it, and
//! half of them groups of stacks with several groups.

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use harness::group::Group;
use harness::image::{self, Parameter};
use harness::{Backup, Cloud, Stack, groups_template, unique};

use super::MAX_CONCURRENCY;
use super::PREFIXES;

/// The number of groups in a stack.
const GROUPS: usize = 5;

/// A group, and where its image is set.
pub(super) struct Target {
    /// Where its image is set.
    pub place: Place,
    group: Group,
    /// Its last backup.
    pub newest: Backup,
    /// The one before.
    pub older: Backup,
}

/// Where an image is promoted to.
pub(super) enum Place {
    /// An SSM parameter.
    Parameter(Parameter),
    /// A stack's parameter.
    Stack(Stack, String),
}

/// What is in place in a target.
pub(super) struct Observed {
    /// The image.
    pub image: String,
    /// The values that have been written to the parameter since it was created.
    pub written: Vec<String>,
    /// How often the stack has been updated.
    pub updates: usize,
}

/// Deploys `count` targets, and backs each up twice.
pub(super) async fn set_up(cloud: &Cloud, count: usize) -> Result<Vec<Target>> {
    let base = &image::base(cloud).await?;
    let by_parameter = count.div_ceil(2);
    let parameters = (0..by_parameter).map(async |_| by_parameter_of(cloud, base).await);
    let mut places: Vec<(Place, Group)> =
        stream::iter(parameters).buffered(MAX_CONCURRENCY).try_collect().await?;
    let left = count - by_parameter;
    let sizes = (0..left).step_by(GROUPS).map(|first| GROUPS.min(left - first));
    let stacks = sizes.map(async |groups| by_stack_of(cloud, base, groups).await);
    let stacks: Vec<Vec<_>> = stream::iter(stacks).buffered(MAX_CONCURRENCY).try_collect().await?;
    places.extend(stacks.into_iter().flatten());
    let backed_up = places.into_iter().map(async |(place, group)| {
        let instance = group.instance().await?.id;
        let older = Backup::take(cloud, &instance).await?;
        let newest = Backup::take(cloud, &instance).await?;
        anyhow::Ok(Target { place, group, newest, older })
    });
    stream::iter(backed_up).buffered(MAX_CONCURRENCY).try_collect().await
}

async fn by_parameter_of(cloud: &Cloud, base: &str) -> Result<(Place, Group)> {
    let parameter = Parameter::by_name(cloud, &unique(&format!("{}web", PREFIXES.parameter)));
    parameter.write(base).await?;
    let name = unique(&format!("{}parameter", PREFIXES.stack));
    let values = [("ImageIdParameterName", parameter.name.as_str())];
    let stack = Stack::create(cloud, &name, "parameter", &values).await?;
    Ok((Place::Parameter(parameter), stack.group().await?))
}

async fn by_stack_of(cloud: &Cloud, base: &str, groups: usize) -> Result<Vec<(Place, Group)>> {
    let name = unique(&format!("{}stack", PREFIXES.stack));
    let stack = groups_template::deploy(cloud, &name, groups, base).await?;
    let groups = (0..groups).map(async |n| {
        let group = stack.group_called(&groups_template::group(n)).await?;
        Ok((Place::Stack(stack.clone(), groups_template::parameter(n)), group))
    });
    stream::iter(groups).buffered(MAX_CONCURRENCY).try_collect().await
}

/// Reads what is in place now, in the order of the targets.
pub(super) async fn observe(targets: &[Target]) -> Result<Vec<Observed>> {
    let observed = targets.iter().map(async |target| {
        Ok(match &target.place {
            Place::Parameter(parameter) => {
                let mut written = parameter.values().await?;
                let image = written.last().context("a parameter without a value")?.clone();
                written.remove(0);
                Observed { image, written, updates: 0 }
            }
            Place::Stack(stack, key) => {
                let (image, updates) = (stack.parameter(key).await?, stack.updates().await?);
                Observed { image, written: Vec::new(), updates }
            }
        })
    });
    stream::iter(observed).buffered(MAX_CONCURRENCY).try_collect().await
}

/// Kills every instance, and returns the images that heal, in the order of the targets.
pub(super) async fn heal(targets: &[Target]) -> Result<Vec<String>> {
    let healed = targets.iter().map(async |target| Ok(target.group.heal().await?.image));
    stream::iter(healed).buffered(MAX_CONCURRENCY).try_collect().await
}
