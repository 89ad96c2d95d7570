"""Drift is what the live group says against what was deployed."""

import json

from conftest import held, refused
from scenario import create, drift, image, keyed, settled, template, update


def test_in_sync_after_create_and_after_update(aws):
    """User guide, "Detect drift on an entire CloudFormation stack"."""
    create(aws, template(), {"ImageId": image(aws, "image-a")})
    status, found = drift(aws)
    assert (status["DetectionStatus"], status["StackDriftStatus"]) == ("DETECTION_COMPLETE", "IN_SYNC")
    assert {k: d["StackResourceDriftStatus"] for k, d in found.items()} == {
        "Group": "IN_SYNC", "Template": "IN_SYNC"}
    assert update(aws, ImageId=image(aws, "image-b")) == "UPDATE_COMPLETE"
    status, _ = drift(aws)
    assert status["StackDriftStatus"] == "IN_SYNC" and status["DriftedStackResourceCount"] == 0


def test_a_launch_template_changed_by_hand_is_drift_of_the_group(aws):
    """coverage-roadmap#1470: expected is what was deployed; the template itself stays IN_SYNC (#2001)."""
    out = create(aws, template(), {"ImageId": image(aws, "image-a")})
    aws.ec2.create_launch_template_version(
        LaunchTemplateId=out["TemplateId"], SourceVersion="$Latest",
        LaunchTemplateData={"ImageId": image(aws, "image-b")})
    status, found = drift(aws)
    assert status["StackDriftStatus"] == "IN_SYNC", "a new version alone is not drift"
    aws.asg.update_auto_scaling_group(
        AutoScalingGroupName=out["GroupName"],
        LaunchTemplate={"LaunchTemplateId": out["TemplateId"], "Version": "2"})
    status, found = drift(aws)
    assert (status["StackDriftStatus"], status["DriftedStackResourceCount"]) == ("DRIFTED", 1)
    assert found["Template"]["StackResourceDriftStatus"] == "IN_SYNC"
    assert found["Group"]["StackResourceDriftStatus"] == "MODIFIED"
    assert found["Group"]["PropertyDifferences"] == [{
        "PropertyPath": "/LaunchTemplate/Version", "ExpectedValue": "1", "ActualValue": "2",
        "DifferenceType": "NOT_EQUAL"}]


def test_sizes_are_compared_and_undeclared_ones_are_not(aws):
    """Only explicitly set properties are compared."""
    out = create(aws, template(), {"ImageId": image(aws)})
    aws.asg.update_auto_scaling_group(AutoScalingGroupName=out["GroupName"], MaxSize=2, DesiredCapacity=2)
    _, found = drift(aws)
    assert [(d["PropertyPath"], d["ExpectedValue"], d["ActualValue"])
            for d in found["Group"]["PropertyDifferences"]] == [("/MaxSize", "1", "2")]


def test_a_groups_tags_are_the_stacks_too(aws):
    """User guide, "Resource tags": a stack's tags get to its resources."""
    aws.cfn.create_stack(StackName="web", TemplateBody=template(Tags=[]), Tags=[{"Key": "Owner", "Value": "us"}],
                         Parameters=keyed({"ImageId": image(aws)}))
    settled(aws, "web")
    assert drift(aws)[0]["StackDriftStatus"] == "IN_SYNC"


def test_one_detection_at_a_time_and_it_takes_time(aws):
    """Scripts in the wild match "Drift detection is already in progress for stack"."""
    create(aws, template(), {"ImageId": image(aws)})
    arn = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    with held(aws, "drift"):
        first = aws.cfn.detect_stack_drift(StackName="web")["StackDriftDetectionId"]
        status = aws.cfn.describe_stack_drift_detection_status(StackDriftDetectionId=first)
        assert status["DetectionStatus"] == "DETECTION_IN_PROGRESS"
        assert refused("ValidationError", aws.cfn.detect_stack_drift, StackName="web") == \
            f"Drift detection is already in progress for stack {arn}"


def test_not_while_an_operation_runs(aws):
    """Allowed statuses: user guide, "Considerations when detecting drift". The text as recorded: "… while it is in
    [ROLLBACK_COMPLETE] state"."""
    create(aws, template(), {"ImageId": image(aws, "image-a")})
    new = image(aws, "image-b")
    with held(aws, "stack"):
        aws.cfn.update_stack(StackName="web", UsePreviousTemplate=True,
                             Parameters=keyed({"ImageId": new, "Secret": None}))
        assert refused("ValidationError", aws.cfn.detect_stack_drift, StackName="web").endswith(
            "while it is in [UPDATE_IN_PROGRESS] state")
    settled(aws, "web")
    assert aws.cfn.detect_stack_drift(StackName="web")


