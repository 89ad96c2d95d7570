//! An image with both tags has two targets, and neither waits for the other.

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, Report, TargetOutcome, TargetReport};
use contract::target::{Pattern, TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::{Scenario, image};

use crate::support::{event_of, expect, promote};

trials![both_tags_mean_both_targets, one_target_that_fails_does_not_keep_the_other,];

async fn both_tags_mean_both_targets(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let parameter = s.parameter_with_group(&healing.base).await?;
    // A backup would be of one group, which boots from one of the two.
    let stack = healing.stack.name.as_str();
    let tags = [(TAG_PARAMETER_NAME, parameter.name.as_str()), (TAG_STACK_NAME, stack)];
    let image = s.image(&tags).await?;
    let ended = s.driftless.send(&event_of(&image)?).await?.ended().await?;

    let report = expect::report(&ended, Outcome::Promoted)?;
    ensure!(report.targets.len() == 2, "{report:#?}");
    expect::promoted(of(&report, Pattern::Stack)?, &healing, &image)?;
    let written = of(&report, Pattern::Parameter)?;
    ensure!(written.outcome == TargetOutcome::Updated, "{written:#?}");
    ensure!(written.name == parameter.name, "{written:#?}");
    ensure!(parameter.read().await?.value == image, "the parameter is another");
    expect::heals_into(&healing, &image).await
}

async fn one_target_that_fails_does_not_keep_the_other(s: &Scenario) -> Result<()> {
    let parameter = s.parameter_with_group(&image::base(s.cloud()).await?).await?;
    let unknown = s.driftless.stack_name();
    let tags = [(TAG_PARAMETER_NAME, parameter.name.as_str()), (TAG_STACK_NAME, &unknown)];
    let image = s.image(&tags).await?;
    let ended = promote(s, &image).await?;

    let report = expect::report(&ended, Outcome::Failed)?;
    let failed = of(&report, Pattern::Stack)?;
    expect::error(&ended, failed, ErrorName::StackNotFound)?;
    let written = of(&report, Pattern::Parameter)?;
    ensure!(written.outcome == TargetOutcome::Updated, "{written:#?}");
    ensure!(parameter.read().await?.value == image, "the parameter is another");
    for named in [&parameter.name, &unknown] {
        ensure!(report.summary.contains(named), "no {named} in {:?}", report.summary);
    }
    Ok(())
}

/// The report's one target of this pattern.
fn of(report: &Report, pattern: Pattern) -> Result<&TargetReport> {
    let mut found = report.targets.iter().filter(|target| target.pattern == pattern);
    let first = found.next().with_context(|| format!("no {pattern:?} in {report:#?}"))?;
    ensure!(found.next().is_none(), "two targets of {pattern:?} in {report:#?}");
    Ok(first)
}
