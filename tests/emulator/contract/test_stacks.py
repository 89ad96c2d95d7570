"""Stack operations take time, exclude each other, fail with reasons and roll back."""

import json

from conftest import held, refused, until
from scenario import (
    create,
    drift,
    group,
    image,
    in_service,
    instance,
    keyed,
    reasons,
    replacement,
    settled,
    template,
    update,
)

MISSING = "ami-0aaaaaaaaaaaaaaa0"


def _status(aws):
    return aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackStatus"]


def test_a_second_update_meanwhile_is_refused(aws):
    """aws-amplify/amplify-cli#5343; the text is matched by deployment tools."""
    first, second = image(aws, "image-a"), image(aws, "image-b")
    create(aws, template(), {"ImageId": first})
    arn = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    change = dict(StackName="web", UsePreviousTemplate=True,
                  Parameters=keyed({"ImageId": second, "Secret": None}))
    with held(aws, "stack") as hold:
        aws.cfn.update_stack(**change)
        assert _status(aws) == "UPDATE_IN_PROGRESS"
        assert refused("ValidationError", aws.cfn.update_stack, **change) == \
            f"Stack:{arn} is in UPDATE_IN_PROGRESS state and can not be updated."
        assert refused("ValidationError", aws.cfn.delete_stack, StackName="web") == \
            f"Stack [{arn}] cannot be deleted while in status UPDATE_IN_PROGRESS"
        hold.caught()
        hold.step()
        until(lambda: _status(aws) == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", what="the cleanup phase")
        assert "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS state" in refused("ValidationError", aws.cfn.update_stack, **change)
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE"


def test_no_updates(aws):
    """API_UpdateStack's ValidationError for a request that changes nothing."""
    ami = image(aws)
    create(aws, template(), {"ImageId": ami})
    assert refused("ValidationError", aws.cfn.update_stack, StackName="web", UsePreviousTemplate=True,
                   Parameters=keyed({"ImageId": ami, "Secret": None})) == "No updates are to be performed."


def test_unknown_stack(aws):
    """DescribeStacks and UpdateStack word it differently."""
    assert refused("ValidationError", aws.cfn.describe_stacks, StackName="nope") == \
        "Stack with id nope does not exist"
    assert refused("ValidationError", aws.cfn.update_stack, StackName="nope",
                   UsePreviousTemplate=True) == "Stack [nope] does not exist"


def test_parameters_unknown_and_missing(aws):
    """openedx-unsupported/configuration#1993, aws-samples/amazon-ec2-image-builder-samples#18."""
    ami = image(aws)
    assert refused("ValidationError", aws.cfn.create_stack, StackName="web", TemplateBody=template()) == \
        "Parameters: [ImageId] must have values"
    create(aws, template(), {"ImageId": ami})
    assert refused("ValidationError", aws.cfn.update_stack, StackName="web", UsePreviousTemplate=True,
                   Parameters=keyed({"ImageId": ami, "Nope": "x"})) == \
        "Parameters: [Nope] do not exist in the template"


def test_noecho_values_are_hidden(aws):
    """API_Parameter: NoEcho values come back as ****."""
    create(aws, template(), {"ImageId": image(aws)})
    found = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}["Secret"] == "****"
    assert "LastUpdatedTime" not in found


def test_update_without_policy_leaves_the_instance_and_the_next_one_boots_the_new_image(aws):
    """aws-attribute-updatepolicy: without one, CloudFormation does not replace instances."""
    old, new = image(aws, "image-a"), image(aws, "image-b")
    out = create(aws, template(), {"ImageId": old})
    first = in_service(aws, out["GroupName"])[0]["InstanceId"]
    assert update(aws, ImageId=new) == "UPDATE_COMPLETE"
    assert group(aws, out["GroupName"])["LaunchTemplate"]["Version"] == "2"
    assert [i["InstanceId"] for i in in_service(aws, out["GroupName"])] == [first]
    aws.ec2.terminate_instances(InstanceIds=[first])
    assert instance(aws, replacement(aws, out["GroupName"], first))["ImageId"] == new


