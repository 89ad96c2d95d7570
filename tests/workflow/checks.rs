//! The checks that an image must pass: one test for each row of the table of checks, and that all
//! rows are in the report.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::Outcome;
use contract::steps::DecisionOutcome;
use harness::Scenario;
use harness::cloud::Called;
use harness::image::Parameter;
use serde_json::{Value, json};

use crate::support::deployed::choosy;
use crate::support::{control, expect, promotable, promote};

trials![
    a_disabled_image_is_rejected;
    only here, "only AWS itself changes what an image is":
    all_checks_are_in_the_report,
    a_failed_image_is_rejected,
    an_image_of_another_account_is_rejected,
    a_deprecated_image_is_rejected,
    a_public_image_is_rejected,
    an_image_in_an_instance_store_is_rejected,
    an_image_whose_snapshot_is_gone_is_rejected,
    a_backup_with_issues_is_rejected,
    a_backup_with_issues_leaves_the_one_before_it,
    an_image_of_another_architecture_is_rejected,
    an_image_of_another_virtualization_is_rejected,
    an_image_of_another_boot_mode_is_rejected,
    an_image_that_the_instance_type_does_not_boot_is_rejected,
    an_image_encrypted_with_another_key_is_rejected,
    checks_are_turned_off_by_name,
];

/// The table, in the order of the report.
const CHECKS: [&str; 13] = [
    "state",
    "owner",
    "deprecated",
    "public",
    "rootDevice",
    "snapshots",
    "backup",
    "lifetime",
    "architecture",
    "virtualization",
    "bootMode",
    "instanceType",
    "encryption",
];

/// AWS Backup's message for a job that is COMPLETED with issues.
const ISSUES: &str = "Windows VSS Backup Job Error encountered, trying for regular backup";

async fn all_checks_are_in_the_report(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    for image in [&healing.base, &backup.image] {
        // Not every image has a boot mode or a key.
        let told = json!({"BootMode": "uefi", "KmsKeyId": "backups"});
        control(s)?.adjust_image(image, &told).await?;
    }
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)?;
    let checks = expect::only(target.images)?.checks;
    let names: Vec<_> = checks.iter().map(|verdict| verdict.check.as_str()).collect();
    ensure!(names == CHECKS, "{names:?}");
    Ok(())
}

async fn a_disabled_image_is_rejected(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let disabled = s.cloud().ec2.disable_image().image_id(&image).send().await;
    disabled.called("ec2:DisableImage")?;
    is_rejected(s, &image, &parameter, "state is disabled, not available").await
}

async fn a_failed_image_is_rejected(s: &Scenario) -> Result<()> {
    let reason = json!({"Code": "Client.SnapshotError", "Message": "the snapshot failed"});
    let members = json!({"State": "failed", "StateReason": reason});
    row(s, &members, &json!({}), "state is failed, not available").await
}

async fn an_image_of_another_account_is_rejected(s: &Scenario) -> Result<()> {
    let verdict = format!("owner is 444455556666, not {}", s.cloud().account());
    row(s, &json!({"OwnerId": "444455556666"}), &json!({}), &verdict).await
}

async fn a_deprecated_image_is_rejected(s: &Scenario) -> Result<()> {
    let members = json!({"DeprecationTime": "2020-01-01T00:00:00.000Z"});
    let verdict = "deprecated is true (since 2020-01-01T00:00:00.000Z), not false";
    row(s, &members, &json!({}), verdict).await
}

async fn a_public_image_is_rejected(s: &Scenario) -> Result<()> {
    row(s, &json!({"Public": true}), &json!({}), "public is true, not false").await
}

async fn an_image_in_an_instance_store_is_rejected(s: &Scenario) -> Result<()> {
    let verdict = "rootDevice is instance-store, not ebs";
    row(s, &json!({"RootDeviceType": "instance-store"}), &json!({}), verdict).await
}

async fn an_image_whose_snapshot_is_gone_is_rejected(s: &Scenario) -> Result<()> {
    row(s, &json!({"SnapshotMissing": true}), &json!({}), "snapshots is missing (snap-").await
}

