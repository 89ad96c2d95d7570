//! Pattern 2: templates of every kind, with every kind of parameter.

use anyhow::{Context, Result, ensure};
use aws_sdk_cloudformation::types::{Parameter, TemplateStage};
use contract::ErrorName;
use contract::report::{Outcome, TargetOutcome};
use contract::target::{TAG_PARAMETER_KEY, TAG_STACK_NAME};
use harness::cloud::Called;
use harness::scenario::AutoHealingStack;
use harness::{Scenario, Stack, deploy, image, paths};
use serde_json::json;

use crate::support::deployed::reading;
use crate::support::two_groups::TwoGroups;
use crate::support::{control, expect, promote};

trials![
    an_image_parameter_that_reads_a_parameter_is_written_and_then_updated,
    a_template_with_language_extensions_is_promoted,
    a_group_whose_instances_have_a_role_is_promoted,
    a_group_with_a_rolling_update_is_promoted;
    only here, "on AWS no image fails when it is told to, and there is no bucket for templates":
    one_bad_image_keeps_no_other_group_from_its_own,
    a_template_that_is_too_long_to_be_sent_is_reported,
    a_nested_stack_is_refused_with_its_root,
    the_root_of_a_nested_stack_is_promoted,
    a_template_with_a_macro_of_the_account_is_promoted,
];

const IMAGE_TYPE: &str = "Type: AWS::EC2::Image::Id";
const LANGUAGE_EXTENSIONS: &str = "Transform: AWS::LanguageExtensions\n";

/// The template of pattern 2, with this in place of that.
fn template(old: &str, new: &str) -> Result<String> {
    let template = paths::fixture("stacks/stack.yaml")?;
    ensure!(template.matches(old).count() == 1, "{old:?} is not in the template once");
    Ok(template.replace(old, new))
}

pub async fn an_image_parameter_that_reads_a_parameter_is_written_and_then_updated(
    s: &Scenario,
) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let parameter = s.parameter(&base).await?;
    let before = parameter.read().await?;
    let reads = "Type: AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>";
    let values = [("ImageId", parameter.name.as_str())];
    let stack = s.stack_of(&template(IMAGE_TYPE, reads)?, &values, &[]).await?;
    let healing = AutoHealingStack::of(stack, base).await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)?;
    let write = expect::only(target.writes)?;
    ensure!(write.parameter_name.as_str() == parameter.name, "{write:#?}");
    let versions = write.phase.versions().context("it was not polled")?;
    ensure!(versions.previous_version == before.version && versions.written, "{write:#?}");
    ensure!(parameter.read().await?.value == backup.image, "the parameter is another");
    // The stack's own value is the name still.
    ensure!(healing.stack.parameter("ImageId").await? == parameter.name, "it reads another");
    ensure!(healing.stack.updates().await? == 1, "not one update");
    expect::heals_into(&healing, &backup.image).await
}

pub async fn a_template_with_language_extensions_is_promoted(s: &Scenario) -> Result<()> {
    let body = template("\nParameters:", &format!("\n{LANGUAGE_EXTENSIONS}\nParameters:"))?;
    let healing = extended(s, &body).await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, &healing, &backup.image)?;
    ensure!(original(s, &healing.stack).await? == body, "the template is another");
    expect::heals_into(&healing, &backup.image).await
}

/// The template is sent, so it is the caller who must be allowed to use the account's macro.
async fn a_template_with_a_macro_of_the_account_is_promoted(s: &Scenario) -> Result<()> {
    let transforms = "\nTransform: [AWS::LanguageExtensions, Ours]\n\nParameters:";
    let healing = extended(s, &template("\nParameters:", transforms)?).await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, &healing, &backup.image)
}

/// CloudFormation replaces the instance, and suspends the group's processes meanwhile.
pub async fn a_group_with_a_rolling_update_is_promoted(s: &Scenario) -> Result<()> {
    const GROUP: &str = "    Type: AWS::AutoScaling::AutoScalingGroup\n";
    const POLICY: &str = "    UpdatePolicy:
      AutoScalingRollingUpdate:
        MinInstancesInService: 0
        SuspendProcesses: [AlarmNotification]
";
    let (base, body) =
        (image::base(s.cloud()).await?, template(GROUP, &format!("{GROUP}{POLICY}"))?);
    let stack = s.stack_of(&body, &[("ImageId", &base)], &[]).await?;
    let healing = AutoHealingStack::of(stack, base).await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, &healing, &backup.image)?;
    let instance = healing.group.instance().await?;
    ensure!(instance.image == backup.image, "it runs {}", instance.image);
    Ok(())
}

/// Drift detection reads the role with the caller's permissions.
async fn a_group_whose_instances_have_a_role_is_promoted(s: &Scenario) -> Result<()> {
    promotes_with_a_role(&reading(s).await?).await
}

pub async fn promotes_with_a_role(s: &Scenario) -> Result<()> {
    const ROLE: &str = "
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}
  Profile:
    Type: AWS::IAM::InstanceProfile
    Properties: {Roles: [!Ref Role]}
";
    let template = template("\nResources:\n", ROLE)?;
    let image_id = "        ImageId: !Ref ImageId\n";
    ensure!(template.matches(image_id).count() == 1, "the image is not in the template once");
    let profile = format!("{image_id}        IamInstanceProfile: {{Arn: !GetAtt Profile.Arn}}\n");
    let (template, base) = (template.replace(image_id, &profile), image::base(s.cloud()).await?);
    let stack = s.stack_of(&template, &[("ImageId", &base)], &["CAPABILITY_IAM"]).await?;
    let healing = AutoHealingStack::of(stack, base).await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    expect::promoted(&expect::target(&ended, Outcome::Promoted)?, &healing, &backup.image)?;
    expect::heals_into(&healing, &backup.image).await
}