def test_an_unknown_image_fails_the_group_and_rolls_back(aws):
    """The service's refusal is the resource's reason; the stack ends UPDATE_ROLLBACK_COMPLETE."""
    old = image(aws)
    out = create(aws, template(), {"ImageId": old})
    token = "promotion-1"
    aws.cfn.update_stack(StackName="web", UsePreviousTemplate=True, ClientRequestToken=token,
                         Parameters=keyed({"ImageId": MISSING, "Secret": None}))
    assert settled(aws, "web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = reasons(aws)["Group UPDATE_FAILED"]
    assert reason.startswith('Resource handler returned message: "You must use a valid fully-formed launch '
                             f"template. The image id '[{MISSING}]' does not exist (Service: AutoScaling, "
                             "Status Code: 400, Request ID: ")
    assert reason.endswith("HandlerErrorCode: InvalidRequest)")
    events = aws.cfn.describe_stack_events(StackName="web")["StackEvents"]
    ours = [e for e in events if e.get("ClientRequestToken") == token]
    assert [e["ResourceStatus"] for e in reversed(ours) if e["LogicalResourceId"] == "web"] == [
        "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE"]
    assert group(aws, out["GroupName"])["LaunchTemplate"]["Version"] == "1"
    found = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}["ImageId"] == old


def test_after_a_rollback_the_next_update_works(aws):
    """coverage-roadmap#1912: versions are left behind, the group must follow the newest one anyway."""
    out = create(aws, template(), {"ImageId": image(aws, "image-a")})
    assert update(aws, ImageId=MISSING) == "UPDATE_ROLLBACK_COMPLETE"
    assert drift(aws)[0]["StackDriftStatus"] == "IN_SYNC"
    new = image(aws, "image-b")
    assert update(aws, ImageId=new) == "UPDATE_COMPLETE"
    assert drift(aws)[0]["StackDriftStatus"] == "IN_SYNC"
    version = group(aws, out["GroupName"])["LaunchTemplate"]["Version"]
    found = aws.ec2.describe_launch_template_versions(LaunchTemplateId=out["TemplateId"],
                                                      Versions=[version, "$Latest"])["LaunchTemplateVersions"]
    assert [v["LaunchTemplateData"]["ImageId"] for v in found] == [new, new]
    assert int(version) > 2


def test_min_above_max_fails_the_group(aws):
    """Auto Scaling's own bounds check, as a resource reason."""
    ami = image(aws)
    create(aws, template(), {"ImageId": ami})
    aws.cfn.update_stack(StackName="web", TemplateBody=template(MinSize="3"),
                         Parameters=keyed({"ImageId": None, "Secret": None}))
    assert settled(aws, "web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Max bound, 1, must be greater than or equal to min bound, 3" in reasons(aws)["Group UPDATE_FAILED"]


def test_rolling_update_replaces_the_instance(aws):
    """aws-attribute-updatepolicy, AutoScalingRollingUpdate."""
    old, new = image(aws, "image-a"), image(aws, "image-b")
    out = create(aws, template(policy={"AutoScalingRollingUpdate": {"MinInstancesInService": 0}}),
                 {"ImageId": old})
    first = in_service(aws, out["GroupName"])[0]["InstanceId"]
    assert update(aws, ImageId=new) == "UPDATE_COMPLETE", reasons(aws)
    second = in_service(aws, out["GroupName"])[0]["InstanceId"]
    assert second != first
    assert instance(aws, second)["ImageId"] == new


def test_rolling_update_needs_room(aws):
    """awsdocs/aws-cloudformation-user-guide#164."""
    old, new = image(aws, "image-a"), image(aws, "image-b")
    create(aws, template(policy={"AutoScalingRollingUpdate": {"MinInstancesInService": 1}}), {"ImageId": old})
    assert update(aws, ImageId=new) == "UPDATE_ROLLBACK_COMPLETE"
    assert reasons(aws)["Group UPDATE_FAILED"] == \
        "MinInstancesInService must be less than the autoscaling group's MaxSize"


def test_a_replacing_update_makes_a_group_of_another_name(aws):
    """aws-attribute-updatepolicy, AutoScalingReplacingUpdate: the old group is there until the new one is complete;
    buildkite/elastic-ci-stack-for-aws#764, coverage-roadmap#1475."""
    old, new = image(aws, "old"), image(aws, "new")
    out = create(aws, template(policy={"AutoScalingReplacingUpdate": {"WillReplace": True}}), {"ImageId": old})
    assert update(aws, ImageId=new) == "UPDATE_COMPLETE", reasons(aws)
    stack = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]
    name = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}["GroupName"]
    assert name != out["GroupName"]
    assert instance(aws, in_service(aws, name)[0]["InstanceId"])["ImageId"] == new
    assert aws.asg.describe_auto_scaling_groups(
        AutoScalingGroupNames=[out["GroupName"]])["AutoScalingGroups"] == []
    assert drift(aws)[0]["StackDriftStatus"] == "IN_SYNC"


