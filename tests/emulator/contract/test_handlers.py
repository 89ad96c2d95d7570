"""What CloudFormation's handlers call with the permissions of the caller or of the stack's service role."""

import json

import pytest

from conftest import refused
from policies import ACT, CALL_UPDATE, STACK, allow, but, updated
from scenario import create, drift, image, reasons, template


def test_an_update_needs_the_callers_permissions(aws, acting):
    """API_UpdateStack: without a service role CloudFormation acts with the caller's session."""
    create(aws, template(), {"ImageId": image(aws)})
    assert updated(acting(CALL_UPDATE), aws) == "UPDATE_ROLLBACK_COMPLETE"
    assert "is not authorized to perform: ec2:CreateLaunchTemplateVersion on resource: arn:aws:ec2:us-east-1:" \
        in reasons(aws)["Template UPDATE_FAILED"]


def test_an_update_with_the_permissions_works(aws, acting):
    """The same role with what the two resources need."""
    create(aws, template(), {"ImageId": image(aws)})
    assert updated(acting(CALL_UPDATE, *ACT), aws) == "UPDATE_COMPLETE", reasons(aws)


def test_a_launch_templates_own_tags(aws, acting):
    """Registry schema of AWS::EC2::LaunchTemplate: its update may need CreateTags; here a tag names the image."""
    body = json.loads(template())
    body["Resources"]["Template"]["Properties"]["TagSpecifications"] = [
        {"ResourceType": "launch-template", "Tags": [{"Key": "Image", "Value": {"Ref": "ImageId"}}]}]
    create(aws, json.dumps(body), {"ImageId": image(aws)})
    step = acting(CALL_UPDATE, *but("ec2:CreateTags"), allow("ec2:CreateTags", "arn:aws:ec2:*:*:instance/*"))
    assert updated(step, aws) == "UPDATE_ROLLBACK_COMPLETE"
    assert "ec2:CreateTags on resource: arn:aws:ec2:us-east-1:" in reasons(aws)["Template UPDATE_FAILED"]


@pytest.mark.parametrize("action", ["DescribeScalingActivities", "DescribeScheduledActions"])
def test_a_group_that_is_updated_has_its_activities_and_scheduled_actions_read(aws, acting, action):
    """Registry schema of AWS::AutoScaling::AutoScalingGroup: its update needs autoscaling:Describe*; of scheduled
    actions docker-archive/for-aws#15."""
    create(aws, template(), {"ImageId": image(aws)})
    others = [f"autoscaling:{name}" for name in aws.asg.meta.service_model.operation_names
              if name.startswith("Describe") and name != action]
    step = acting(CALL_UPDATE, *but("autoscaling:Describe*"), allow(others))
    assert updated(step, aws) in ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED")
    assert f"not authorized to perform: autoscaling:{action}" in reasons(aws)["Group UPDATE_FAILED"]


@pytest.mark.parametrize("action", [action for statement in ACT for action in statement["Action"]])
def test_an_update_needs_all_that_the_schemas_name(aws, acting, action):
    """Registry schemas of AWS::EC2::LaunchTemplate and AWS::AutoScaling::AutoScalingGroup, handlers.update."""
    create(aws, template(), {"ImageId": image(aws)})
    assert updated(acting(CALL_UPDATE, *but(action)), aws) in ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED")
    assert any("not authorized" in reason for reason in reasons(aws).values())


@pytest.mark.parametrize(("policy", "actions"), [
    ({"AutoScalingInstanceRefresh": {"Strategy": "Rolling"}}, ["StartInstanceRefresh", "CancelInstanceRefresh"]),
    ({"AutoScalingRollingUpdate": {"MinInstancesInService": 0, "SuspendProcesses": ["AlarmNotification"]}},
     ["SuspendProcesses", "ResumeProcesses"])], ids=["refresh", "rolling"])
def test_an_update_policy_needs_more(aws, acting, policy, actions):
    """Same schema; aws-attribute-updatepolicy."""
    create(aws, template(policy=policy), {"ImageId": image(aws)})
    for action in actions:
        others = [f"autoscaling:{name}" for name in actions if name != action]
        assert updated(acting(CALL_UPDATE, *ACT, allow(others), name=action), aws) != "UPDATE_COMPLETE"
        assert f"autoscaling:{action}" in reasons(aws)["Group UPDATE_FAILED"]
    wide = acting(CALL_UPDATE, *ACT, allow([f"autoscaling:{name}" for name in actions]), name="wide")
    assert updated(wide, aws) == "UPDATE_COMPLETE", reasons(aws)


