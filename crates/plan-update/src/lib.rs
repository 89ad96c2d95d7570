//! plan-update plans a write of pattern 2: a change set that is never executed shows what the stack
//! update would do, and whether that is more than a promotion may do.

mod decide;
mod error;
mod replacing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aws::stacks::{self, Template};
use aws::{AwsError, Called, refusals};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{Change, Parameter, ResourceChange, Stack, TemplateStage};
use contract::steps::{PlanInput, PlanReport, PlannedChange, Progress, Rows};
use step::rows_within;

use crate::decide::Plan;
pub use crate::error::Error;

/// What the rows of a plan may have in bytes.
const MAX_CHANGES_BYTES: usize = 10 * 1024;

/// Polls once: creates the change set, or checks whether it is ready. Once its changes are read, it
/// is deleted.
///
/// # Errors
/// See [`Error`]. Changes that a promotion must not make are a finding in the answer.
pub async fn handle(cloudformation: &Client, input: PlanInput) -> Result<PlanReport, Error> {
    if let Some(id) = &input.change_set_id
        && let Some(report) = look(cloudformation, &input, id).await?
    {
        return Ok(report);
    }
    let name = input.stack_name.as_str();
    let found = stacks::describe(cloudformation, name).await?;
    stacks::check_readiness(&found)?;
    let Some(parameters) = stacks::merge(name, found.parameters(), &input.images)? else {
        return Ok(complete(Rows::default()));
    };
    let template = stacks::template(cloudformation, name).await?;
    let id = create(cloudformation, &input, found, parameters, template).await?;
    tracing::info!(stack = name, change_set = id, "created a change set");
    Ok(pending(id))
}

fn pending(id: String) -> PlanReport {
    let status = Progress::InProgress;
    PlanReport { status, change_set_id: Some(id), changes: Rows::default(), finding: None }
}

fn complete(changes: Rows<PlannedChange>) -> PlanReport {
    PlanReport { status: Progress::Complete, change_set_id: None, changes, finding: None }
}

/// The change set's ID, even if an earlier call has created it.
async fn create(
    cloudformation: &Client,
    input: &PlanInput,
    found: Stack,
    parameters: Vec<Parameter>,
    template: Template,
) -> Result<String, Error> {
    let name = input.stack_name.as_str();
    let change_set_name = decide::change_set_name(&input.execution);
    let answer = cloudformation
        .create_change_set()
        .stack_name(name)
        .change_set_name(&change_set_name)
        .client_token(&change_set_name)
        .set_use_previous_template(template.body.is_none().then_some(true))
        .set_template_body(template.body)
        .set_parameters(Some(parameters))
        .set_capabilities(Some(template.capabilities).filter(|list| !list.is_empty()))
        // Unlike an update, a change set without tags removes the stack's tags.
        .set_tags(found.tags.map(decide::own_tags).filter(|tags| !tags.is_empty()))
        .send()
        .await;
    match answer.called("cloudformation:CreateChangeSet") {
        Ok(answer) => Ok(answer.id.unwrap_or(change_set_name)),
        Err(error) if error.has_code("AlreadyExistsException") => Ok(change_set_name),
        Err(error) => Err(stacks::Error::refused(name, error).into()),
    }
}

/// `None` if the change set no longer exists: the answer of an earlier poll was lost, or an update
/// of the stack has deleted it.
async fn look(
    cloudformation: &Client,
    input: &PlanInput,
    id: &str,
) -> Result<Option<PlanReport>, Error> {
    let name = input.stack_name.as_str();
    let pages = describe(cloudformation, name, id).await?;
    match decide::plan(pages.first()) {
        Plan::Pending => Ok(Some(pending(id.to_owned()))),
        Plan::Gone => Ok(None),
        Plan::Failed(reason) => {
            delete(cloudformation, name, id).await?;
            Err(Error::PlanFailed { stack: name.to_owned(), reason })
        }
        Plan::Ready => {
            let changes: Vec<ResourceChange> = pages
                .iter()
                .flat_map(DescribeChangeSetOutput::changes)
                .filter_map(Change::resource_change)
                .cloned()
                .collect();
            let replaced = replaced_groups(cloudformation, name, &changes).await?;
            delete(cloudformation, name, id).await?;
            let finding = decide::finding(name, &changes, &input.images, &replaced);
            let changes =
                rows_within(changes.iter().map(decide::planned).collect(), MAX_CHANGES_BYTES);
            tracing::info!(stack = name, ?changes, ?finding, "planned the update");
            Ok(Some(PlanReport { finding, ..complete(changes) }))
        }
    }
}

/// The groups among these changes that the update replaces by their `UpdatePolicy`.
async fn replaced_groups(
    cloudformation: &Client,
    stack: &str,
    changes: &[ResourceChange],
) -> Result<BTreeSet<String>, AwsError> {
    let groups: Vec<_> = changes.iter().filter_map(decide::conditional_group).collect();
    if groups.is_empty() {
        return Ok(BTreeSet::new());
    }
    let request = cloudformation.get_template().stack_name(stack);
    let answer = request.template_stage(TemplateStage::Processed).send().await;
    let template = answer.called("cloudformation:GetTemplate")?.template_body.unwrap_or_default();
    let is_replaced = |group: &&str| replacing::will_replace(&template, group);
    Ok(groups.into_iter().filter(is_replaced).map(str::to_owned).collect())
}

/// All pages; empty if the change set does not exist.
async fn describe(
    cloudformation: &Client,
    stack: &str,
    id: &str,
) -> Result<Vec<DescribeChangeSetOutput>, AwsError> {
    let request = cloudformation.describe_change_set().stack_name(stack).change_set_name(id);
    let pages: Result<Vec<_>, _> = request.into_paginator().send().collect().await;
    match pages.called("cloudformation:DescribeChangeSet") {
        // The next poll finds out whether the stack exists.
        Err(error) if error.has_code("ChangeSetNotFound") || refusals::is_stack_missing(&error) => {
            Ok(Vec::new())
        }
        pages => pages,
    }
}

/// CloudFormation does not fail if the change set no longer exists.
async fn delete(cloudformation: &Client, stack: &str, id: &str) -> Result<(), AwsError> {
    let request = cloudformation.delete_change_set().stack_name(stack).change_set_name(id);
    let answer = request.send().await;
    answer.called("cloudformation:DeleteChangeSet").map(drop)
}
