"""Whose permissions count, on what, and how a refusal reads."""

import json

import pytest

from conftest import refused, until
from policies import ACT, CALL_UPDATE, STACK, allow, but, updated
from scenario import create, image, in_service, instance, keyed, reasons, replacement, settled, template


def test_describe_actions_take_no_resource(aws, acting):
    """Service Authorization Reference: a policy that names a resource does not allow them."""
    ami = image(aws)
    narrow = acting(allow("ec2:DescribeImages", f"arn:aws:ec2:us-east-1::image/{ami}"),
                    allow("autoscaling:Describe*", "arn:aws:autoscaling:*:*:autoScalingGroup:*"))
    who = f"arn:aws:sts::{aws.id}:assumed-role/step/step"
    assert refused("UnauthorizedOperation", narrow.ec2.describe_images, ImageIds=[ami]) == (
        f"You are not authorized to perform this operation. User: {who} is not authorized to perform: "
        "ec2:DescribeImages because no identity-based policy allows the ec2:DescribeImages action")
    refused("AccessDenied", narrow.asg.describe_instance_refreshes, AutoScalingGroupName="x")
    wide = acting(allow("ec2:DescribeImages"), name="wide")
    assert wide.ec2.describe_images(ImageIds=[ami])["Images"]


def test_an_images_tags_are_conditions(aws, acting):
    """Service Authorization Reference, Amazon EC2: image has `aws:ResourceTag/${TagKey}` and `aws:TagKeys`."""
    ours, others = image(aws), image(aws, "others")
    images = "arn:aws:ec2:us-east-1::image/*"
    step = acting(
        allow("ec2:DisableImageDeregistrationProtection", images,
              Condition={"StringEquals": {"aws:ResourceTag/ours": "true"}}),
        allow(["ec2:CreateTags", "ec2:DeleteTags"], images, Condition={
            "Null": {"aws:TagKeys": "false"}, "ForAllValues:StringLike": {"aws:TagKeys": ["ours", "ours:*"]}}))
    step.ec2.create_tags(Resources=[ours], Tags=[{"Key": "ours", "Value": "true"}, {"Key": "ours:1", "Value": "web"}])
    step.ec2.disable_image_deregistration_protection(ImageId=ours)
    refused("UnauthorizedOperation", step.ec2.disable_image_deregistration_protection, ImageId=others)
    for call in (step.ec2.create_tags, step.ec2.delete_tags):
        refused("UnauthorizedOperation", call, Resources=[ours], Tags=[{"Key": "ours"}, {"Key": "StackName"}])
    refused("UnauthorizedOperation", step.ec2.delete_tags, Resources=[ours])
    step.ec2.delete_tags(Resources=[ours], Tags=[{"Key": "ours"}])
    refused("UnauthorizedOperation", step.ec2.disable_image_deregistration_protection, ImageId=ours)


def test_backups_by_vault(aws, acting):
    """Service Authorization Reference, AWS Backup: a vault's recovery points are on the vault, other listings take no
    resource."""
    for vault in ("nightly", "weekly"):
        aws.backup.create_backup_vault(BackupVaultName=vault)
    nightly = f"arn:aws:backup:us-east-1:{aws.id}:backup-vault:nightly"
    step = acting(allow(["backup:ListRecoveryPointsByBackupVault", "backup:ListBackupJobs"], nightly))
    assert step.backup.list_recovery_points_by_backup_vault(BackupVaultName="nightly")["RecoveryPoints"] == []
    refused("AccessDeniedException", step.backup.list_recovery_points_by_backup_vault, BackupVaultName="weekly")
    assert "backup:ListBackupJobs" in refused("AccessDeniedException", step.backup.list_backup_jobs)
    refused("AccessDeniedException", step.backup.list_recovery_points_by_resource, ResourceArn=nightly)
    wide = acting(allow(["backup:ListBackupJobs", "backup:ListRecoveryPointsByResource"]), name="wide")
    assert wide.backup.list_backup_jobs()["BackupJobs"] == []
    assert wide.backup.list_recovery_points_by_resource(ResourceArn=nightly)["RecoveryPoints"] == []


