//! A promotion is proved: the stack in sync, **and** its group booting the image. Either may fail.

use anyhow::{Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::steps::DriftStatus;
use harness::cloud::Called;
use harness::paths;
use harness::{Scenario, image, naive};
use serde_json::json;

use crate::support::deployed::careful;
use crate::support::expect;

trials![
    drift_made_by_hand_is_reported_with_the_difference,
    a_launch_template_changed_by_hand_is_drift,
    a_template_that_ignores_the_parameter_is_found_out,
    a_group_that_is_scaled_to_zero_is_proved,
    a_parameters_group_that_is_scaled_to_zero_is_proved_with_its_stack,
    a_parameter_that_no_launch_template_reads_is_not_proved,
    a_template_that_ignores_the_parameter_is_not_proved_without_an_instance,
    an_override_that_boots_another_image_is_found_out,
    old_drift_does_not_put_a_good_promotion_back,
];

/// A fixture whose group has no instance, as one whose instance has just died.
fn without_an_instance(fixture: &str) -> Result<String> {
    let template = paths::fixture(&format!("stacks/{fixture}.yaml"))?;
    let asleep = template.replace("MinSize: \"1\"", "MinSize: \"0\"");
    ensure!(asleep != template, "{fixture} has no MinSize of 1");
    Ok(asleep)
}

async fn drift_made_by_hand_is_reported_with_the_difference(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let update = s.cloud().autoscaling.update_auto_scaling_group();
    let update = update.auto_scaling_group_name(&healing.group.name).max_size(2);
    update.send().await.called("autoscaling:UpdateAutoScalingGroup")?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::DriftDetected)?;
    ensure!(message.contains("/MaxSize"), "{message}");
    let drift = expect::drift(&target)?;
    ensure!(drift.status == DriftStatus::Drifted, "{drift:#?}");
    let found = expect::only(drift.differences.to_vec())?;
    let found = [found.logical_id, found.path, found.expected, found.actual];
    ensure!(found == ["Group", "/MaxSize", "1", "2"], "{found:?}");
    // The promotion itself is not rolled back: the drift needs a person.
    ensure!(parameter.read().await?.value == backup.image, "the parameter is another");
    Ok(())
}

async fn a_launch_template_changed_by_hand_is_drift(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    expect::target(&s.driftless.send(&backup.event()).await?.ended().await?, Outcome::Promoted)?;
    let other = s.image(&[]).await?;
    naive::promote(s.cloud(), &healing.group, &other).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::DriftDetected)?;
    ensure!(message.contains("/LaunchTemplate/Version"), "{message}");
    // Both halves of the proof fail, and both are reported.
    let group = expect::only(target.groups.rows)?;
    ensure!(group.expected.as_str() == backup.image, "{group:#?}");
    ensure!(group.boots.as_ref() == Some(&other), "{group:#?}");
    Ok(())
}

async fn a_template_that_ignores_the_parameter_is_found_out(s: &Scenario) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let parameters = [("ImageId", base.as_str()), ("OtherImageId", base.as_str())];
    let stack = s.stack("ignores-image", &parameters).await?;
    let instance = stack.group().await?.instance().await?;
    let backup = s.backup(&instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::LaunchImageMismatch)?;
    expect::mentions(message, [&base, &backup.image])?;
    // CloudFormation alone would have called this a success.
    let drift = expect::drift(&target)?;
    ensure!(drift.status == DriftStatus::InSync, "{drift:#?}");
    ensure!(stack.parameter("ImageId").await? == backup.image, "the update did not happen");
    Ok(())
}

async fn a_group_that_is_scaled_to_zero_is_proved(s: &Scenario) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let template = without_an_instance("stack")?;
    let stack = s.stack_of(&template, &[("ImageId", &base)], &[]).await?;
    let image = s.image(&[("StackName", &stack.name)]).await?;
    let input = json!({"imageId": image});
    let ended = s.driftless.start(&input).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    let group = expect::only(target.groups.rows)?;
    ensure!(group.group_name == stack.resource("Group").await?, "{group:#?}");
    ensure!(group.boots.as_ref() == Some(&image), "{group:#?}");
    Ok(())
}

