//! Which of AWS Backup's events start an execution.

use anyhow::{Result, ensure};
use harness::Scenario;
use serde_json::json;

use crate::support::{event, event_of};

trials![
    the_rule_matches_completed_backups_of_instances_and_nothing_else;
    only here, "nobody else may put events in AWS Backup's name":
    an_event_of_another_kind_never_starts_anything,
];

/// Events that are not about a completed backup of an instance, and what the report says of each
/// when an execution is started with it all the same.
pub const OTHERS: [(&str, &str); 7] = [
    ("ebs", "EBS"),
    ("rds", "RDS"),
    ("efs", "EFS"),
    ("created", "CREATED"),
    ("running", "RUNNING"),
    ("copy-job", "Copy Job State Change"),
    ("recovery-point", "Recovery Point State Change"),
];

async fn the_rule_matches_completed_backups_of_instances_and_nothing_else(
    s: &Scenario,
) -> Result<()> {
    ensure!(s.driftless.rule_matches(&event("ec2")?).await?, "a backup of an instance");
    for (other, _) in OTHERS {
        ensure!(!s.driftless.rule_matches(&event(other)?).await?, "{other}");
    }
    let mut failed = event("ec2")?;
    failed["detail"]["state"] = json!("FAILED");
    ensure!(!s.driftless.rule_matches(&failed).await?, "a backup that failed");
    Ok(())
}

async fn an_event_of_another_kind_never_starts_anything(s: &Scenario) -> Result<()> {
    let before = s.driftless.mark().await?;
    let others: Vec<_> =
        OTHERS.into_iter().map(|(other, _)| event(other)).collect::<Result<_>>()?;
    s.driftless.put_all(&others).await?;
    // Events are delivered in order here: once this one has started an execution, the others
    // have started none.
    let untagged = s.image(&[]).await?;
    s.driftless.send(&event_of(&untagged)?).await?.ended().await?;
    let started = s.driftless.have_started(&before, &others).await?;
    ensure!(started.is_empty(), "{started:#?}");
    Ok(())
}