def test_parameters_by_path(aws, acting):
    """ssm:GetParameter, PutParameter and GetParameterHistory are scoped by the parameter's ARN."""
    aws.ssm.put_parameter(Name="/ami/web", Value="v", Type="String")
    aws.ssm.put_parameter(Name="/other/web", Value="v", Type="String")
    step = acting(allow(["ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter", "ssm:GetParameterHistory"],
                         f"arn:aws:ssm:us-east-1:{aws.id}:parameter/ami/*"))
    step.ssm.put_parameter(Name="/ami/web", Value="w", Type="String", Overwrite=True)
    assert len(step.ssm.get_parameter_history(Name="/ami/web")["Parameters"]) == 2
    assert step.ssm.get_parameters(Names=["/ami/web"])["Parameters"]
    for call in (lambda: step.ssm.get_parameter(Name="/other/web"),
                 lambda: step.ssm.get_parameter_history(Name="/other/web"),
                 lambda: step.ssm.get_parameters(Names=["/ami/web", "/other/web"]),
                 lambda: step.ssm.put_parameter(Name="/other/web", Value="w", Type="String", Overwrite=True)):
        assert f"arn:aws:ssm:us-east-1:{aws.id}:parameter/other/web" in refused("AccessDeniedException", call)


def test_tags_of_parameters_by_path(aws, acting):
    """Service Authorization Reference: AddTagsToResource and ListTagsForResource take the parameter, without its
    leading slash twice."""
    for name in ("/golden/web", "/other/web"):
        aws.ssm.put_parameter(Name=name, Value="v", Type="String")
    step = acting(allow(["ssm:AddTagsToResource", "ssm:ListTagsForResource"],
                         f"arn:aws:ssm:us-east-1:{aws.id}:parameter/golden/*"))
    of = dict(ResourceType="Parameter", ResourceId="/golden/web")
    step.ssm.add_tags_to_resource(**of, Tags=[{"Key": "a", "Value": "1"}])
    assert step.ssm.list_tags_for_resource(**of)["TagList"] == [{"Key": "a", "Value": "1"}]
    of["ResourceId"] = "/other/web"
    for call, action in ((lambda: step.ssm.add_tags_to_resource(**of, Tags=[{"Key": "a", "Value": "1"}]), "AddTagsTo"),
                         (lambda: step.ssm.list_tags_for_resource(**of), "ListTagsFor")):
        assert (f"ssm:{action}Resource on resource: arn:aws:ssm:us-east-1:{aws.id}:parameter/other/web because"
                in refused("AccessDeniedException", call))


def test_stacks_by_name_prefix(aws, acting):
    """cloudformation:* is scoped by the stack's ARN, whether named or given as ARN."""
    create(aws, template(), {"ImageId": image(aws)})
    create(aws, template(), {"ImageId": image(aws, "other")}, stack="other")
    arn = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    step = acting(allow(["cloudformation:DescribeStacks", "cloudformation:GetTemplateSummary",
                          "cloudformation:DescribeStackEvents"], STACK))
    for name in ("web", arn):
        assert step.cfn.describe_stacks(StackName=name)["Stacks"]
        assert step.cfn.get_template_summary(StackName=name)["Parameters"]
    assert refused("AccessDenied", step.cfn.describe_stacks, StackName="other") == (
        f"User: arn:aws:sts::{aws.id}:assumed-role/step/step is not authorized to perform: "
        f"cloudformation:DescribeStacks on resource: arn:aws:cloudformation:us-east-1:{aws.id}:stack/other/* "
        "because no identity-based policy allows the cloudformation:DescribeStacks action")
    refused("AccessDenied", step.cfn.describe_stack_drift_detection_status, StackDriftDetectionId="x" * 36)


def test_a_launch_template_needs_run_instances(aws, acting):
    """Auto Scaling user guide, "Control Amazon EC2 launch template usage in Auto Scaling groups"."""
    create(aws, template(), {"ImageId": image(aws)})
    step = acting(CALL_UPDATE, *but("ec2:RunInstances"))
    assert updated(step, aws) in ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED")
    assert "You are not authorized to use launch template: lt-" in reasons(aws)["Group UPDATE_FAILED"]


