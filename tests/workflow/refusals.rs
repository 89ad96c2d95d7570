//! Stacks that cannot take an image, and updates that fail.

use anyhow::{Context, Result, ensure};
use aws_sdk_cloudformation::types::Parameter;
use contract::ErrorName;
use contract::report::Outcome;
use contract::target::{TAG_PARAMETER_KEY, TAG_STACK_NAME};
use harness::cloud::{Called, Cloud};
use harness::scenario::AutoHealingStack;
use harness::{Scenario, Stack, image, paths, unique};
use serde_json::json;

use crate::support::{control, expect, promote_in_vain};

trials![
    an_update_that_fails_is_rolled_back_and_reported_with_the_resource,
    a_stack_without_the_parameter_is_reported_with_those_it_has,
    an_unknown_stack_is_reported,
    a_stack_that_cannot_be_updated_is_reported_with_its_state;
    only here, "on AWS a stack without its role stays, and no hook refuses when it is told to":
    a_stack_whose_service_role_is_gone_is_reported,
    a_hook_that_refuses_the_update_is_reported,
    a_denial_that_cloudformation_wraps_is_reported,
];

pub async fn an_update_that_fails_is_rolled_back_and_reported_with_the_resource(
    s: &Scenario,
) -> Result<()> {
    // Auto Scaling refuses the group's update for its UpdatePolicy, whatever the image is.
    let healing = s.stack_pattern_from("no-room").await?;
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::StackUpdateFailed)?;
    expect::mentions(message, ["UPDATE_ROLLBACK_COMPLETE", "Group", "MinInstancesInService"])?;
    let decision = expect::only(target.images)?;
    ensure!(decision.before.expose() == healing.base, "{decision:#?}");
    ensure!(healing.stack.status().await? == "UPDATE_ROLLBACK_COMPLETE", "not rolled back");
    ensure!(healing.stack.parameter("ImageId").await? == healing.base, "not rolled back");
    expect::heals_into(&healing, &healing.base).await
}

async fn a_stack_without_the_parameter_is_reported_with_those_it_has(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let backup = s.backup_with(&healing.instance, &[(TAG_PARAMETER_KEY, "GoldenImage")]).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ParameterKeyNotFound)?;
    expect::mentions(message, [healing.stack.name.as_str(), "GoldenImage", "ImageId"])?;
    ensure!(healing.stack.updates().await? == 0, "it was updated");
    Ok(())
}

async fn an_unknown_stack_is_reported(s: &Scenario) -> Result<()> {
    let name = s.driftless.stack_name();
    let (ended, target) = promote_in_vain(s, &[(TAG_STACK_NAME, &name)]).await?;
    let message = expect::error(&ended, &target, ErrorName::StackNotFound)?;
    ensure!(message.contains(&name), "{message}");
    Ok(())
}

async fn a_stack_that_cannot_be_updated_is_reported_with_its_state(s: &Scenario) -> Result<()> {
    let name = s.driftless.stack_name();
    let missing = [("ImageId", "ami-0aaaaaaaaaaaaaaa0")];
    ensure!(s.stack_called(&name, "stack", &missing).await.is_err(), "made of an unknown image");
    let stack = Stack::by_name(s.cloud(), &name);
    ensure!(stack.status().await? == "ROLLBACK_COMPLETE", "{}", stack.status().await?);

    let (ended, target) = promote_in_vain(s, &[(TAG_STACK_NAME, &name)]).await?;
    let message = expect::error(&ended, &target, ErrorName::StackNotUpdatable)?;
    ensure!(message.contains("ROLLBACK_COMPLETE"), "{message}");
    Ok(())
}

/// aws-amplify/amplify-backend#2325.
async fn a_stack_whose_service_role_is_gone_is_reported(s: &Scenario) -> Result<()> {
    let (role, template) = (unique("service"), paths::fixture("stacks/stack.yaml")?);
    let (healing, arn) = with_service_role(s, &role, &template).await?;
    let iam = &s.cloud().iam;
    let gone = iam.delete_role_policy().role_name(&role).policy_name("all").send().await;
    gone.called("iam:DeleteRolePolicy")?;
    iam.delete_role().role_name(&role).send().await.called("iam:DeleteRole")?;

    is_refused(s, &healing, ErrorName::ServiceRoleUnusable, &arn).await
}

/// A stack from this template that CloudFormation updates with a role of this name, and its ARN.
pub async fn with_service_role(
    s: &Scenario,
    role: &str,
    template: &str,
) -> Result<(AutoHealingStack, String)> {
    let (stack, base) = (s.stack_to_be(), image::base(s.cloud()).await?);
    let arn = service_role(s.cloud(), role).await?;
    let create = s.cloud().cloudformation.create_stack().stack_name(&stack.name).role_arn(&arn);
    let image = Parameter::builder().parameter_key("ImageId").parameter_value(&base).build();
    let create = create.template_body(template).parameters(image);
    create.send().await.called("cloudformation:CreateStack")?;
    ensure!(stack.settled().await? == "CREATE_COMPLETE", "it was not made");
    Ok((AutoHealingStack::of(stack, base).await?, arn))
}

/// A role that CloudFormation may do everything with.
async fn service_role(cloud: &Cloud, name: &str) -> Result<String> {
    let statement = |key: &str, value| json!({"Statement": [{"Effect": "Allow", key: value}]});
    let mut trust = statement("Action", json!("sts:AssumeRole"));
    trust["Statement"][0]["Principal"] = json!({"Service": "cloudformation.amazonaws.com"});
    let mut all = statement("Action", json!("*"));
    all["Statement"][0]["Resource"] = json!("*");
    let role = cloud.iam.create_role().role_name(name);
    let role = role.assume_role_policy_document(trust.to_string()).send().await;
    let arn = role.called("iam:CreateRole")?.role.context("no role")?.arn;
    let policy = cloud.iam.put_role_policy().role_name(name).policy_name("all");
    let policy = policy.policy_document(all.to_string()).send().await;
    policy.called("iam:PutRolePolicy")?;
    Ok(arn)
}

/// CloudFormation Hooks user guide; of change sets aws-cloudformation/rain#744.
async fn a_hook_that_refuses_the_update_is_reported(s: &Scenario) -> Result<()> {
    let text = "The following hook(s) failed: [Private::Guard::TestHook]";
    is_refused_with(s, text, ErrorName::UpdateNotPermitted).await
}

/// aws/aws-cdk#20959.
async fn a_denial_that_cloudformation_wraps_is_reported(s: &Scenario) -> Result<()> {
    let text = "AccessDenied. User doesn't have permission to call ssm:GetParameters";
    is_refused_with(s, text, ErrorName::AccessDenied).await
}

/// An update that CloudFormation refuses with this text is reported by this name.
async fn is_refused_with(s: &Scenario, text: &str, name: ErrorName) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let fault = json!({
        "service": "cloudformation",
        "action": "UpdateStack",
        "match": healing.stack.name,
        "kind": "error",
        "code": "ValidationError",
        "message": text,
    });
    control(s)?.add_fault(&fault).await?;
    is_refused(s, &healing, name, text).await
}

async fn is_refused(
    s: &Scenario,
    healing: &AutoHealingStack,
    name: ErrorName,
    told: &str,
) -> Result<()> {
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, name)?;
    ensure!(message.contains(told), "{message}");
    ensure!(healing.stack.updates().await? == 0, "it was updated");
    Ok(())
}
