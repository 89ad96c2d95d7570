//! The prerequisites of a target, and the facts that decide them. Nothing here calls AWS.

mod backup;
mod groups;
mod stack;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::backups::Plan;
use super::template::{self, GroupSource, Node};
use crate::deployment::Parts;
use crate::inventory::Tags;
use crate::inventory::groups::Group;
use crate::inventory::values::Parameter;
use crate::target::Target;

/// A target, and everything that is known of it.
pub(crate) struct Case<'a> {
    pub target: &'a Target,
    pub parts: &'a Parts,
    pub facts: &'a Facts,
    /// The account's backup plans, or why they are not known.
    pub plans: &'a Result<Vec<Plan>, String>,
}

/// What is read about one target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The SSM parameter, if it exists.
    pub parameter: Option<Parameter>,
    /// The stack that owns the SSM parameter.
    pub owner: Option<String>,
    /// The groups that boot from the target.
    pub groups: Vec<Group>,
    /// The tags of their instances, by the instance's ID.
    pub instances: BTreeMap<String, Tags>,
    /// The target's stack, and those of the groups.
    pub stacks: BTreeMap<String, StackFacts>,
    /// Whether an image is tagged with the target.
    pub has_images: bool,
}

/// What is read about a stack.
#[derive(Debug, Clone)]
pub(crate) struct StackFacts {
    /// Why it cannot be updated.
    pub problem: Option<String>,
    /// The root stack, if it is nested.
    pub root: Option<String>,
    /// Its service role.
    pub role: Option<String>,
    /// The keys and values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The types of its resources.
    pub types: BTreeSet<String>,
    /// Its template, or why that cannot be read.
    pub template: Result<Node, String>,
}

/// Every prerequisite of a target, in the order in which to meet them.
pub(crate) fn all(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = vec![target::prefix(case)];
    match case.target {
        Target::Parameter(name) => {
            findings.push(target::parameter(case, name));
            findings.push(target::owner(case));
            findings.push(groups::reader(case, name));
        }
        Target::Stack(name) => {
            let Some(stack) = case.facts.stacks.get(name) else {
                findings.push(target::missing_stack(name));
                return findings;
            };
            findings.push(target::stack(stack));
            findings.push(groups::exists(case));
            for group in &case.facts.groups {
                findings.push(groups::parameter(case, group, stack));
                findings.push(groups::image(case, group));
                findings.push(groups::version(case, group));
            }
            findings.push(stack::service_role(case, stack));
        }
    }
    findings.extend(case.facts.groups.iter().map(|group| groups::tags(case, group)));
    findings.extend(stack::drift_detection(case));
    findings.extend(backup::plans(case));
    findings
}

impl Case<'_> {
    /// The stack's parameter that takes a group's image: what its instances are tagged with.
    fn key(&self, group: &Group) -> String {
        let tags = group.instance_tags();
        let key = tags.get(&self.parts.settings.parameter_key_tag).map(|key| key.trim().to_owned());
        key.unwrap_or_else(|| contract::ids::ParameterKey::default().to_string())
    }

    /// What a group's template says of it.
    fn source(&self, group: &Group) -> Result<GroupSource, String> {
        let stack = group.stack.as_ref().and_then(|name| self.facts.stacks.get(name));
        let stack = stack.ok_or_else(|| format!("group {} is not in a stack", group.name))?;
        let template = stack.template.as_ref().map_err(Clone::clone)?;
        let id = group.logical_id.as_deref().unwrap_or_default();
        template::group(template, id).ok_or_else(|| format!("the template has no resource {id}"))
    }
}
