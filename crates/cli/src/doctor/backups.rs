//! Which backup plans cover an instance, and how long they keep its images.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_backup::Client;
use aws_sdk_backup::types::{BackupSelection, ConditionParameter};

use crate::client::Called;
use crate::inventory::Tags;

/// How a condition names a tag's key.
const TAG_CONDITION: &str = "aws:ResourceTag/";

/// A backup plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Its name.
    pub name: String,
    /// After how many days its rules delete a backup, by the rule's name; `None`: never.
    pub rules: BTreeMap<String, Option<i64>>,
    /// What it backs up.
    pub selections: Vec<BackupSelection>,
}

/// Every backup plan of the account.
///
/// # Errors
/// A call failed.
pub(crate) async fn plans(backup: &Client) -> Result<Vec<Plan>> {
    let listed = backup.list_backup_plans().into_paginator().items().send();
    let listed: Result<Vec<_>, _> = listed.collect().await;
    let mut plans = Vec::new();
    for id in listed.called("backup:ListBackupPlans")?.iter().filter_map(|it| it.backup_plan_id()) {
        let found = backup.get_backup_plan().backup_plan_id(id).send().await;
        let Some(plan) = found.called("backup:GetBackupPlan")?.backup_plan else { continue };
        let rules = plan.rules.into_iter().map(|rule| {
            (rule.rule_name, rule.lifecycle.and_then(|lifecycle| lifecycle.delete_after_days))
        });
        plans.push(Plan {
            name: plan.backup_plan_name,
            rules: rules.collect(),
            selections: selections(backup, id).await?,
        });
    }
    Ok(plans)
}

async fn selections(backup: &Client, plan: &str) -> Result<Vec<BackupSelection>> {
    let request = backup.list_backup_selections().backup_plan_id(plan).into_paginator();
    let listed: Result<Vec<_>, _> = request.items().send().collect().await;
    let listed = listed.called("backup:ListBackupSelections")?;
    let mut found = Vec::new();
    for id in listed.iter().filter_map(|one| one.selection_id()) {
        let request = backup.get_backup_selection().backup_plan_id(plan).selection_id(id);
        let selection = request.send().await.called("backup:GetBackupSelection")?;
        found.extend(selection.backup_selection);
    }
    Ok(found)
}

impl Plan {
    /// Whether it backs up an instance with this ARN and these tags.
    pub(crate) fn covers(&self, arn: &str, tags: &Tags) -> bool {
        self.selections.iter().any(|selection| selects(selection, arn, tags))
    }
}

/// `API_BackupSelection`: any of the ARNs, or any of the tags in `ListOfTags`; all of the
/// conditions; none of the excluded ARNs. Without ARNs and tags, the conditions alone select.
fn selects(selection: &BackupSelection, arn: &str, tags: &Tags) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| is_like(arn, pattern));
    let has_tag = selection.list_of_tags().iter().any(|condition| {
        tags.get(condition.condition_key()).map(String::as_str) == Some(condition.condition_value())
    });
    let names_nothing = selection.resources().is_empty() && selection.list_of_tags().is_empty();
    let is_named = any(selection.resources()) || has_tag || names_nothing;
    is_named && !any(selection.not_resources()) && meets_conditions(selection, tags, names_nothing)
}

fn meets_conditions(selection: &BackupSelection, tags: &Tags, must_exist: bool) -> bool {
    let Some(conditions) = selection.conditions() else { return !must_exist };
    let value = |condition: &ConditionParameter| {
        let key = condition.condition_key().unwrap_or_default();
        tags.get(key.strip_prefix(TAG_CONDITION).unwrap_or(key)).map(String::as_str)
    };
    let expected =
        |condition: &ConditionParameter| condition.condition_value().unwrap_or_default().to_owned();
    let equals = |it: &ConditionParameter| value(it) == Some(expected(it).as_str());
    let is_like = |it: &ConditionParameter| value(it).is_some_and(|v| is_like(v, &expected(it)));
    let all = [
        conditions.string_equals(),
        conditions.string_like(),
        conditions.string_not_equals(),
        conditions.string_not_like(),
    ];
    let exists = all.iter().any(|conditions| !conditions.is_empty());
    (exists || !must_exist)
        && conditions.string_equals().iter().all(equals)
        && conditions.string_like().iter().all(is_like)
        && !conditions.string_not_equals().iter().any(equals)
        && !conditions.string_not_like().iter().any(is_like)
}

/// Whether a text matches a pattern with `*`.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        let Some(at) = text.find(part) else { return false };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    true
}