def test_tags_in_a_launch_template_need_create_tags(aws, acting):
    """Same page, "Permissions required to tag instances and volumes": the caller needs them, with the CreateAction."""
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]
    tagged, plain = (aws.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={
        "ImageId": image(aws, name), **data})["LaunchTemplate"]["LaunchTemplateId"]
        for name, data in (("tagged", {"TagSpecifications": tags}), ("plain", {})))

    def create_group(by, template_id):
        by.asg.create_auto_scaling_group(
            AutoScalingGroupName=template_id, MinSize=0, MaxSize=0, AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateId": template_id, "Version": "1"})
    launch = allow(["ec2:RunInstances", "autoscaling:CreateAutoScalingGroup"])
    narrow = acting(launch, allow("ec2:CreateTags", Condition={"StringEquals": {"ec2:CreateAction": "CreateVolume"}}))
    create_group(narrow, plain)
    assert refused("AccessDenied", create_group, narrow, tagged) == \
        f"You are not authorized to use launch template: {tagged}"
    create_group(acting(launch, allow("ec2:CreateTags", "arn:aws:ec2:*:*:instance/*", Condition={
        "StringEquals": {"ec2:CreateAction": "RunInstances"}}), name="wide"), tagged)


@pytest.mark.parametrize("form", [{"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}}, {"Name": {"Ref": "Profile"}}],
                         ids=["Arn", "Name"])
def test_an_instance_profile_in_a_launch_template_needs_pass_role(aws, acting, form):
    """Auto Scaling user guide, same page: iam:PassRole on the profile's role, passed to EC2; of the stack's hands."""
    body = json.loads(template())
    body["Resources"]["Role"] = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}}
    body["Resources"]["Profile"] = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}}
    body["Resources"]["Template"]["Properties"]["LaunchTemplateData"]["IamInstanceProfile"] = form
    body["Outputs"].update(Role={"Value": {"Fn::GetAtt": ["Role", "Arn"]}},
                           Profile={"Value": {"Fn::GetAtt": ["Profile", "Arn"]}})
    out = create(aws, json.dumps(body), {"ImageId": image(aws)})
    first = in_service(aws, out["GroupName"])[0]["InstanceId"]
    aws.ec2.terminate_instances(InstanceIds=[first])
    for member in (first, replacement(aws, out["GroupName"], first)):
        assert instance(aws, member)["IamInstanceProfile"]["Arn"] == out["Profile"]
    new = image(aws, "new")

    def updated(name, *statements):
        acting(CALL_UPDATE, *ACT, *statements, name=name).cfn.update_stack(
            StackName="web", UsePreviousTemplate=True, Capabilities=["CAPABILITY_IAM"],
            Parameters=keyed({"ImageId": new, "Secret": None}))
        return settled(aws, "web")["StackStatus"]

    def passing(service, role=out["Role"]):
        return allow("iam:PassRole", role, Condition={
            "StringEquals": {"iam:PassedToService": service},
            "ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}})
    for name, statements in (("none", ()), ("service", [passing("lambda.amazonaws.com")]),
                             ("role", [passing("ec2.amazonaws.com", out["Profile"])])):
        assert updated(name, *statements) == "UPDATE_ROLLBACK_COMPLETE", name
        assert "You are not authorized to use launch template: lt-" in reasons(aws)["Group UPDATE_FAILED"]
    assert updated("wide", passing("ec2.amazonaws.com")) == "UPDATE_COMPLETE", reasons(aws)


def test_resolving_a_launch_templates_parameter_needs_get_parameters(aws, acting):
    """Service Authorization Reference: ssm:GetParameters is a dependent action of DescribeLaunchTemplateVersions.
    Not by way of CloudFormation: aws:CalledVia does not say so."""
    ami = image(aws)
    aws.ssm.put_parameter(Name="/ami/web", Value=ami, Type="String")
    made = aws.ec2.create_launch_template(LaunchTemplateName="lt", LaunchTemplateData={
        "ImageId": "resolve:ssm:/ami/web:1"})["LaunchTemplate"]["LaunchTemplateId"]

    def shown(by, alias):
        return by.ec2.describe_launch_template_versions(LaunchTemplateId=made, ResolveAlias=alias)[
            "LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"]
    look, parameter = allow("ec2:DescribeLaunchTemplateVersions"), f"arn:aws:ssm:us-east-1:{aws.id}:parameter/ami/web"
    narrow = acting(look, allow("ssm:GetParameter", parameter), allow("ssm:GetParameters", Condition={
        "ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}))
    assert shown(narrow, False) == "resolve:ssm:/ami/web:1"
    assert refused("UnauthorizedOperation", shown, narrow, True) == (
        f"User: arn:aws:sts::{aws.id}:assumed-role/step/step is not authorized to perform: ssm:GetParameters on "
        f"resource: {parameter} because no identity-based policy allows the ssm:GetParameters action")
    assert shown(acting(look, allow("ssm:GetParameters", parameter), name="wide"), True) == ami


def test_putting_a_parameter_into_a_launch_template_needs_get_parameters(aws, acting):
    """Service Authorization Reference, CreateLaunchTemplate[Version]; hotosm/tasking-manager#6514: of a stack, too."""
    aws.ssm.put_parameter(Name="/ami/web", Value=image(aws), Type="String")
    create(aws, template(), {"ImageId": image(aws, "other")})
    step = acting(CALL_UPDATE, *ACT, allow("ec2:CreateLaunchTemplate"))
    refused("UnauthorizedOperation", step.ec2.create_launch_template, LaunchTemplateName="lt",
            LaunchTemplateData={"ImageId": "resolve:ssm:/ami/web"})
    step.cfn.update_stack(StackName="web", UsePreviousTemplate=True, Parameters=keyed(
        {"ImageId": "resolve:ssm:/ami/web", "Secret": None}))
    assert settled(aws, "web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert f"ssm:GetParameters on resource: arn:aws:ssm:us-east-1:{aws.id}:parameter/ami/web because" in \
        reasons(aws)["Template UPDATE_FAILED"]


def test_change_sets_are_scoped_by_their_stack(aws, acting):
    """Service Authorization Reference: Create-, Describe- and DeleteChangeSet take a stack; the change set's
    own ARN stands for its stack."""
    create(aws, template(), {"ImageId": image(aws)})
    create(aws, template(), {"ImageId": image(aws, "other")}, stack="other")
    step = acting(allow(["cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet",
                          "cloudformation:DeleteChangeSet"], STACK))

    new = image(aws, "new")

    def plan(by, stack):
        return by.cfn.create_change_set(
            StackName=stack, ChangeSetName="plan", UsePreviousTemplate=True,
            Parameters=keyed({"ImageId": new, "Secret": None}))["Id"]
    refused("AccessDenied", plan, step, "other")
    theirs = plan(aws, "other")
    refused("AccessDenied", step.cfn.describe_change_set, ChangeSetName=theirs)
    refused("AccessDenied", step.cfn.delete_change_set, ChangeSetName=theirs)
    ours = plan(step, "web")
    until(lambda: step.cfn.describe_change_set(ChangeSetName=ours)["Status"] == "CREATE_COMPLETE")
    step.cfn.delete_change_set(ChangeSetName=ours)


def test_a_transform_is_authorized_by_itself(aws, acting):
    """aws/serverless-application-model#179, aws-cloudformation-templates#358: by CreateChangeSet on the transform,
    when the template is sent."""
    body = json.dumps({"Transform": "AWS::LanguageExtensions", **json.loads(template())})
    expand = dict(StackName="web", Capabilities=["CAPABILITY_AUTO_EXPAND"])
    aws.cfn.create_stack(TemplateBody=body, Parameters=keyed({"ImageId": image(aws)}), **expand)
    settled(aws, "web")
    call = allow(["cloudformation:UpdateStack", "cloudformation:CreateChangeSet"], STACK)
    sent = dict(TemplateBody=body, Parameters=keyed({"ImageId": image(aws, "new"), "Secret": None}), **expand)
    text = ("cloudformation:CreateChangeSet on resource: arn:aws:cloudformation:us-east-1:aws:transform/"
            "LanguageExtensions")

    def planned(step, name):
        step.cfn.create_change_set(ChangeSetName=name, **sent)

        def look():
            found = aws.cfn.describe_change_set(StackName="web", ChangeSetName=name)
            return found if found["ExecutionStatus"] == "AVAILABLE" or found["Status"] == "FAILED" else None
        return until(look)
    narrow = acting(call, *ACT)
    assert text in planned(narrow, "narrow")["StatusReason"]
    narrow.cfn.update_stack(**sent)
    assert settled(aws, "web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert text in reasons(aws)["web UPDATE_ROLLBACK_IN_PROGRESS"]
    wide = acting(call, *ACT, allow("cloudformation:CreateChangeSet", "arn:aws:cloudformation:*:aws:transform/*"),
                  name="wide")
    assert planned(wide, "wide")["Status"] == "CREATE_COMPLETE"
    wide.cfn.update_stack(**sent)
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE", reasons(aws)


def test_a_macro_of_the_account_is_authorized_by_itself(aws, acting):
    """User guide, "Transform reference": AWS's own need no special permissions "unlike custom macros"; one of the
    account has the account in its ARN, also when only a part of the template calls it (Fn::Transform)."""
    body = json.loads(template())
    create(aws, json.dumps(body), {"ImageId": image(aws)})
    call = allow(["cloudformation:UpdateStack", "cloudformation:CreateChangeSet"], STACK)
    own = allow("cloudformation:CreateChangeSet", "arn:aws:cloudformation:*:aws:transform/*")

    def updated(name, sent, *statements):
        acting(call, own, *ACT, *statements, name=name).cfn.update_stack(
            StackName="web", TemplateBody=json.dumps(sent), Capabilities=["CAPABILITY_AUTO_EXPAND"],
            Parameters=keyed({"ImageId": image(aws, name), "Secret": None}))
        return settled(aws, "web")["StackStatus"]
    whole = {"Transform": ["AWS::LanguageExtensions", "Ours"], **body}
    part = {**body, "Metadata": {"Fn::Transform": {"Name": "Ours"}}}
    for name, sent in (("whole", whole), ("part", part)):
        assert updated(name, sent) == "UPDATE_ROLLBACK_COMPLETE"
        assert (f"cloudformation:CreateChangeSet on resource: arn:aws:cloudformation:us-east-1:{aws.id}:transform/Ours "
                in reasons(aws)["web UPDATE_ROLLBACK_IN_PROGRESS"])
    wide = allow("cloudformation:CreateChangeSet", f"arn:aws:cloudformation:*:{aws.id}:transform/*")
    assert updated("wide", whole, wide) == "UPDATE_COMPLETE", reasons(aws)


def test_a_stack_is_sought_by_a_physical_id_on_everything(aws, acting):
    """Without a stack's name there is no stack to authorize DescribeStackResources on."""
    out = create(aws, template(), {"ImageId": image(aws)})
    one = allow("cloudformation:DescribeStackResources", STACK)
    narrow, wide = acting(one), acting(allow("cloudformation:DescribeStackResources"), name="wide")
    assert narrow.cfn.describe_stack_resources(StackName="web")["StackResources"]
    refused("AccessDenied", narrow.cfn.describe_stack_resources, PhysicalResourceId=out["GroupName"])
    assert wide.cfn.describe_stack_resources(PhysicalResourceId=out["GroupName"])["StackResources"]


def test_fetching_a_parameter_is_the_callers(aws, acting):
    """aws/aws-cdk#20959: CloudFormation reads the parameter store with the caller's permissions."""
    aws.ssm.put_parameter(Name="/ami/web", Value=image(aws), Type="String")
    body = template().replace('"ImageId": {"Type": "String"}',
                              '"ImageId": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"}')
    create(aws, body, {"ImageId": "/ami/web"})
    aws.ssm.put_parameter(Name="/ami/web", Value=image(aws, "new"), Type="String", Overwrite=True)
    fetch = dict(StackName="web", UsePreviousTemplate=True, Parameters=keyed({"ImageId": None, "Secret": None}))
    assert refused("ValidationError", acting(CALL_UPDATE, *ACT).cfn.update_stack, **fetch) == \
        "AccessDenied. User doesn't have permission to call ssm:GetParameters"
    reader = acting(CALL_UPDATE, *ACT, allow("ssm:GetParameters", f"arn:aws:ssm:us-east-1:{aws.id}:parameter/ami/*"),
                    allow("ec2:DescribeImages"), name="reader")
    reader.cfn.update_stack(**fetch)
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE", reasons(aws)
