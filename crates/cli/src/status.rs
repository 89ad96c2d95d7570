//! `driftless status`: what each target's groups boot now, and whether that is the newest image, in
//! sync, and lasts.

pub(crate) mod executions;
pub(crate) mod show;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use aws_sdk_cloudformation::types::Stack;
use clap::Args;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use self::executions::LastExecution;
use crate::deployment::{Parts, Where};
use crate::inventory::groups::Group;
use crate::inventory::values::{Expiry, Parameter};
use crate::inventory::{Clients, Image, Inventory, is_named};
use crate::output::{self, Format};
use crate::target::Target;

pub(crate) const HELP: &str = "\
Examples:
  driftless status
  driftless status --format json | jq '.targets[] | select(.isNewest | not)'

Exit status: 0 success, 2 wrong usage or a call to AWS failed.";

/// How many targets are read at once.
const AT_ONCE: usize = 8;

/// The arguments.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// What is read of one target besides the inventory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The SSM parameter.
    pub parameter: Option<Parameter>,
    /// When AWS Backup deletes each image in place.
    pub expiries: BTreeMap<String, Expiry>,
    /// The last execution about it that has ended.
    pub last_execution: Option<LastExecution>,
}

/// The status of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// `parameter` or `stack`.
    pub pattern: &'static str,
    /// The SSM parameter's name, or the stack's.
    pub name: String,
    /// The groups that boot from it.
    pub groups: Vec<String>,
    /// The images that they boot now.
    pub boots: Vec<String>,
    /// Since when, in seconds since 1970.
    pub since: Option<i64>,
    /// The newest image that carries the target's tag.
    pub newest_image: Option<String>,
    /// When that was created.
    pub newest_created: Option<String>,
    /// Whether a group boots it.
    pub is_newest: bool,
    /// The stacks' drift as last detected.
    pub drift: Vec<Drift>,
    /// When AWS Backup deletes the first of the images in place, in seconds since 1970.
    pub expires: Option<i64>,
    /// Why that is not known; absent if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_unknown: Option<String>,
    /// The last execution about this target that has ended.
    pub last_execution: Option<LastExecution>,
}

/// A stack's drift as last detected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drift {
    /// The stack.
    pub stack: String,
    /// `IN_SYNC`, `DRIFTED`, `NOT_CHECKED`, …
    pub status: String,
    /// When it was detected, in seconds since 1970.
    pub detected: Option<i64>,
}

impl StatusArguments {
    /// Reads the account and prints the result.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let (config, deployment) = self.place.find().await?;
        let (clients, parts) = (Clients::new(&config), &deployment.parts);
        let inventory = clients.inventory(&parts.settings).await?;
        let targets = inventory.targets(&parts.settings);
        let mut last = executions::last(&deployment, &targets).await?;
        let reading = targets.iter().map(|target| facts(&clients, parts, &inventory, target));
        let read: Vec<_> = stream::iter(reading).buffered(AT_ONCE).try_collect().await?;
        let all: Vec<_> = targets
            .iter()
            .zip(read)
            .map(|(target, mut facts)| {
                facts.last_execution = last.remove(target.name());
                Status::of(target, &inventory, parts, &facts)
            })
            .collect();
        output::print(&show::result(parts, &all, self.format)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn facts(
    clients: &Clients,
    parts: &Parts,
    inventory: &Inventory,
    target: &Target,
) -> Result<Facts> {
    let mut facts = Facts::default();
    if let Target::Parameter(name) = target {
        facts.parameter = clients.parameter(name).await?;
    }
    let in_place = boots(target, &inventory.groups_of(target, parts), parts, &facts);
    for image in inventory.images.iter().filter(|image| in_place.contains(&image.id)) {
        facts.expiries.insert(image.id.clone(), clients.expiry(image, parts).await?);
    }
    Ok(facts)
}

impl Status {
    /// Puts together what is known of a target.
    pub(crate) fn of(target: &Target, inventory: &Inventory, parts: &Parts, facts: &Facts) -> Self {
        let groups = inventory.groups_of(target, parts);
        let boots = boots(target, &groups, parts, facts);
        let newest = newest(target, inventory, parts);
        let mut stacks: Vec<_> = groups.iter().filter_map(|group| group.stack.as_ref()).collect();
        if let Target::Stack(name) = target {
            stacks.push(name);
        }
        stacks.sort();
        stacks.dedup();
        let stacks = stacks.into_iter().filter_map(|name| inventory.stacks.get(name));
        let expiries = || boots.iter().filter_map(|image| facts.expiries.get(image));
        let end = |expiry: &Expiry| match expiry {
            Expiry::At(time) => Some(*time),
            Expiry::Never | Expiry::Denied(_) => None,
        };
        let reason = |expiry: &Expiry| match expiry {
            Expiry::Denied(reason) => Some(reason.clone()),
            Expiry::Never | Expiry::At(_) => None,
        };
        Self {
            pattern: target.pattern(),
            name: target.name().to_owned(),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
            since: since(target, &groups, facts),
            newest_image: newest.map(|image| image.id.clone()),
            newest_created: newest.map(|image| image.created.clone()),
            is_newest: newest.is_some_and(|image| boots.contains(&image.id)),
            drift: stacks.map(Drift::of).collect(),
            expires: expiries().filter_map(end).min(),
            expires_unknown: expiries().find_map(reason),
            last_execution: facts.last_execution.clone(),
            boots,
        }
    }
}

/// The images that the groups boot now.
fn boots(target: &Target, groups: &[&Group], parts: &Parts, facts: &Facts) -> Vec<String> {
    let mut images: Vec<_> = match target {
        // Without a group, it is what one would boot.
        Target::Parameter(_) if groups.is_empty() => {
            facts.parameter.iter().map(|parameter| parameter.value.clone()).collect()
        }
        Target::Parameter(name) => groups
            .iter()
            .flat_map(|group| group.reads(name, parts.account()))
            .filter_map(|version| match version {
                "" => facts.parameter.as_ref().map(|parameter| parameter.value.clone()),
                version => Some(format!("version {version}")),
            })
            .collect(),
        Target::Stack(_) => {
            groups.iter().flat_map(|group| group.images()).map(str::to_owned).collect()
        }
    };
    images.sort();
    images.dedup();
    images
}

/// Since when the groups boot it: when the parameter was written, or the newest of the launch
/// template versions was created.
fn since(target: &Target, groups: &[&Group], facts: &Facts) -> Option<i64> {
    match target {
        Target::Parameter(_) => facts.parameter.as_ref()?.written,
        Target::Stack(_) => {
            let versions = groups.iter().flat_map(|group| &group.versions);
            versions.filter_map(|version| version.created).max()
        }
    }
}

fn newest<'a>(target: &Target, inventory: &'a Inventory, parts: &Parts) -> Option<&'a Image> {
    let is_for = |image: &&Image| is_named(target, &image.tags, &parts.settings);
    inventory.images.iter().filter(is_for).max_by_key(|image| &image.created)
}

impl Drift {
    fn of(stack: &Stack) -> Self {
        let drift = stack.drift_information();
        let status = drift.and_then(|drift| drift.stack_drift_status());
        Self {
            stack: stack.stack_name().unwrap_or_default().to_owned(),
            status: status.map_or("NOT_CHECKED", |status| status.as_str()).to_owned(),
            detected: drift.and_then(|drift| drift.last_check_timestamp()).map(|time| time.secs()),
        }
    }
}