/// A stack whose template is expanded.
async fn extended(s: &Scenario, body: &str) -> Result<AutoHealingStack> {
    let base = image::base(s.cloud()).await?;
    let stack = s.stack_of(body, &[("ImageId", &base)], &["CAPABILITY_AUTO_EXPAND"]).await?;
    AutoHealingStack::of(stack, base).await
}

/// The template as it was given.
async fn original(s: &Scenario, stack: &Stack) -> Result<String> {
    let request = s.cloud().cloudformation.get_template().stack_name(&stack.name);
    let answer = request.template_stage(TemplateStage::Original).send().await;
    answer.called("cloudformation:GetTemplate")?.template_body.context("no template")
}

async fn a_template_that_is_too_long_to_be_sent_is_reported(s: &Scenario) -> Result<()> {
    let comment = "# What makes it too long.\n".repeat(2000);
    let begin = format!("\n{comment}{LANGUAGE_EXTENSIONS}\nParameters:");
    let address = deploy::upload(s.cloud(), &template("\nParameters:", &begin)?).await?;
    let (stack, base) = (s.stack_to_be(), image::base(s.cloud()).await?);
    let create = s.cloud().cloudformation.create_stack().stack_name(&stack.name);
    let image = Parameter::builder().parameter_key("ImageId").parameter_value(base);
    let create = create.template_url(address).parameters(image.build());
    let create = create.capabilities("CAPABILITY_AUTO_EXPAND".into());
    create.send().await.called("cloudformation:CreateStack")?;
    ensure!(stack.settled().await? == "CREATE_COMPLETE", "it was not made");

    let image = s.image(&[(TAG_STACK_NAME, &stack.name)]).await?;
    let ended = promote(s, &image).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::TemplateTooLong)?;
    expect::mentions(message, [stack.name.as_str(), "AWS::LanguageExtensions", "51200"])?;
    ensure!(stack.updates().await? == 0, "it was updated");
    Ok(())
}

/// A stack whose group is in a stack that is nested in it.
struct Nested {
    root: Stack,
    healing: AutoHealingStack,
}

async fn nested(s: &Scenario) -> Result<Nested> {
    let address = deploy::upload(s.cloud(), &paths::fixture("stacks/stack.yaml")?).await?;
    let template = format!(
        "
Parameters:
  GoldenImage: {{Type: AWS::EC2::Image::Id}}
Resources:
  Child:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: {address}
      Parameters: {{ImageId: !Ref GoldenImage}}
"
    );
    let base = image::base(s.cloud()).await?;
    let root = s.stack_of(&template, &[("GoldenImage", &base)], &[]).await?;
    let child = root.resource("Child").await?;
    let name = child.split('/').nth(1).context("a stack's id is its ARN")?;
    let healing = AutoHealingStack::of(Stack::by_name(s.cloud(), name), base).await?;
    Ok(Nested { root, healing })
}

async fn a_nested_stack_is_refused_with_its_root(s: &Scenario) -> Result<()> {
    let Nested { root, healing } = nested(s).await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    ensure!(target.name == healing.stack.name, "{target:#?}");
    let message = expect::error(&ended, &target, ErrorName::StackNested)?;
    expect::mentions(message, [&root.name, &healing.stack.name])?;
    ensure!(healing.stack.updates().await? == 0, "it was updated");
    Ok(())
}

async fn the_root_of_a_nested_stack_is_promoted(s: &Scenario) -> Result<()> {
    let Nested { root, healing } = nested(s).await?;
    let tags = [(TAG_STACK_NAME, root.name.as_str()), (TAG_PARAMETER_KEY, "GoldenImage")];
    let backup = s.backup_with(&healing.instance, &tags).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    // Of the root, which has a nested stack only, nothing can be compared; of the nested stack it is.
    let target = expect::target(&ended, Outcome::Promoted)?;
    ensure!(target.name == root.name && target.outcome == TargetOutcome::Updated, "{target:#?}");
    let stacks: Vec<_> = target.drift.iter().map(|stack| stack.stack_name.as_str()).collect();
    ensure!(stacks == [root.name.as_str(), healing.stack.name.as_str()], "{target:#?}");
    let group = expect::only(target.groups.rows)?;
    ensure!(group.boots.as_ref() == Some(&backup.image), "{group:#?}");
    ensure!(root.updates().await? == 1, "not one update");
    // The root does not wait for its child's cleanup.
    healing.stack.settled().await?;
    expect::heals_into(&healing, &backup.image).await
}

async fn one_bad_image_keeps_no_other_group_from_its_own(s: &Scenario) -> Result<()> {
    let TwoGroups { stack, web, web_instance, worker_instance, base, .. } =
        TwoGroups::new(s).await?;
    let good = s.backup(&web_instance).await?;
    let bad = s.backup(&worker_instance).await?;
    control(s)?.adjust_image(&bad.image, &json!({"State": "failed"})).await?;
    let ended = s.driftless.send(&good.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let error = target.error.context("a failed target without an error")?;
    ensure!(error.catalogued() == Some(ErrorName::ImageRejected), "{error:#?}");
    for named in ["WorkerImageId", &bad.image, "state is failed, not available"] {
        ensure!(error.message.contains(named), "no {named:?} in {error:#?}");
    }
    let decision = expect::only(target.images)?;
    ensure!(decision.parameter == "WebImageId", "{decision:#?}");
    ensure!(decision.after.as_str() == good.image, "{decision:#?}");
    ensure!(stack.parameter("WorkerImageId").await? == base, "the bad image is in");
    let healed = web.heal().await?;
    ensure!(healed.image == good.image, "healed into {}, not {}", healed.image, good.image);
    expect::in_sync(&stack).await
}
