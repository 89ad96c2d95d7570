//! The backups: whether a plan covers the instances, and how long it keeps their images.

use super::Case;
use crate::doctor::Finding;
use crate::doctor::backups::Plan;
use crate::inventory::Tags;
use crate::inventory::groups::Group;
use crate::target::Target;

const PLAN: &str = "backup plan";
const LIFETIME: &str = "lifetime";
const HOURS_PER_DAY: i64 = 24;

/// One row about the plans that cover each group's instances, and one about how long they keep
/// images.
pub(super) fn plans(case: &Case<'_>) -> Vec<Finding> {
    let plans = match case.plans {
        Ok(plans) => plans,
        Err(reason) => return vec![Finding::unknown(PLAN, reason)],
    };
    let mut findings = Vec::new();
    for group in &case.facts.groups {
        let covering: Vec<_> = plans.iter().filter(|plan| is_covered(case, group, plan)).collect();
        if covering.is_empty() {
            findings.push(uncovered(case, group));
            continue;
        }
        let names: Vec<_> = covering.iter().map(|plan| plan.name.as_str()).collect();
        findings.push(Finding::ok(PLAN, format!("{} covers {}", names.join(", "), group.name)));
        findings.push(lifetime(case, &covering));
    }
    findings
}

/// Whether a plan covers every instance of a group; without one, whether it would by the tags.
fn is_covered(case: &Case<'_>, group: &Group, plan: &Plan) -> bool {
    let arn = |id: &str| case.parts.instance_arn(id);
    if group.instances.is_empty() {
        return plan.covers(&arn(""), &group.instance_tags());
    }
    let none = Tags::new();
    group
        .instances
        .iter()
        .all(|id| plan.covers(&arn(id), case.facts.instances.get(id).unwrap_or(&none)))
}

fn uncovered(case: &Case<'_>, group: &Group) -> Finding {
    let found = format!("no plan of AWS Backup covers the instances of {}", group.name);
    if case.facts.has_images {
        return Finding::unknown(PLAN, format!("{found}; its images come from elsewhere"));
    }
    let settings = &case.parts.settings;
    let key = match case.target {
        Target::Parameter(_) => &settings.parameter_name_tag,
        Target::Stack(_) => &settings.stack_name_tag,
    };
    let value = case.target.name();
    Finding::change(
        PLAN,
        found,
        format!(
            "BackupSelection:\n  ListOfTags:\n    - ConditionType: STRINGEQUALS\n      \
             ConditionKey: {key}\n      ConditionValue: {value}"
        ),
    )
}

/// An image must outlast `MinimumLifetimeHours`, or it is not promoted.
fn lifetime(case: &Case<'_>, plans: &[&Plan]) -> Finding {
    let hours = case.parts.settings.minimum_lifetime_hours;
    let rules = plans.iter().flat_map(|plan| &plan.rules);
    let shortest = rules.filter_map(|(name, days)| Some((days.as_ref()?, name))).min();
    match shortest {
        Some((days, rule)) if days * HOURS_PER_DAY <= hours => Finding::change(
            LIFETIME,
            format!("rule {rule} deletes images after {days} days, within {hours} hours"),
            format!("DeleteAfterDays: {} or more in rule {rule}", hours / HOURS_PER_DAY + 1),
        ),
        Some((days, rule)) => {
            Finding::ok(LIFETIME, format!("rule {rule} keeps images {days} days"))
        }
        None => Finding::ok(LIFETIME, "images are kept for ever"),
    }
}
