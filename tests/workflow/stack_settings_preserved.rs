//! Pattern 2: an update changes the image and nothing else, and is started once.

use anyhow::{Context, Result, ensure};
use aws_sdk_cloudformation::types::{
    Parameter, RollbackConfiguration, RollbackTrigger, Stack as Description, Tag,
};
use contract::report::{Outcome, TargetOutcome};
use harness::cloud::Called;
use harness::image::Parameter as Stored;
use harness::scenario::AutoHealingStack;
use harness::{Scenario, Stack, image, paths};
use serde_json::json;

use crate::support::deployed::reading;
use crate::support::{control, expect};

trials![
    a_secret_stays_what_it_is,
    what_belongs_to_the_stack_stays_as_it_is;
    only here, "the tests' Driftless need not be able to read a role for the drift detection":
    a_template_with_a_named_role_gets_its_capability,
    an_update_whose_answer_is_lost_is_not_started_again,
];

/// The template of pattern 2 with more in it.
fn template(parameters: &str, resources: &str) -> Result<String> {
    let template = paths::fixture("stacks/stack.yaml")?;
    let begin = format!("\nParameters:{parameters}");
    ensure!(template.contains("\nParameters:"), "no parameters");
    // Its last section are the resources.
    Ok(template.replacen("\nParameters:", &begin, 1) + resources)
}

pub async fn a_secret_stays_what_it_is(s: &Scenario) -> Result<()> {
    const PARAMETERS: &str = "
  Secret: {Type: String, NoEcho: true}
  StoredAs: {Type: String}";
    const RESOURCES: &str = "
  Stored:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: !Ref StoredAs, Value: !Ref Secret}
";
    let (base, name) = (image::base(s.cloud()).await?, s.driftless.parameter_name());
    let parameters = [("ImageId", base.as_str()), ("Secret", "hush"), ("StoredAs", &name)];
    let stack = s.stack_of(&template(PARAMETERS, RESOURCES)?, &parameters, &[]).await?;
    let healing = AutoHealingStack::of(stack, base).await?;
    ensure!(healing.stack.parameter("Secret").await? == "****", "it is no secret");
    is_promoted(s, &healing).await?;
    let stored = Stored::by_name(s.cloud(), &name).read().await?;
    ensure!(stored.value == "hush" && stored.version == 1, "{stored:?}");
    Ok(())
}

async fn a_template_with_a_named_role_gets_its_capability(s: &Scenario) -> Result<()> {
    const RESOURCES: &str = "
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Sub '${AWS::StackName}-named'
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}
";
    // Drift detection reads the role with the caller's permissions.
    let s = &reading(s).await?;
    let base = image::base(s.cloud()).await?;
    let named = ["CAPABILITY_NAMED_IAM"];
    let parameters = [("ImageId", base.as_str())];
    let stack = s.stack_of(&template("", RESOURCES)?, &parameters, &named).await?;
    let unnamed = stack.start_update(&[("ImageId", &s.image(&[]).await?)]).await;
    let refusal = unnamed.err().context("an update without the capability is not refused")?;
    ensure!(refusal.to_string().contains(named[0]), "{refusal}");
    is_promoted(s, &AutoHealingStack::of(stack, base).await?).await
}

async fn what_belongs_to_the_stack_stays_as_it_is(s: &Scenario) -> Result<()> {
    let furniture = s.stack_of(FURNITURE, &[], &["CAPABILITY_IAM"]).await?;
    let healing = furnished(s, &furniture).await?;
    let before = Furnished::of(s, &healing.stack).await?;
    ensure!(before.role.is_some() && before.policy.is_some(), "{before:#?}");
    ensure!(before.tags.iter().any(|tag| tag.key() == Some("Owner")), "{before:#?}");
    is_promoted(s, &healing).await?;
    let after = Furnished::of(s, &healing.stack).await?;
    ensure!(after == before, "{before:#?} became {after:#?}");
    Ok(())
}

