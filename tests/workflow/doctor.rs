//! `driftless doctor`: a ready group of each pattern, and one broken group for each row.

use anyhow::{Context, Result, ensure};
use aws_sdk_ssm::types::ParameterType;
use harness::backup::plan;
use harness::cloud::Called;
use harness::{Driftless, Scenario, Stack, cli, image, paths};
use serde_json::Value;

use crate::support::expect;

trials![
    a_group_without_its_prerequisites_is_told_what_to_change,
    a_parameter_that_is_not_for_images_is_told_apart,
    a_parameter_of_a_stack_is_told_apart,
    a_stack_is_read_from_its_template;
    only here, "it needs an account of its own":
    a_ready_group_needs_nothing,
    what_driftless_is_not_deployed_for_is_told,
];

/// The version of the fixture's group.
const NEWEST: &str = "!GetAtt LaunchTemplate.LatestVersionNumber";
/// The exit statuses.
const READY: i32 = 0;
const NOT_READY: i32 = 1;

/// The findings about one target, and the exit status.
async fn doctor(driftless: &Driftless, arguments: &[&str]) -> Result<(Vec<Value>, i32)> {
    let (printed, status) = cli::json(driftless, &[&["doctor"], arguments].concat()).await?;
    let targets = printed["targets"].as_array().cloned().unwrap_or_default();
    let findings = expect::only(targets)?["findings"].as_array().cloned();
    Ok((findings.context("no findings")?, status))
}

/// This row must say what to change, with this text in it.
async fn says(s: &Scenario, arguments: &[&str], check: &str, expected: &str) -> Result<()> {
    let (findings, status) = doctor(&s.driftless, arguments).await?;
    ensure!(status == NOT_READY, "{status}: {findings:#?}");
    let row = findings.iter().find(|one| one["check"] == check && one["verdict"] == "change");
    let row = row.with_context(|| format!("{check} is not to be changed: {findings:#?}"))?;
    let change = row["change"].as_str().unwrap_or_default();
    ensure!(change.contains(expected), "{check}: no {expected:?} in {change:?}");
    Ok(())
}

/// A fixture's template with this in place of that.
fn template(fixture: &str, old: &str, new: &str) -> Result<String> {
    let template = paths::fixture(&format!("stacks/{fixture}.yaml"))?;
    ensure!(template.contains(old), "{old:?} is not in {fixture}");
    Ok(template.replace(old, new))
}

async fn a_ready_group_needs_nothing(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    plan(s.cloud(), "nightly", 35).await?;
    let (parameter, _) = s.parameter_pattern().await?;
    let healing = s.stack_pattern().await?;
    for target in [["--parameter", &parameter.name], ["--stack", &healing.stack.name]] {
        let (findings, status) = doctor(&s.driftless, &target).await?;
        ensure!(status == READY, "{findings:#?}");
        ensure!(findings.iter().all(|one| one["verdict"] == "ok"), "{findings:#?}");
    }
    let output = cli::run(&s.driftless, &["doctor"]).await?;
    let printed = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(READY), "{printed}");
    expect::mentions(&printed, [&parameter.name, &healing.stack.name, ": ready"])
}

async fn a_group_without_its_prerequisites_is_told_what_to_change(s: &Scenario) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let parameter = s.parameter(&base).await?;
    let by_name = ["--parameter", parameter.name.as_str()];
    let line = format!("ImageId: resolve:ssm:{}", parameter.name);
    says(s, &by_name, "group", &line).await?;
    let reads = [("ImageIdParameterName", parameter.name.as_str())];
    s.stack("pinned", &reads).await?;
    says(s, &by_name, "group", &line).await?;

    let (other, healing) = s.parameter_pattern().await?;
    let by_name = ["--parameter", other.name.as_str()];
    says(s, &by_name, "backup plan", "ConditionKey: ImageIdParameterName").await?;
    drop(healing);

    let untagged = template("parameter", "- Key: ImageIdParameterName", "- Key: Name")?;
    let untagged_parameter = s.parameter(&base).await?;
    let reads = [("ImageIdParameterName", untagged_parameter.name.as_str())];
    s.stack_of(&untagged, &reads, &[]).await?;
    let by_name = ["--parameter", untagged_parameter.name.as_str()];
    says(s, &by_name, "tags", "- Key: ImageIdParameterName").await?;
    says(s, &["--parameter", "/elsewhere/web"], "prefix", "ParameterPathPrefix").await?;
    says(s, &["--stack", "elsewhere"], "prefix", "StackNamePrefix").await
}

