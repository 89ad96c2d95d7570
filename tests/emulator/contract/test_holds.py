"""Holds: an operation stays in its intermediate state until the test lets go, and nobody else's does."""

import contextlib
import urllib.error

import pytest

from conftest import held, refused, until
from scenario import create, drift, group, image, in_service, instance, keyed, settled, template

WEB = {"StackName": "web", "UsePreviousTemplate": True}


def _holds(aws):
    return aws.control("GET", "holds")["holds"]


def _status(aws, name="web"):
    return aws.cfn.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def _images(aws):
    """A stack with the first image, and the request that updates it to the second."""
    first, second = image(aws, "first"), image(aws, "second")
    out = create(aws, template(), {"ImageId": first})
    return out["GroupName"], {**WEB, "Parameters": keyed({"ImageId": second, "Secret": None})}


def test_a_stack(aws, server):
    """The update neither begins nor ends; the same of another account does."""
    name, change = _images(aws)
    other = server.session(f"9{aws.id[1:]}")
    _, same = _images(other)
    with held(aws, "stack", "web") as hold:
        aws.cfn.update_stack(**change)
        assert hold.caught() == ["web"] and _status(aws) == "UPDATE_IN_PROGRESS"
        other.cfn.update_stack(**same)
        assert settled(other, "web")["StackStatus"] == "UPDATE_COMPLETE"
        assert _status(aws) == "UPDATE_IN_PROGRESS" and group(aws, name)["LaunchTemplate"]["Version"] == "1"
        hold.step()
        assert hold.caught() == ["web"] and _status(aws) == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        assert group(aws, name)["LaunchTemplate"]["Version"] == "2"
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE"


def test_creation_and_deletion_of_a_stack(aws):
    with held(aws, "stack") as hold:
        aws.cfn.create_stack(StackName="web", TemplateBody=template(image(aws)))
        assert hold.caught() == ["web"] and _status(aws) == "CREATE_IN_PROGRESS"
    assert settled(aws, "web")["StackStatus"] == "CREATE_COMPLETE"
    stack_id = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    with held(aws, "stack", stack_id) as hold:
        aws.cfn.delete_stack(StackName="web")
        assert hold.caught() == ["web"] and _status(aws, stack_id) == "DELETE_IN_PROGRESS"
    until(lambda: _status(aws, stack_id) == "DELETE_COMPLETE", what="the stack's deletion")


def test_a_change_set(aws):
    _, change = _images(aws)
    with held(aws, "change_set", "plan") as hold:
        aws.cfn.create_change_set(ChangeSetName="plan", **change)
        assert hold.caught() == ["plan"]
        assert aws.cfn.describe_change_set(ChangeSetName="plan", StackName="web")["Status"] == "CREATE_PENDING"
        hold.step()
        assert hold.caught() == ["plan"]
        assert aws.cfn.describe_change_set(ChangeSetName="plan", StackName="web")["Status"] == "CREATE_IN_PROGRESS"
    until(lambda: aws.cfn.describe_change_set(ChangeSetName="plan", StackName="web")["Status"] == "CREATE_COMPLETE",
          what="the change set")


def test_drift(aws):
    _images(aws)
    with held(aws, "drift", "web") as hold:
        detection = aws.cfn.detect_stack_drift(StackName="web")["StackDriftDetectionId"]
        assert hold.caught() == ["web"]
        found = aws.cfn.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        assert found["DetectionStatus"] == "DETECTION_IN_PROGRESS"
        refused("ValidationError", aws.cfn.detect_stack_drift, StackName="web")
    until(lambda: aws.cfn.describe_stack_drift_detection_status(
        StackDriftDetectionId=detection)["DetectionStatus"] == "DETECTION_COMPLETE", what="the detection")
    assert drift(aws)[0]["StackDriftStatus"] == "IN_SYNC"


def test_a_refresh(aws):
    """Pending, then InProgress without having replaced anything, then all of it."""
    name, _ = _images(aws)
    old = in_service(aws, name)[0]["InstanceId"]

    def status():
        return aws.asg.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"][0]["Status"]
    with held(aws, "refresh", name) as hold:
        aws.asg.start_instance_refresh(AutoScalingGroupName=name)
        assert hold.caught() == [name] and status() == "Pending"
        assert [i["InstanceId"] for i in in_service(aws, name)] == [old]
        hold.step()
        assert hold.caught() == [name] and status() == "InProgress"
    until(lambda: status() == "Successful", what="the refresh")
    assert old not in [i["InstanceId"] for i in in_service(aws, name)]


