"""Whose permissions count, on what, and how a refusal reads."""

import json

import pytest
from conftest import refused
from scenario import create, drift, image, keyed, reasons, settled, template

STACK = "arn:aws:cloudformation:us-east-1:*:stack/web*/*"
CALL_UPDATE = {"Effect": "Allow", "Action": ["cloudformation:UpdateStack", "cloudformation:GetTemplateSummary"],
               "Resource": STACK}
ACT = [{"Effect": "Allow", "Action": ["ec2:CreateLaunchTemplateVersion", "ec2:RunInstances",
                                      "autoscaling:UpdateAutoScalingGroup"], "Resource": "*"},
       {"Effect": "Allow", "Action": ["ec2:DescribeLaunchTemplates", "autoscaling:DescribeAutoScalingGroups"],
        "Resource": "*"}]


@pytest.fixture
def acting(aws, server):
    """A session of a role with just these statements."""
    def assume(*statements, name="step"):
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{aws.id}:root",
                                             "Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        if statements:
            aws.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": list(statements)}))
        found = aws.sts.assume_role(RoleArn=f"arn:aws:iam::{aws.id}:role/{name}", RoleSessionName="step")["Credentials"]
        return server.session(aws.id, found["SessionToken"], found["AccessKeyId"], found["SecretAccessKey"])
    return assume


def _allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def test_describe_actions_take_no_resource(aws, acting):
    """Service Authorization Reference: a policy that names a resource does not allow them."""
    ami = image(aws)
    narrow = acting(_allow("ec2:DescribeImages", f"arn:aws:ec2:us-east-1::image/{ami}"),
                    _allow("autoscaling:Describe*", "arn:aws:autoscaling:*:*:autoScalingGroup:*"))
    who = f"arn:aws:sts::{aws.id}:assumed-role/step/step"
    assert refused("UnauthorizedOperation", narrow.ec2.describe_images, ImageIds=[ami]) == (
        f"You are not authorized to perform this operation. User: {who} is not authorized to perform: "
        "ec2:DescribeImages because no identity-based policy allows the ec2:DescribeImages action")
    refused("AccessDenied", narrow.asg.describe_instance_refreshes, AutoScalingGroupName="x")
    wide = acting(_allow("ec2:DescribeImages"), name="wide")
    assert wide.ec2.describe_images(ImageIds=[ami])["Images"]


def test_parameters_by_path(aws, acting):
    """ssm:GetParameter, PutParameter and GetParameterHistory are scoped by the parameter's ARN."""
    aws.ssm.put_parameter(Name="/ami/web", Value="v", Type="String")
    aws.ssm.put_parameter(Name="/other/web", Value="v", Type="String")
    step = acting(_allow(["ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter", "ssm:GetParameterHistory"],
                         f"arn:aws:ssm:us-east-1:{aws.id}:parameter/ami/*"))
    step.ssm.put_parameter(Name="/ami/web", Value="w", Type="String", Overwrite=True)
    assert len(step.ssm.get_parameter_history(Name="/ami/web")["Parameters"]) == 2
    assert step.ssm.get_parameters(Names=["/ami/web"])["Parameters"]
    for call in (lambda: step.ssm.get_parameter(Name="/other/web"),
                 lambda: step.ssm.get_parameter_history(Name="/other/web"),
                 lambda: step.ssm.get_parameters(Names=["/ami/web", "/other/web"]),
                 lambda: step.ssm.put_parameter(Name="/other/web", Value="w", Type="String", Overwrite=True)):
        assert f"arn:aws:ssm:us-east-1:{aws.id}:parameter/other/web" in refused("AccessDeniedException", call)


