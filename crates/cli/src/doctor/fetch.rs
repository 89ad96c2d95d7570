//! Reads what the checks of one target need.

use std::collections::BTreeMap;

use anyhow::Result;
use aws::{images, stacks};
use aws_sdk_cloudformation::types::{Stack, TemplateStage};

use super::checks::{Facts, StackFacts};
use super::template;
use crate::client::Called;
use crate::deployment::Parts;
use crate::inventory::groups::Group;
use crate::inventory::{Clients, Image, Inventory, Tags, is_named, named, tags_of};
use crate::target::Target;

/// Reads the facts about a target. `known`: the stacks that were read for others, which several may
/// have in common.
///
/// # Errors
/// A call failed.
pub(crate) async fn facts(
    clients: &Clients,
    parts: &Parts,
    inventory: &Inventory,
    target: &Target,
    known: &mut BTreeMap<String, StackFacts>,
) -> Result<Facts> {
    let groups: Vec<_> = inventory.groups_of(target, parts).into_iter().cloned().collect();
    let mut facts = Facts { groups, ..Facts::default() };
    let mut names: Vec<_> = facts.groups.iter().filter_map(|group| group.stack.clone()).collect();
    match target {
        Target::Parameter(name) => {
            facts.parameter = clients.parameter(name).await?;
            facts.owner = clients.owner(name).await?;
        }
        Target::Stack(name) => names.push(name.clone()),
    }
    for name in names {
        if !known.contains_key(&name) && inventory.stacks.contains_key(&name) {
            known.insert(name.clone(), clients.stack(&name, inventory).await?);
        }
        if let Some(stack) = known.get(&name) {
            facts.stacks.insert(name, stack.clone());
        }
    }
    facts.instances = clients.instances(&facts.groups).await?;
    let is_for = |image: &Image| is_named(target, &image.tags, &parts.settings);
    facts.has_images = inventory.images.iter().any(is_for);
    Ok(facts)
}

/// Why the stack cannot be updated, as Driftless itself would say it. A busy one is waited for.
fn problem(stack: &Stack) -> Option<String> {
    match stacks::check_readiness(stack) {
        Ok(()) | Err(stacks::Error::Busy { .. }) => None,
        Err(error) => Some(error.to_string()),
    }
}

impl Clients {
    /// The tags of the groups' instances, by the instance's ID.
    async fn instances(&self, groups: &[Group]) -> Result<BTreeMap<String, Tags>> {
        let ids: Vec<_> = groups.iter().flat_map(|group| group.instances.clone()).collect();
        let mut tags = BTreeMap::new();
        // By a filter: a request by ID fails for an instance that has just disappeared.
        for filter in images::filters("instance-id", &ids) {
            let answer = self.ec2.describe_instances().filters(filter).send().await;
            let reservations = answer.called("ec2:DescribeInstances")?.reservations;
            let found = reservations.unwrap_or_default().into_iter();
            let found = found.flat_map(|one| one.instances.unwrap_or_default());
            tags.extend(
                found.filter_map(|one| Some((one.instance_id.clone()?, tags_of(one.tags())))),
            );
        }
        Ok(tags)
    }

    /// The stack that owns an SSM parameter, if one does.
    async fn owner(&self, parameter: &str) -> Result<Option<String>> {
        let resources = stacks::beside(&self.cloudformation, parameter).await?;
        Ok(stacks::owner(parameter, &resources).map(|(stack, _)| stack.to_owned()))
    }

    async fn stack(&self, name: &str, inventory: &Inventory) -> Result<StackFacts> {
        let request = self.cloudformation.list_stack_resources().stack_name(name);
        let resources: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        let resources = resources.called("cloudformation:ListStackResources")?;
        let request = self.cloudformation.get_template().stack_name(name);
        let answer = request.template_stage(TemplateStage::Original).send().await;
        let text = answer.called("cloudformation:GetTemplate")?.template_body.unwrap_or_default();
        let found = inventory.stacks.get(name);
        let parameters = found.map(|stack| stack.parameters()).unwrap_or_default().iter();
        Ok(StackFacts {
            problem: found.and_then(problem),
            root: found.and_then(|stack| stack.root_id()).map(|root| named(root).to_owned()),
            role: found.and_then(|stack| stack.role_arn()).map(str::to_owned),
            parameters: parameters
                .filter_map(|one| {
                    Some((one.parameter_key()?.to_owned(), one.parameter_value()?.to_owned()))
                })
                .collect::<BTreeMap<_, _>>(),
            types: resources.into_iter().filter_map(|resource| resource.resource_type).collect(),
            template: template::parse(&text).map_err(|error| format!("{error:#}")),
        })
    }
}