def test_a_replacing_update_that_fails_keeps_the_old_group(aws):
    """Same page: "If the update fails, CloudFormation can roll back to the old Auto Scaling group"."""
    out = create(aws, template(policy={"AutoScalingReplacingUpdate": {"WillReplace": True}}), {"ImageId": image(aws)})
    assert update(aws, ImageId=MISSING) == "UPDATE_ROLLBACK_COMPLETE"
    stack = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]
    assert {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}["GroupName"] == out["GroupName"]
    groups = aws.asg.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert [found["AutoScalingGroupName"] for found in groups] == [out["GroupName"]]


def test_a_service_role_that_is_gone_refuses_the_update(aws):
    """aws-amplify/amplify-backend#2325: ValidationError; also one that does not trust CloudFormation."""
    new = image(aws, "new")
    create(aws, template(), {"ImageId": image(aws)})
    gone = f"arn:aws:iam::{aws.id}:role/gone"
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    other = aws.iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    change = dict(StackName="web", UsePreviousTemplate=True, Parameters=keyed({"ImageId": new, "Secret": None}))
    for role in (gone, other):
        text = f"Role {role} is invalid or cannot be assumed"
        assert refused("ValidationError", aws.cfn.update_stack, RoleARN=role, **change) == text
        assert refused("ValidationError", aws.cfn.create_change_set, ChangeSetName="plan", RoleARN=role, **change) == \
            text
    assert update(aws, ImageId=new) == "UPDATE_COMPLETE"


def test_instance_refresh_policy_replaces_the_instance(aws):
    """aws-attribute-updatepolicy, AutoScalingInstanceRefresh."""
    old, new = image(aws, "image-a"), image(aws, "image-b")
    out = create(aws, template(policy={"AutoScalingInstanceRefresh": {}}), {"ImageId": old})
    first = in_service(aws, out["GroupName"])[0]["InstanceId"]
    assert update(aws, ImageId=new) == "UPDATE_COMPLETE", reasons(aws)
    second = in_service(aws, out["GroupName"])[0]["InstanceId"]
    assert instance(aws, second)["ImageId"] == new and second != first
    refreshes = aws.asg.describe_instance_refreshes(AutoScalingGroupName=out["GroupName"])["InstanceRefreshes"]
    assert [r["Status"] for r in refreshes] == ["Successful"]


def test_template_summary(aws):
    """API_GetTemplateSummary: parameters, capabilities, declared transforms."""
    create(aws, template(), {"ImageId": image(aws)})
    summary = aws.cfn.get_template_summary(StackName="web")
    assert {p["ParameterKey"]: p["NoEcho"] for p in summary["Parameters"]} == {"ImageId": False, "Secret": True}
    assert "Capabilities" not in summary
    body = ('{"Transform": "AWS::Serverless-2016-10-31", "Resources": {"R": {"Type": "AWS::IAM::Role", '
            '"Properties": {"AssumeRolePolicyDocument": {}}}}}')
    summary = aws.cfn.get_template_summary(TemplateBody=body)
    assert summary["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]
    assert "CAPABILITY_IAM" in summary["Capabilities"]


def test_rollback_of_a_group_without_instances(aws):
    """CREATE fails with a reason when the group's instances cannot be launched."""
    aws.cfn.create_stack(StackName="web", TemplateBody=template(), Parameters=keyed({"ImageId": MISSING}))
    assert settled(aws, "web")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert f"The image id '[{MISSING}]' does not exist" in reasons(aws)["Group CREATE_FAILED"]


def test_a_typed_parameter_that_does_not_exist_rolls_the_stack_back_without_a_failed_resource(aws):
    """CloudFormation user guide, "AWS-specific parameter types": the value must exist."""
    body = template().replace('"ImageId": {"Type": "String"}', '"ImageId": {"Type": "AWS::EC2::Image::Id"}')
    create(aws, body, {"ImageId": image(aws)})
    assert update(aws, ImageId=MISSING) == "UPDATE_ROLLBACK_COMPLETE"
    found = reasons(aws)
    assert found["web UPDATE_ROLLBACK_IN_PROGRESS"].startswith(
        f"Parameter validation failed: parameter value {MISSING} for parameter name ImageId does not exist")
    assert not [k for k in found if k.endswith("UPDATE_FAILED")]


def test_an_ssm_typed_parameter_must_be_in_the_store(aws):
    """CloudFormation user guide, "SSM parameter types"."""
    body = template().replace('"ImageId": {"Type": "String"}',
                              '"ImageId": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"}')
    assert refused("ValidationError", aws.cfn.create_stack, StackName="web", TemplateBody=body,
                   Parameters=keyed({"ImageId": "/nope"})) == \
        "Unable to fetch parameters [/nope] from parameter store for this account."