def test_stacks_by_name_prefix(aws, acting):
    """cloudformation:* is scoped by the stack's ARN, whether named or given as ARN."""
    create(aws, template(), {"ImageId": image(aws)})
    create(aws, template(), {"ImageId": image(aws, "other")}, stack="other")
    arn = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    step = acting(_allow(["cloudformation:DescribeStacks", "cloudformation:GetTemplateSummary",
                          "cloudformation:DescribeStackEvents"], STACK))
    for name in ("web", arn):
        assert step.cfn.describe_stacks(StackName=name)["Stacks"]
        assert step.cfn.get_template_summary(StackName=name)["Parameters"]
    assert refused("AccessDenied", step.cfn.describe_stacks, StackName="other") == (
        f"User: arn:aws:sts::{aws.id}:assumed-role/step/step is not authorized to perform: "
        f"cloudformation:DescribeStacks on resource: arn:aws:cloudformation:us-east-1:{aws.id}:stack/other/* "
        "because no identity-based policy allows the cloudformation:DescribeStacks action")
    refused("AccessDenied", step.cfn.describe_stack_drift_detection_status, StackDriftDetectionId="x" * 36)


def _update(step, aws, **kwargs):
    step.cfn.update_stack(StackName="web", UsePreviousTemplate=True, Parameters=keyed(
        {"ImageId": image(aws, "new"), "Secret": None}), **kwargs)
    return settled(aws, "web")["StackStatus"]


def test_an_update_needs_the_callers_permissions(aws, acting):
    """API_UpdateStack: without a service role CloudFormation acts with the caller's session."""
    create(aws, template(), {"ImageId": image(aws)})
    assert _update(acting(CALL_UPDATE), aws) == "UPDATE_ROLLBACK_COMPLETE"
    assert "is not authorized to perform: ec2:CreateLaunchTemplateVersion on resource: arn:aws:ec2:us-east-1:" \
        in reasons(aws)["Template UPDATE_FAILED"]


def test_an_update_with_the_permissions_works(aws, acting):
    """The same role with what the two resources need."""
    create(aws, template(), {"ImageId": image(aws)})
    assert _update(acting(CALL_UPDATE, *ACT), aws) == "UPDATE_COMPLETE", reasons(aws)


def test_a_launch_template_needs_run_instances(aws, acting):
    """Auto Scaling user guide, "Control Amazon EC2 launch template usage in Auto Scaling groups"."""
    create(aws, template(), {"ImageId": image(aws)})
    may = json.loads(json.dumps(ACT))
    may[0]["Action"].remove("ec2:RunInstances")
    assert _update(acting(CALL_UPDATE, *may), aws) in ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED")
    assert "You are not authorized to use launch template: lt-" in reasons(aws)["Group UPDATE_FAILED"]


def test_a_service_role_acts_instead_of_the_caller_and_is_remembered(aws, acting):
    """API_UpdateStack, RoleARN: later operations use it too."""
    create(aws, template(), {"ImageId": image(aws)})
    acting(*ACT, name="service")
    role = f"arn:aws:iam::{aws.id}:role/service"
    assert _update(acting(CALL_UPDATE), aws, RoleARN=role) == "UPDATE_COMPLETE", reasons(aws)
    assert aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["RoleARN"] == role


def test_drift_needs_read_permissions(aws, acting):
    """User guide, "Detect drift": lacking one, the resource cannot be checked."""
    create(aws, template(), {"ImageId": image(aws)})
    begin = _allow(["cloudformation:DetectStackDrift", "cloudformation:DetectStackResourceDrift",
                    "cloudformation:DescribeStackResourceDrifts"], STACK)
    anywhere = _allow(["cloudformation:DescribeStackDriftDetectionStatus",
                       "cloudformation:BatchDescribeTypeConfigurations", "ec2:DescribeLaunchTemplates"])
    status, found = drift(acting(begin, anywhere))
    assert (status["DetectionStatus"], status["StackDriftStatus"]) == ("DETECTION_FAILED", "UNKNOWN")
    assert found["Template"]["StackResourceDriftStatus"] == "IN_SYNC"
    assert found["Group"]["StackResourceDriftStatus"] == "UNKNOWN"
    assert "autoscaling:DescribeAutoScalingGroups" in status["DetectionStatusReason"]
    full = acting(begin, anywhere, _allow("autoscaling:DescribeAutoScalingGroups"), name="full")
    assert drift(full)[0]["StackDriftStatus"] == "IN_SYNC"
    bare = acting(_allow("cloudformation:DetectStackDrift", STACK), name="bare")
    assert "cloudformation:DetectStackResourceDrift" in refused(
        "AccessDenied", bare.cfn.detect_stack_drift, StackName="web")
