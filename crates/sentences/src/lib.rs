//! Reports in sentences: `driftless` prints them, and a mail about an execution contains them.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use contract::ErrorName;
use contract::report::{Outcome, ReconcileReport, Report, TargetOutcome, TargetReport};
use contract::steps::{Decision, Detection, PlannedChange, Rejected, Rows};

/// What an error means and what to do about it, from the catalogue; `None` for the services' own.
#[must_use]
pub fn advice(error: &str) -> Option<String> {
    Some(format!("  What it means: {}\n", ErrorName::named(error)?.meaning()))
}

/// The outcome, a sentence for each target, and what supports it.
#[must_use]
pub fn promotion(report: &Report) -> String {
    let mut text = match report.outcome {
        // These have no targets that could say it.
        Outcome::Skipped => format!("Skipped: {}\n", report.summary),
        Outcome::Failed if report.targets.is_empty() => format!("Failed: {}\n", report.summary),
        outcome => format!("{outcome:?}\n"),
    };
    text.extend(report.targets.iter().map(target));
    text
}

/// The report of a reconcile: its counts, each target that failed, and how to read more about it.
#[must_use]
pub fn reconcile(report: &ReconcileReport) -> String {
    let mut text = format!("{:?}: {}\n", report.outcome, report.summary);
    for row in &report.results.failed.rows {
        let error = row.error.as_deref().unwrap_or("unknown");
        let sentence = row.sentence.as_deref().unwrap_or_default();
        let _ = writeln!(text, "{} failed: {error}: {sentence}", row.name);
        let _ = writeln!(text, "  driftless follow {}", row.execution);
    }
    if report.results.failed.more > 0 {
        let _ = writeln!(text, "and {} more", report.results.failed.more);
    }
    text
}

fn target(target: &TargetReport) -> String {
    let mut text = format!("{} {}\n", target.name, headline(target));
    let details = [
        list(&target.plan, |change| format!("it would change {}", planned(change))),
        list(&target.groups, |group| {
            let boots = group.boots.as_deref().unwrap_or("no image");
            format!("group {} boots {boots}", group.group_name)
        }),
        target.drift.iter().filter_map(drift).collect(),
        target.images.iter().flat_map(|image| &image.rejected.rows).map(rejected).collect(),
    ];
    for detail in details.into_iter().flatten() {
        let _ = writeln!(text, "  {detail}");
    }
    if let Some(error) = &target.error {
        text.push_str(&advice(&error.name).unwrap_or_default());
    }
    text
}

/// What became of a target; it follows the target's name.
#[must_use]
pub fn headline(target: &TargetReport) -> String {
    let images = || each(&target.images, |image| format!("{} (was {})", image.after, image.before));
    let in_place = || each(&target.images, |image| image.before.to_string());
    let error = || {
        let error = target.error.as_ref();
        error.map_or_else(String::new, |error| {
            format!(": {} in {}: {}", error.name, error.step, error.message)
        })
    };
    match target.outcome {
        TargetOutcome::Updated => format!("has {}.", images()),
        TargetOutcome::Unchanged => format!("has {} already.", in_place()),
        TargetOutcome::Superseded => {
            format!("keeps {}: nothing that passes is newer.", in_place())
        }
        TargetOutcome::Planned => format!("would get {}.", images()),
        TargetOutcome::Unproven => {
            let reason = target.unproven.as_deref().unwrap_or("it is not proved");
            format!("has {}, but {reason}.", each(&target.images, |image| image.after.to_string()))
        }
        TargetOutcome::RolledBack => format!("was rolled back to {}{}", in_place(), error()),
        TargetOutcome::Failed => format!("failed{}", error()),
    }
}

/// One image parameter needs no name.
fn each(images: &[Decision], text: impl Fn(&Decision) -> String) -> String {
    match images {
        [one] => text(one),
        all => {
            let named = all.iter().map(|one| format!("{}: {}", one.parameter, text(one)));
            named.collect::<Vec<_>>().join(", ")
        }
    }
}

fn list<T>(rows: &Rows<T>, text: impl Fn(&T) -> String) -> Vec<String> {
    let more = (rows.more > 0).then(|| format!("and {} more", rows.more));
    rows.rows.iter().map(text).chain(more).collect()
}

fn planned(change: &PlannedChange) -> String {
    let PlannedChange { logical_id, resource_type, replacement, properties, .. } = change;
    let replaces = match replacement.as_deref() {
        Some("True") => ", and replace it",
        Some("Conditional") => ", and perhaps replace it",
        _ => "",
    };
    format!("{} of {logical_id} ({resource_type}){replaces}", properties.join(", "))
}

fn drift(stack: &contract::steps::StackDrift) -> Option<String> {
    let Detection::Settled { status, resources_checked, differences, .. } = &stack.detection else {
        return None;
    };
    let mut text =
        format!("stack {} is {status} ({resources_checked} resources compared)", stack.stack_name);
    for one in &differences.rows {
        let (id, path) = (&one.logical_id, &one.path);
        let _ = write!(text, "; {id}{path} is {}, not {}", one.actual, one.expected);
    }
    Some(text)
}

fn rejected(image: &Rejected) -> String {
    let reasons = image
        .failed
        .iter()
        .map(|one| format!("{} is {}, not {}", one.check, one.actual, one.expected));
    format!(
        "{} is newer and was rejected: {}",
        image.image_id,
        reasons.collect::<Vec<_>>().join(", ")
    )
}
