//! AWS Backup is asked about an image, so that it gets the same verdict whatever the trigger, and an
//! image that AWS Backup deletes soon is neither promoted nor left in place in silence.

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetReport};
use contract::steps::Verdict;
use harness::image::Parameter;
use harness::scenario::AutoHealingStack;
use harness::{Backup, Ended, Scenario};
use serde_json::{Value, json};

use crate::support::{control, expect};

trials![
    ;
    only here, "only AWS Backup makes its jobs and recovery points":
    a_bad_backup_is_refused_by_event_by_hand_and_by_target,
    a_bad_backup_leaves_the_one_before_it_whatever_the_trigger,
    issues_that_say_nothing_against_the_image_pass_and_are_reported,
    which_messages_are_harmful_is_a_parameter,
    aws_backup_is_asked,
    an_empty_message_is_none_and_an_unknown_job_is_reported,
    where_aws_backup_may_not_be_asked_the_report_says_so,
    an_image_that_is_deleted_soon_is_passed_over,
    an_image_in_place_that_is_deleted_soon_fails_the_target_until_a_newer_one_passes,
    a_short_lifetime_is_permitted_by_a_parameter,
];

/// AWS Backup developer guide, "Windows VSS backups": the job is COMPLETED all the same.
const VSS: &str = "Windows VSS Backup Job Error encountered, trying for regular backup";
/// ministryofjustice/modernisation-platform#10069.
const NETWORK: &str = "We are unable to persist NetworkInterfaces metadata for this backup";

/// The group and a backup of its instance, of which AWS Backup says this.
async fn backed_up(s: &Scenario, says: &Value) -> Result<(Parameter, AutoHealingStack, Backup)> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    control(s)?.add_backup(&backup.image, says).await?;
    Ok((parameter, healing, backup))
}

/// Every trigger that can lead to this backup.
fn triggers(backup: &Backup, parameter: &Parameter) -> [(&'static str, Value); 3] {
    [
        ("event", backup.event()),
        ("hand", json!({"imageId": backup.image})),
        ("target", json!({"target": {"parameterName": parameter.name}})),
    ]
}

/// The verdict of a check on the image that was chosen.
pub fn verdict(target: &TargetReport, check: &str) -> Result<Verdict> {
    let decision = expect::only(target.images.clone())?;
    let mut verdicts = decision.checks.into_iter();
    verdicts.find(|verdict| verdict.check == check).with_context(|| format!("no {check}"))
}

async fn promoted(s: &Scenario, backup: &Backup) -> Result<TargetReport> {
    let ended = s.driftless.start(&json!({"imageId": backup.image})).await?.ended().await?;
    expect::target(&ended, Outcome::Promoted)
}

async fn a_bad_backup_is_refused_by_event_by_hand_and_by_target(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let says = json!({"StatusMessage": VSS, "MessageCategory": "VSS_ERROR"});
    let (parameter, healing, backup) = backed_up(s, &says).await?;
    for (trigger, input) in triggers(&backup, &parameter) {
        let ended = s.driftless.start(&input).await?.ended().await?;
        let target = expect::target(&ended, Outcome::Failed)?;
        let message = expect::error(&ended, &target, ErrorName::ImageRejected)?;
        let said = format!("{}: backup is completed with issues: {VSS}", backup.image);
        ensure!(message.contains(&said), "{trigger}: no {said:?} in {message:?}");
        ensure!(parameter.read().await?.value == healing.base, "{trigger}: it was written");
    }
    Ok(())
}

async fn a_bad_backup_leaves_the_one_before_it_whatever_the_trigger(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let (parameter, healing) = s.parameter_pattern().await?;
    let before = s.backup(&healing.instance).await?;
    let backup = s.backup(&healing.instance).await?;
    control(s)?.add_backup(&backup.image, &json!({"StatusMessage": VSS})).await?;
    for (trigger, input) in triggers(&backup, &parameter).into_iter().filter(|(t, _)| *t != "hand")
    {
        parameter.write(&healing.base).await?;
        let ended = s.driftless.start(&input).await?.ended().await?;
        let target = expect::target(&ended, Outcome::Promoted)?;
        let rejected = expect::only(expect::only(target.images)?.rejected.rows)?;
        ensure!(rejected.image_id.as_str() == backup.image, "{trigger}: {rejected:#?}");
        ensure!(parameter.read().await?.value == before.image, "{trigger}: another is in place");
    }
    expect::heals_into(&healing, &before.image).await
}

async fn issues_that_say_nothing_against_the_image_pass_and_are_reported(
    s: &Scenario,
) -> Result<()> {
    let says = json!({"StatusMessage": NETWORK, "MessageCategory": "PARTIAL_METADATA"});
    let (_, healing, backup) = backed_up(s, &says).await?;
    let target = promoted(s, &backup).await?;
    let verdict = verdict(&target, "backup")?;
    let said = format!("completed, with a message: {NETWORK}");
    ensure!(verdict.passed && verdict.actual == said, "{verdict:#?}");
    expect::heals_into(&healing, &backup.image).await
}

async fn which_messages_are_harmful_is_a_parameter(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[("HarmfulBackupMessages", "networkinterfaces, PARTIAL_")]).await?;
    for says in [
        json!({"StatusMessage": NETWORK}),
        json!({"StatusMessage": "x", "MessageCategory": "PARTIAL_METADATA"}),
    ] {
        let (_, _, backup) = backed_up(s, &says).await?;
        let ended = s.driftless.send(&backup.event()).await?.ended().await?;
        let target = expect::target(&ended, Outcome::Failed)?;
        expect::error(&ended, &target, ErrorName::ImageRejected)?;
    }
    let (_, _, backup) = backed_up(s, &json!({"StatusMessage": VSS})).await?;
    promoted(s, &backup).await.map(drop)
}