def test_another_resource_that_changes_needs_its_types_permissions(aws, acting):
    """Registry schema of AWS::SSM::Parameter, handlers.update."""
    body = json.loads(template())
    body["Resources"]["Record"] = {"Type": "AWS::SSM::Parameter", "Properties": {
        "Name": "/record", "Type": "String", "Value": {"Ref": "ImageId"}}}
    create(aws, json.dumps(body), {"ImageId": image(aws)})
    assert updated(acting(CALL_UPDATE, *ACT), aws) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"ssm:PutParameter on resource: arn:aws:ssm:us-east-1:{aws.id}:parameter/record because" in \
        reasons(aws)["Record UPDATE_FAILED"]
    wide = acting(CALL_UPDATE, *ACT, allow(["ssm:PutParameter", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource",
                                             "ssm:GetParameters"]), name="wide")
    assert updated(wide, aws) == "UPDATE_COMPLETE", reasons(aws)


def test_a_service_role_acts_instead_of_the_caller_and_is_remembered(aws, acting):
    """API_UpdateStack, RoleARN: later operations use it too."""
    create(aws, template(), {"ImageId": image(aws)})
    acting(*ACT, name="service")
    role = f"arn:aws:iam::{aws.id}:role/service"
    assert updated(acting(CALL_UPDATE), aws, RoleARN=role) == "UPDATE_COMPLETE", reasons(aws)
    assert aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["RoleARN"] == role


def test_drift_needs_read_permissions(aws, acting):
    """User guide, "Detect drift": lacking one, the resource cannot be checked."""
    create(aws, template(), {"ImageId": image(aws)})
    begin = allow(["cloudformation:DetectStackDrift", "cloudformation:DetectStackResourceDrift",
                    "cloudformation:DescribeStackResourceDrifts"], STACK)
    anywhere = allow(["cloudformation:DescribeStackDriftDetectionStatus",
                       "cloudformation:BatchDescribeTypeConfigurations", "ec2:DescribeLaunchTemplates"])
    status, found = drift(acting(begin, anywhere))
    assert (status["DetectionStatus"], status["StackDriftStatus"]) == ("DETECTION_FAILED", "UNKNOWN")
    assert found["Template"]["StackResourceDriftStatus"] == "IN_SYNC"
    assert found["Group"]["StackResourceDriftStatus"] == "UNKNOWN"
    assert "autoscaling:Describe" in status["DetectionStatusReason"]
    # Registry schema of AWS::AutoScaling::AutoScalingGroup, handlers.read: autoscaling:Describe*; GameLift FleetIQ
    # guide, "Additional permissions for CloudFormation".
    narrow = acting(begin, anywhere, allow("autoscaling:DescribeAutoScalingGroups"), name="narrow")
    status, _ = drift(narrow)
    assert status["DetectionStatus"] == "DETECTION_FAILED"
    # managed-fleets:Get* is in the same list.
    assert drift(acting(begin, anywhere, allow("autoscaling:Describe*"), name="wide"))[0]["DetectionStatus"] == \
        "DETECTION_FAILED"
    schema = ["autoscaling:Describe*", "managed-fleets:Get*"]
    # The same guide: ec2:DescribeLaunchTemplateVersions.
    assert drift(acting(begin, anywhere, allow(schema), name="schema"))[0]["DetectionStatus"] == "DETECTION_FAILED"
    full = acting(begin, anywhere, allow([*schema, "ec2:DescribeLaunchTemplateVersions"]), name="full")
    assert drift(full)[0]["StackDriftStatus"] == "IN_SYNC"
    bare = acting(allow("cloudformation:DetectStackDrift", STACK), name="bare")
    assert "cloudformation:DetectStackResourceDrift" in refused(
        "AccessDenied", bare.cfn.detect_stack_drift, StackName="web")


def test_drift_of_any_other_type_needs_its_read_permissions(aws, acting):
    """Registry schema of AWS::IAM::InstanceProfile, handlers.read; the local AWS cannot read one itself."""
    create(aws, json.dumps({"Resources": {"Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {
        "Roles": []}}}}))
    begin = [allow(["cloudformation:DetectStackDrift", "cloudformation:DetectStackResourceDrift",
                     "cloudformation:DescribeStackResourceDrifts"], STACK),
             allow(["cloudformation:DescribeStackDriftDetectionStatus",
                     "cloudformation:BatchDescribeTypeConfigurations"])]
    status, found = drift(acting(*begin))
    assert found["Profile"]["StackResourceDriftStatus"] == "UNKNOWN"
    assert "not authorized to perform: iam:GetInstanceProfile" in status["DetectionStatusReason"]
    assert drift(acting(*begin, allow("iam:GetInstanceProfile"), name="wide"))[0]["StackDriftStatus"] == "IN_SYNC"