def test_a_refresh_that_cloudformation_waits_for(aws):
    """What a held operation is waited for by does not run out of time."""
    first, second = image(aws, "first"), image(aws, "second")
    create(aws, template(policy={"AutoScalingInstanceRefresh": {}}), {"ImageId": first})
    with held(aws, "refresh") as hold:
        aws.cfn.update_stack(**WEB, Parameters=keyed({"ImageId": second, "Secret": None}))
        hold.caught()
        assert _status(aws) == "UPDATE_IN_PROGRESS"
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE"


def test_an_image(aws):
    """By the instance that it is made of: its id is known too late."""
    name, _ = _images(aws)
    of = in_service(aws, name)[0]["InstanceId"]

    def state(image_id):
        return aws.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"]
    with held(aws, "image", of) as hold:
        image_id = aws.ec2.create_image(InstanceId=of, Name="backup")["ImageId"]
        assert hold.caught() == [image_id] and state(image_id) == "pending"
        image(aws, "not the instance's")
    until(lambda: state(image_id) == "available", what="the image")


def test_a_parameter(aws):
    """Accepted, and not there yet; of another name it is."""
    ami = image(aws)
    written = dict(Value=ami, Type="String", DataType="aws:ec2:image")
    with held(aws, "parameter", "/ami/web") as hold:
        aws.ssm.put_parameter(Name="/ami/web", **written)
        aws.ssm.put_parameter(Name="/ami/db", **written)
        assert hold.caught() == ["/ami/web"]
        until(lambda: aws.ssm.get_parameters(Names=["/ami/db"])["Parameters"], what="/ami/db")
        refused("ParameterNotFound", aws.ssm.get_parameter, Name="/ami/web")
    until(lambda: aws.ssm.get_parameters(Names=["/ami/web"])["Parameters"], what="/ami/web")


def test_an_instance(aws):
    """A group's replacement stays pending; by the group's name, as its own id is known too late."""
    name, _ = _images(aws)
    old = in_service(aws, name)[0]["InstanceId"]
    with held(aws, "instance", name) as hold:
        aws.ec2.terminate_instances(InstanceIds=[old])
        # The old one shutting down, and its removal from the group; the new one, and its coming into service.
        until(lambda: len(hold.waiting()) == 4, what="four held steps")
        assert instance(aws, old)["State"]["Name"] == "shutting-down"
        new = next(i["InstanceId"] for i in group(aws, name)["Instances"] if i["InstanceId"] != old)
        assert in_service(aws, name) == [] and instance(aws, new)["State"]["Name"] == "pending"
    until(lambda: [i["InstanceId"] for i in in_service(aws, name)] == [new], what="the new instance")
    until(lambda: instance(aws, old)["State"]["Name"] == "terminated", what="the old instance's end")


def test_an_operation_that_has_begun_is_caught_before_its_next_step(aws):
    """Here the pending image of a hold that is gone; the other hold has not been asked yet."""
    with held(aws, "image", "late") as first, contextlib.ExitStack() as later:
        source = image(aws)
        copied = aws.ec2.copy_image(Name="late", SourceImageId=source, SourceRegion="us-east-1")["ImageId"]
        assert first.caught() == [copied]
        second = later.enter_context(held(aws, "image", copied))
        aws.control("DELETE", f"holds/{first.id}")
        assert second.caught() == [copied]
        assert _holds(aws) == [{"id": second.id, "what": "image", "resource": copied, "waiting": [copied]}]
        assert aws.ec2.describe_images(ImageIds=[copied])["Images"][0]["State"] == "pending"
        aws.control("DELETE", "holds")
    until(lambda: aws.ec2.describe_images(ImageIds=[copied])["Images"][0]["State"] == "available", what="the image")


def test_of_the_account_and_region_alone(aws, server):
    """Neither seen nor let go from elsewhere."""
    other = server.session(f"9{aws.id[1:]}")
    with held(aws, "image") as hold:
        assert _holds(other) == []
        other.control("DELETE", "holds")
        with pytest.raises(urllib.error.HTTPError) as caught:
            other.control("DELETE", f"holds/{hold.id}")
        assert caught.value.code == 404
        assert [h["id"] for h in _holds(aws)] == [hold.id]
        image(other)


@pytest.mark.parametrize("body", [{"what": "stacks"}, {"resource": "web"}, {"what": "stack", "name": "web"}, [],
                                  {"what": "stack", "resource": 1}])
def test_nonsense_is_refused(aws, body):
    with pytest.raises(urllib.error.HTTPError) as caught:
        aws.control("POST", "holds", body)
    assert caught.value.code == 400
    if body == {"what": "stacks"}:
        said = caught.value.read().decode()
        kinds = "stack", "change_set", "drift", "refresh", "image", "parameter", "instance"
        assert all(kind in said for kind in kinds)
    assert _holds(aws) == []