async fn an_image_of_another_architecture_is_rejected(s: &Scenario) -> Result<()> {
    let verdict = "architecture is arm64, not x86_64";
    row(s, &json!({"Architecture": "arm64"}), &json!({}), verdict).await
}

async fn an_image_of_another_virtualization_is_rejected(s: &Scenario) -> Result<()> {
    let verdict = "virtualization is paravirtual, not hvm";
    row(s, &json!({"VirtualizationType": "paravirtual"}), &json!({}), verdict).await
}

async fn an_image_of_another_boot_mode_is_rejected(s: &Scenario) -> Result<()> {
    let (image, in_place) = (json!({"BootMode": "uefi"}), json!({"BootMode": "legacy-bios"}));
    row(s, &image, &in_place, "bootMode is uefi, not legacy-bios").await
}

async fn an_image_encrypted_with_another_key_is_rejected(s: &Scenario) -> Result<()> {
    let (image, in_place) = (json!({"KmsKeyId": "theirs"}), json!({"KmsKeyId": "ours"}));
    row(s, &image, &in_place, ":key/theirs (Auto Scaling's service-linked role needs a grant").await
}

async fn an_image_that_the_instance_type_does_not_boot_is_rejected(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    for image in [&healing.base, &backup.image] {
        control(s)?.adjust_image(image, &json!({"Architecture": "arm64"})).await?;
    }
    let verdict = "instanceType is arm64, not x86_64 (t3.micro)";
    is_rejected(s, &backup.image, &parameter, verdict).await
}

async fn a_backup_with_issues_is_rejected(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let before = parameter.read().await?;
    control(s)?.add_backup(&backup.image, &json!({"StatusMessage": ISSUES})).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ImageRejected)?;
    let verdict = format!("backup is completed with issues: {ISSUES}, not completed");
    ensure!(message.contains(&verdict), "no {verdict:?} in {message:?}");
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn a_backup_with_issues_leaves_the_one_before_it(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let before = s.backup(&healing.instance).await?;
    let backup = s.backup(&healing.instance).await?;
    control(s)?.add_backup(&backup.image, &json!({"StatusMessage": ISSUES})).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let report = expect::report(&ended, Outcome::Promoted)?;
    let because = format!("not a newer image because {}: backup is completed with", backup.image);
    ensure!(report.summary.contains(&because), "no {because:?} in {:?}", report.summary);
    expect::promoted(&expect::only(report.targets)?, &healing, &before.image)?;
    ensure!(parameter.read().await?.value == before.image, "the parameter is another");
    Ok(())
}

async fn checks_are_turned_off_by_name(s: &Scenario) -> Result<()> {
    let s = &choosy(s).await?;
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let deprecated = json!({"DeprecationTime": "2020-01-01T00:00:00.000Z"});
    control(s)?.adjust_image(&backup.image, &deprecated).await?;
    control(s)?.add_backup(&backup.image, &json!({"StatusMessage": ISSUES})).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let decision = expect::only(expect::target(&ended, Outcome::Promoted)?.images)?;
    ensure!(decision.outcome == DecisionOutcome::Promote, "{decision:#?}");
    ensure!(decision.after.as_str() == backup.image, "{decision:#?}");
    let names: Vec<_> = decision.checks.iter().map(|verdict| verdict.check.as_str()).collect();
    ensure!(names.contains(&"state"), "the others are off too: {names:?}");
    ensure!(!names.contains(&"deprecated") && !names.contains(&"backup"), "{names:?}");
    Ok(())
}

/// An image that is like this, where one is in place that is like that.
async fn row(s: &Scenario, image: &Value, in_place: &Value, verdict: &str) -> Result<()> {
    let (parameter, id) = promotable(s).await?;
    let current = parameter.read().await?.value;
    control(s)?.adjust_image(&id, image).await?;
    control(s)?.adjust_image(&current, in_place).await?;
    is_rejected(s, &id, &parameter, verdict).await
}

/// An image like this must not get into a parameter, and the verdict says why.
async fn is_rejected(
    s: &Scenario,
    image: &str,
    parameter: &Parameter,
    verdict: &str,
) -> Result<()> {
    let before = parameter.read().await?;
    let ended = promote(s, image).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ImageRejected)?;
    expect::mentions(message, [image, verdict])?;
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}