async fn a_parameters_group_that_is_scaled_to_zero_is_proved_with_its_stack(
    s: &Scenario,
) -> Result<()> {
    let parameter = s.parameter(&image::base(s.cloud()).await?).await?;
    let template = without_an_instance("parameter")?;
    let stack = s.stack_of(&template, &[("ImageIdParameterName", &parameter.name)], &[]).await?;
    let image = s.image(&[("ImageIdParameterName", &parameter.name)]).await?;
    let ended = s.driftless.start(&json!({"imageId": image})).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    ensure!(expect::drift(&target)?.status == DriftStatus::InSync, "{target:#?}");
    ensure!(target.drift[0].stack_name.as_str() == stack.name, "{target:#?}");
    let group = expect::only(target.groups.rows)?;
    ensure!(group.group_name == stack.resource("Group").await?, "{group:#?}");
    ensure!(group.boots.as_ref() == Some(&image), "{group:#?}");
    Ok(())
}

async fn a_parameter_that_no_launch_template_reads_is_not_proved(s: &Scenario) -> Result<()> {
    let parameter = s.parameter(&image::base(s.cloud()).await?).await?;
    let image = s.image(&[("ImageIdParameterName", &parameter.name)]).await?;
    let ended = s.driftless.start(&json!({"imageId": image})).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Unproven)?;
    let reason = target.unproven.unwrap_or_default();
    ensure!(reason.starts_with("no Auto Scaling group was found"), "{reason}");
    ensure!(parameter.read().await?.value == image, "it was not written");
    Ok(())
}

async fn a_template_that_ignores_the_parameter_is_not_proved_without_an_instance(
    s: &Scenario,
) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let other = s.image(&[]).await?;
    let template = without_an_instance("ignores-image")?;
    let parameters = [("ImageId", base.as_str()), ("OtherImageId", other.as_str())];
    let stack = s.stack_of(&template, &parameters, &[]).await?;
    let image = s.image(&[("StackName", &stack.name)]).await?;
    let input = json!({"imageId": image});
    let ended = s.driftless.start(&input).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Unproven)?;
    ensure!(
        target.outcome == TargetOutcome::Unproven && target.groups.rows.is_empty(),
        "{target:#?}"
    );
    let reason = target.unproven.unwrap_or_default();
    ensure!(reason.starts_with("no Auto Scaling group was found"), "{reason}");
    ensure!(stack.parameter("ImageId").await? == image, "the update did not happen");
    Ok(())
}

/// druids/terraform-aws-asg-instance-refresh#15: an override with a launch template of its own.
async fn an_override_that_boots_another_image_is_found_out(s: &Scenario) -> Result<()> {
    const PLAIN: &str = "      LaunchTemplate:
        LaunchTemplateId: !Ref LaunchTemplate
        Version: !GetAtt LaunchTemplate.LatestVersionNumber
";
    const MIXED: &str = "      MixedInstancesPolicy:
        LaunchTemplate:
          LaunchTemplateSpecification:
            LaunchTemplateId: !Ref LaunchTemplate
            Version: !GetAtt LaunchTemplate.LatestVersionNumber
          Overrides:
            - InstanceType: t3.micro
            - InstanceType: t3.small
              LaunchTemplateSpecification:
                LaunchTemplateId: !Ref Fixed
                Version: !GetAtt Fixed.LatestVersionNumber
";
    let base = image::base(s.cloud()).await?;
    let template = without_an_instance("stack")?;
    ensure!(template.contains(PLAIN), "the fixture's group is another");
    let fixed = format!(
        "Resources:
  Fixed:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData:
        ImageId: {base}
        InstanceType: t3.small
"
    );
    let template = template.replace(PLAIN, MIXED).replace("Resources:\n", &fixed);
    let stack = s.stack_of(&template, &[("ImageId", &base)], &[]).await?;
    let image = s.image(&[("StackName", &stack.name)]).await?;
    let input = json!({"imageId": image});
    let ended = s.driftless.start(&input).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::LaunchImageMismatch)?;
    expect::mentions(message, [&base, &image])
}

/// coverage-roadmap#1199, #2138: drift that AWS itself makes, and that stays.
async fn old_drift_does_not_put_a_good_promotion_back(s: &Scenario) -> Result<()> {
    let s = &careful(s).await?;
    let healing = s.stack_pattern().await?;
    let update = s.cloud().autoscaling.update_auto_scaling_group();
    let update = update.auto_scaling_group_name(&healing.group.name).max_size(2);
    update.send().await.called("autoscaling:UpdateAutoScalingGroup")?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    let drift = expect::drift(&target)?;
    ensure!(drift.differences.iter().all(|found| found.before), "{drift:#?}");
    ensure!(healing.stack.parameter("ImageId").await? == backup.image, "it was put back");
    Ok(())
}