def test_a_parameter_of_the_stack_drifts_when_written(aws):
    """coverage-roadmap#1533: AWS::SSM::Parameter's Value is compared."""
    create(aws, '{"Resources": {"P": {"Type": "AWS::SSM::Parameter", '
                '"Properties": {"Name": "/p", "Type": "String", "Value": "a"}}}}')
    aws.ssm.put_parameter(Name="/p", Value="b", Type="String", Overwrite=True)
    _, found = drift(aws)
    assert [d["PropertyPath"] for d in found["P"]["PropertyDifferences"]] == ["/Value"]


def test_only_the_named_resources(aws):
    """API_DetectStackDrift, LogicalResourceIds."""
    create(aws, template(), {"ImageId": image(aws)})
    _, found = drift(aws, LogicalResourceIds=["Group"])
    assert set(found) == {"Group"}


def test_a_deleted_group(aws):
    """StackResourceDriftStatus DELETED."""
    out = create(aws, template(), {"ImageId": image(aws)})
    aws.asg.delete_auto_scaling_group(AutoScalingGroupName=out["GroupName"], ForceDelete=True)
    status, found = drift(aws)
    assert status["StackDriftStatus"] == "DRIFTED"
    assert found["Group"]["StackResourceDriftStatus"] == "DELETED"


def test_every_type_that_can_be_read_is_checked(aws):
    """Registry schemas: a type with a read handler is checked, one without is not (API_DescribeStackResourceDrifts:
    no rows for "resources that don't support drift detection"); a nested stack is not (API_DetectStackDrift)."""
    aws.s3.create_bucket(Bucket="drift-templates")
    leaf = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    aws.s3.put_object(Bucket="drift-templates", Key="leaf", Body=json.dumps(leaf))
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}}
    create(aws, json.dumps({"Resources": {
        "Role": role, "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
        "Policy": {"Type": "AWS::IAM::Policy", "Properties": {
            "PolicyName": "p", "Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": [
                {"Effect": "Allow", "Action": "ec2:DescribeImages", "Resource": "*"}]}}},
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Nested": {"Type": "AWS::CloudFormation::Stack", "Properties": {
            "TemplateURL": f"{aws.server.url}/drift-templates/leaf"}}}}))
    status, found = drift(aws)
    assert status["DetectionStatus"] == "DETECTION_COMPLETE"
    assert {k: d["StackResourceDriftStatus"] for k, d in found.items()} == {"Role": "IN_SYNC", "Profile": "IN_SYNC"}


def test_what_cannot_be_read_back_is_never_compared(aws):
    """Registry schema of AWS::SSM::Parameter, writeOnlyProperties: Description, for example."""
    create(aws, json.dumps({"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {
        "Name": "/p", "Type": "String", "Value": "a", "Description": "before"}}}}))
    aws.ssm.put_parameter(Name="/p", Value="a", Type="String", Description="after", Overwrite=True)
    assert drift(aws)[1]["P"]["StackResourceDriftStatus"] == "IN_SYNC"


def test_a_stack_may_be_in_sync_with_rows_that_are_not(aws):
    """coverage-roadmap#2283, which AWS has confirmed and which is open."""
    out = create(aws, template(), {"ImageId": image(aws)})
    aws.asg.update_auto_scaling_group(AutoScalingGroupName=out["GroupName"], MaxSize=2)
    aws.control("POST", "drift/web", {"status": "IN_SYNC"})
    status, found = drift(aws)
    assert (status["DetectionStatus"], status["StackDriftStatus"]) == ("DETECTION_COMPLETE", "IN_SYNC")
    assert found["Group"]["StackResourceDriftStatus"] == "MODIFIED"
    assert drift(aws)[0]["StackDriftStatus"] == "DRIFTED"


def test_a_detection_fails_when_what_it_reads_is_throttled(aws):
    """coverage-roadmap#801 has the reason."""
    create(aws, template(), {"ImageId": image(aws)})
    aws.control("POST", "drift/web", {"failure": "Rate exceeded"})
    status, _ = drift(aws)
    assert status["DetectionStatus"] == "DETECTION_FAILED"
    assert status["DetectionStatusReason"] == (
        '{"Summary":"Failed to detect drift on resources [Template,Group]","Failures":[{"Resource":"Template",'
        '"FailureReason":"Rate exceeded"},{"Resource":"Group","FailureReason":"Rate exceeded"}]}')


def test_drift_that_others_make_stays(aws):
    """coverage-roadmap#1199: Service Catalog's tags are drift, and no update takes them away."""
    out = create(aws, template(), {"ImageId": image(aws, "image-a")})
    aws.asg.create_or_update_tags(Tags=[{
        "ResourceId": out["GroupName"], "ResourceType": "auto-scaling-group", "Key": "Catalog", "Value": "1",
        "PropagateAtLaunch": False}])

    def rows():
        return [(d["PropertyPath"], d["DifferenceType"]) for d in drift(aws)[1]["Group"]["PropertyDifferences"]]
    before = rows()
    assert before == [("/Tags/1", "ADD")]
    assert update(aws, ImageId=image(aws, "image-b")) == "UPDATE_COMPLETE"
    assert rows() == before