/// What a stack may have besides its template and its parameters.
#[derive(Debug, PartialEq)]
struct Furnished {
    tags: Vec<Tag>,
    notifications: Vec<String>,
    role: Option<String>,
    policy: Option<String>,
    rollback: Option<RollbackConfiguration>,
}

impl Furnished {
    async fn of(s: &Scenario, stack: &Stack) -> Result<Self> {
        let policy = s.cloud().cloudformation.get_stack_policy().stack_name(&stack.name);
        let policy = policy.send().await.called("cloudformation:GetStackPolicy")?;
        let Description { tags, notification_arns, role_arn, rollback_configuration, .. } =
            stack.describe().await?;
        Ok(Self {
            tags: tags.unwrap_or_default(),
            notifications: notification_arns.unwrap_or_default(),
            role: role_arn,
            policy: policy.stack_policy_body,
            rollback: rollback_configuration,
        })
    }
}

const FURNITURE: &str = "
Resources:
  Topic:
    Type: AWS::SNS::Topic
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: Driftless
      MetricName: Errors
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 1
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: cloudformation.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: groups
          PolicyDocument:
            Statement:
              # What the update handlers of launch templates and groups need (their registry schemas).
              - Effect: Allow
                Action:
                  - autoscaling:*
                  - ec2:*
                  - elasticloadbalancing:Describe*
                  - managed-fleets:Get*
                  - vpc-lattice:GetTargetGroup
                  - vpc-lattice:ListTargets
                Resource: '*'
Outputs:
  Topic: {Value: !Ref Topic}
  Alarm: {Value: !GetAtt Alarm.Arn}
  Role: {Value: !GetAtt Role.Arn}
";

/// A stack of pattern 2 with what an operator may give a stack.
async fn furnished(s: &Scenario, furniture: &Stack) -> Result<AutoHealingStack> {
    let outputs = furniture.outputs().await?;
    let output = |name: &str| {
        let found = outputs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).with_context(|| format!("no output {name}"))
    };
    let trigger = RollbackTrigger::builder().arn(output("Alarm")?).r#type("AWS::CloudWatch::Alarm");
    let rollback = RollbackConfiguration::builder().rollback_triggers(trigger.build());
    let anything =
        json!({"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"});
    let (stack, base) = (s.stack_to_be(), image::base(s.cloud()).await?);
    let create = s.cloud().cloudformation.create_stack().stack_name(&stack.name);
    let create = create
        .template_body(paths::fixture("stacks/stack.yaml")?)
        .parameters(Parameter::builder().parameter_key("ImageId").parameter_value(&base).build())
        .tags(Tag::builder().key("Owner").value("operations").build())
        .notification_arns(output("Topic")?)
        .role_arn(output("Role")?)
        .rollback_configuration(rollback.build())
        .stack_policy_body(json!({"Statement": [anything]}).to_string());
    create.send().await.called("cloudformation:CreateStack")?;
    let status = stack.settled().await?;
    ensure!(status == "CREATE_COMPLETE", "{status}");
    AutoHealingStack::of(stack, base).await
}

async fn an_update_whose_answer_is_lost_is_not_started_again(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let lost = json!([{
        "service": "cloudformation",
        "action": "UpdateStack",
        "match": healing.stack.name,
        "kind": "cut-after",
        // More than the attempts of one call: the step fails, and is tried again.
        "count": 5,
    }]);
    control(s)?.add_faults(&lost).await?;
    is_promoted(s, &healing).await?;
    ensure!(healing.stack.updates().await? == 1, "not one update");
    Ok(())
}

/// A backup is promoted, and the stack heals into it.
async fn is_promoted(s: &Scenario, healing: &AutoHealingStack) -> Result<()> {
    let backup = s.backup(&healing.instance).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    ensure!(target.outcome == TargetOutcome::Updated, "{target:#?}");
    expect::promoted(&target, healing, &backup.image)?;
    expect::heals_into(healing, &backup.image).await
}
