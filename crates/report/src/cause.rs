//! How much of a report fits. The output of an execution has a maximum length, and so has the cause
//! of one that failed, which is its report as JSON text. Readers parse both, so whole parts are left
//! out and the text is never cut.

use std::cmp::Reverse;

use contract::ErrorName;
use contract::bounds::MAX_CAUSE_CHARS;
use contract::output::StepOutput;
use contract::report::{Outcome, Report, TargetOutcome, TargetReport};
use contract::steps::{Reported, Rows};
use step::{json_bytes, truncated};

/// The maximum length of a message in a report that would be too long otherwise.
const MAX_MESSAGE_CHARS: usize = 300;

/// What a report may have in bytes, so that there is room for a cause beside it. In that, a text in
/// JSON, every quote is escaped.
const MAX_REPORT_BYTES: usize = Reported::MAX_BYTES - 2 * MAX_CAUSE_CHARS - 1024;
/// The maximum length of the summary in a report that would be too long otherwise.
const MAX_SUMMARY_CHARS: usize = 8_000;

/// The report, without the details of its largest targets if there is no room for them.
pub(crate) fn fitted(mut report: Report) -> Report {
    let mut bytes = json_bytes(&report);
    if bytes > MAX_REPORT_BYTES {
        report.summary = truncated(report.summary, MAX_SUMMARY_CHARS);
        bytes = json_bytes(&report);
    }
    let mut largest: Vec<_> =
        report.targets.iter_mut().map(|target| (json_bytes(target), target)).collect();
    largest.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let (count, mut left_out) = (largest.len(), 0);
    for (before, target) in largest {
        if bytes <= MAX_REPORT_BYTES {
            break;
        }
        *target = without_details(target);
        bytes = bytes.saturating_sub(before) + json_bytes(target);
        left_out += 1;
    }
    if left_out > 0 {
        report.summary.push_str(&format!(
            "; the details of {left_out} of {count} targets are left out, and the execution's history \
             has them"
        ));
    }
    report
}

/// The name and the cause that a failed execution ends with; `None` for one that succeeded.
///
/// # Errors
/// The report cannot be written as JSON, which is a defect.
pub(crate) fn of(report: &Report) -> Result<Option<(String, String)>, serde_json::Error> {
    if report.outcome != Outcome::Failed {
        return Ok(None);
    }
    Ok(Some((ErrorName::PromotionFailed.to_string(), shortened(report)?)))
}

fn shortened(report: &Report) -> Result<String, serde_json::Error> {
    let whole = serde_json::to_string(report)?;
    if fits(&whole) {
        return Ok(whole);
    }
    let is_failed = |target: &&TargetReport| {
        matches!(target.outcome, TargetOutcome::Failed | TargetOutcome::RolledBack)
    };
    let failed: Vec<_> = report.targets.iter().filter(is_failed).map(without_details).collect();
    let (all, count) = (report.targets.len(), failed.len());
    // The most that fits, by binary search.
    let (mut kept, mut too_many) = (0, count + 1);
    let mut text = with(&failed, 0, all)?;
    while too_many - kept > 1 {
        let middle = kept.midpoint(too_many);
        let longer = with(&failed, middle, all)?;
        if fits(&longer) {
            (kept, text) = (middle, longer);
        } else {
            too_many = middle;
        }
    }
    Ok(text)
}

/// The first `kept` of the targets that failed.
fn with(failed: &[TargetReport], kept: usize, all: usize) -> Result<String, serde_json::Error> {
    let targets: Vec<_> = failed.iter().take(kept).cloned().collect();
    let summary = format!(
        "{} of {all} targets failed; this report has the first {} of them, and the execution's \
         history has the complete report",
        failed.len(),
        targets.len()
    );
    serde_json::to_string(&Report { outcome: Outcome::Failed, summary, targets })
}

/// A target reduced to its name and its error.
fn without_details(target: &TargetReport) -> TargetReport {
    let mut error = target.error.clone();
    if let Some(error) = &mut error {
        error.message = truncated(std::mem::take(&mut error.message), MAX_MESSAGE_CHARS);
    }
    TargetReport {
        pattern: target.pattern,
        name: target.name.clone(),
        outcome: target.outcome,
        images: Vec::new(),
        writes: Vec::new(),
        plan: Rows::default(),
        drift: Vec::new(),
        groups: Rows::default(),
        refresh: Vec::new(),
        unproven: None,
        error,
    }
}

/// Bytes, not characters: never more characters than bytes.
fn fits(text: &str) -> bool {
    text.len() <= MAX_CAUSE_CHARS
}