async fn a_parameter_that_is_not_for_images_is_told_apart(s: &Scenario) -> Result<()> {
    let create = async |kind: ParameterType, value: &str| -> Result<String> {
        let name = s.parameter_to_be().name;
        let request = s.cloud().ssm.put_parameter().name(&name).r#type(kind).value(value);
        request.send().await.called("ssm:PutParameter")?;
        Ok(name)
    };
    for (name, expected) in [
        (s.driftless.parameter_name(), "--data-type aws:ec2:image"),
        (create(ParameterType::String, &image::base(s.cloud()).await?).await?, "--overwrite"),
        (create(ParameterType::StringList, "a,b").await?, "delete-parameter"),
    ] {
        says(s, &["--parameter", &name], "parameter", expected).await?;
    }
    Ok(())
}

async fn a_parameter_of_a_stack_is_told_apart(s: &Scenario) -> Result<()> {
    let name = s.driftless.parameter_name();
    let template = format!(
        "Resources: {{Image: {{Type: 'AWS::SSM::Parameter', Properties: {{Name: '{name}', \
         Type: String, DataType: 'aws:ec2:image', Value: '{}'}}}}}}",
        image::base(s.cloud()).await?
    );
    s.stack_of(&template, &[], &[]).await?;
    says(s, &["--parameter", &name], "outside stacks", "DeletionPolicy: Retain").await
}

async fn a_stack_is_read_from_its_template(s: &Scenario) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let image = [("ImageId", base.as_str())];
    let nowhere = s.driftless.stack_name();
    says(s, &["--stack", &nowhere], "stack", "correct the name").await?;

    let both = [("ImageId", base.as_str()), ("OtherImageId", base.as_str())];
    let ignoring = s.stack("ignores-image", &both).await?;
    says_of(s, &ignoring, "image", "ImageId").await?;

    let fixed = s.stack_of(&template("stack", NEWEST, "'1'")?, &image, &[]).await?;
    says_of(s, &fixed, "version", NEWEST).await?;

    let untagged = template("stack", "- Key: StackName", "- Key: Name")?;
    let untagged = s.stack_of(&untagged, &image, &[]).await?;
    says_of(s, &untagged, "tags", "Value: !Ref AWS::StackName").await?;

    let key =
        "- Key: ImageIdParameterKey\n                Value: Ami\n              - Key: StackName";
    let keyed = s.stack_of(&template("stack", "- Key: StackName", key)?, &image, &[]).await?;
    says_of(s, &keyed, "image parameter", "Ami:\n    Type: AWS::EC2::Image::Id").await?;

    let bucket = "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n";
    let more = s.stack_of(&template("stack", "Resources:\n", bucket)?, &image, &[]).await?;
    says_of(s, &more, "drift detection", "DriftDetectionPolicyArn=").await?;

    let without = "Resources: {Topic: {Type: 'AWS::SNS::Topic'}}";
    let without = s.stack_of(without, &[], &[]).await?;
    says_of(s, &without, "group", "docs/templates/stack.yaml").await
}

async fn says_of(s: &Scenario, stack: &Stack, check: &str, expected: &str) -> Result<()> {
    says(s, &["--stack", &stack.name], check, expected).await
}

async fn what_driftless_is_not_deployed_for_is_told(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[("AllowStackResourceUpdates", "false")]).await?;
    let healing = s.stack_pattern().await?;
    let by_name = ["--stack", healing.stack.name.as_str()];
    says(s, &by_name, "service role", "AllowStackResourceUpdates=true").await?;
    plan(s.cloud(), "short", 2).await?;
    says(s, &by_name, "lifetime", "DeleteAfterDays: 3 or more").await
}