async fn an_empty_message_is_none_and_an_unknown_job_is_reported(s: &Scenario) -> Result<()> {
    let (_, _, backup) = backed_up(s, &json!({"StatusMessage": "  "})).await?;
    let said = verdict(&promoted(s, &backup).await?, "backup")?;
    ensure!(said.actual == "completed", "{said:#?}");

    // AWS Backup keeps jobs for 30 days.
    let (_, _, backup) = backed_up(s, &json!({"CreationDate": "2020-01-01T00:00:00Z"})).await?;
    let said = verdict(&promoted(s, &backup).await?, "backup")?;
    ensure!(
        said.passed && said.actual.starts_with("not known: AWS Backup has no job"),
        "{said:#?}"
    );
    Ok(())
}

/// What AWS Backup says of a backup without issues. It fails without the permission to ask.
pub async fn aws_backup_is_asked(s: &Scenario) -> Result<()> {
    let (_, _, backup) = backed_up(s, &json!({"DeleteAfterDays": 35})).await?;
    let target = promoted(s, &backup).await?;
    let said = verdict(&target, "backup")?;
    ensure!(said.passed && said.actual == "completed", "{said:#?}");
    let said = verdict(&target, "lifetime")?;
    ensure!(said.passed && said.actual.starts_with("until 20"), "{said:#?}");
    Ok(())
}

async fn where_aws_backup_may_not_be_asked_the_report_says_so(s: &Scenario) -> Result<()> {
    let (_, _, backup) = backed_up(s, &json!({})).await?;
    let fault = json!({
        "service": "backup", "action": "ListBackupJobs", "kind": "error", "rate": 1,
        "code": "AccessDeniedException", "status": 403, "match": backup.instance,
    });
    let fault = control(s)?.add_fault(&fault).await?;
    let target = promoted(s, &backup).await;
    control(s)?.remove_fault(fault).await?;
    let said = verdict(&target?, "backup")?;
    ensure!(said.passed, "{said:#?}");
    expect::mentions(&said.actual, ["not known: ", "backup:ListBackupJobs is denied"])
}

async fn an_image_that_is_deleted_soon_is_passed_over(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let before = s.backup(&healing.instance).await?;
    for (says, ends) in [
        (json!({"DeleteAfterDays": 1}), "lifetime is until 20"),
        (
            json!({"DeleteAfterEvent": "DELETE_AFTER_COPY"}),
            "lifetime is until AWS Backup has copied",
        ),
    ] {
        parameter.write(&healing.base).await?;
        let backup = s.backup(&healing.instance).await?;
        control(s)?.add_backup(&backup.image, &says).await?;
        let ended = s.driftless.send(&backup.event()).await?.ended().await?;
        let report = expect::report(&ended, Outcome::Promoted)?;
        let because = format!("{}: {ends}", backup.image);
        ensure!(report.summary.contains(&because), "no {because:?} in {:?}", report.summary);
        ensure!(parameter.read().await?.value == before.image, "another is in place");
    }
    expect::heals_into(&healing, &before.image).await
}

async fn an_image_in_place_that_is_deleted_soon_fails_the_target_until_a_newer_one_passes(
    s: &Scenario,
) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let in_place = s.backup(&healing.instance).await?;
    promoted(s, &in_place).await?;
    // Its job is older than AWS Backup remembers, its recovery point is not.
    let says = json!({"DeleteAfterDays": 1});
    control(s)?.add_backup(&in_place.image, &says).await?;
    let by_target = json!({"target": {"parameterName": parameter.name}});
    let run = async || s.driftless.start(&by_target).await?.ended().await;
    is_expiring(&run().await?, [&in_place.image, "lasts until 20"])?;

    let bad = s.backup(&healing.instance).await?;
    control(s)?.add_backup(&bad.image, &json!({"StatusMessage": VSS})).await?;
    let ended = s.driftless.send(&bad.event()).await?.ended().await?;
    is_expiring(&ended, [&bad.image, "completed with issues"])?;
    ensure!(parameter.read().await?.value == in_place.image, "it was written");

    let good = s.backup(&healing.instance).await?;
    expect::target(&run().await?, Outcome::Promoted)?;
    ensure!(parameter.read().await?.value == good.image, "another is in place");
    Ok(())
}

fn is_expiring(ended: &Ended, said: [&str; 2]) -> Result<()> {
    let target = expect::target(ended, Outcome::Failed)?;
    expect::mentions(expect::error(ended, &target, ErrorName::ImageExpiring)?, said)
}

async fn a_short_lifetime_is_permitted_by_a_parameter(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[("MinimumLifetimeHours", "12")]).await?;
    let (_, _, backup) = backed_up(s, &json!({"DeleteAfterDays": 1})).await?;
    let said = verdict(&promoted(s, &backup).await?, "lifetime")?;
    ensure!(said.passed && said.expected == "at least 12 hours", "{said:#?}");
    Ok(())
}
