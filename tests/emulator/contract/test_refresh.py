"""Instance refreshes really replace instances, one refresh at a time."""

import pytest

from conftest import held, refused, until
from scenario import create, group, image, in_service, instance, template

MISSING = "ami-0aaaaaaaaaaaaaaa0"


@pytest.fixture
def name(aws):
    return create(aws, template(), {"ImageId": image(aws, "old")})["GroupName"]


@pytest.fixture
def alias(aws):
    """A group whose image is a Systems Manager parameter."""
    aws.ssm.put_parameter(Name="/ami/web", Value=image(aws, "old"), Type="String")
    return create(aws, template("resolve:ssm:/ami/web"))["GroupName"]


def _refreshes(aws, name):
    return aws.asg.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]


def _ended(aws, name):
    def look():
        newest = _refreshes(aws, name)[0]
        return newest if newest["Status"] not in ("Pending", "InProgress", "Cancelling") else None
    return until(look, what="the refresh ended")


def test_states_and_replacement(aws, alias):
    """User guide, "How an instance refresh works"; the parameter is resolved at launch."""
    first = in_service(aws, alias)[0]["InstanceId"]
    new = image(aws, "new")
    aws.ssm.put_parameter(Name="/ami/web", Value=new, Type="String", Overwrite=True)
    with held(aws, "refresh", alias) as hold:
        started = aws.asg.start_instance_refresh(AutoScalingGroupName=alias)["InstanceRefreshId"]
        for status in ("Pending", "InProgress"):
            hold.caught()
            assert _refreshes(aws, alias)[0]["Status"] == status
            assert refused("InstanceRefreshInProgress", aws.asg.start_instance_refresh, AutoScalingGroupName=alias) == \
                "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."
            hold.step()
    ended = _ended(aws, alias)
    assert (ended["InstanceRefreshId"], ended["Status"], ended["PercentageComplete"]) == (
        started, "Successful", 100)
    second = in_service(aws, alias)[0]["InstanceId"]
    assert second != first and instance(aws, second)["ImageId"] == new


def _served_while_the_new_one_is_pending(aws, name, preferences):
    """The ids of the instances in service then; afterwards the refresh is Successful."""
    with held(aws, "instance", name) as hold:
        aws.asg.start_instance_refresh(AutoScalingGroupName=name, Preferences=preferences)
        hold.caught()
        served = [i["InstanceId"] for i in in_service(aws, name)]
    assert _ended(aws, name)["Status"] == "Successful"
    return served


def test_the_default_takes_the_only_instance_down(aws, name):
    """alphagov/tech-ops#208: 90/omitted on a group of one."""
    assert _served_while_the_new_one_is_pending(aws, name, {}) == []


def test_launch_before_terminate(aws, name):
    """API_RefreshPreferences: both percentages 100."""
    old = [i["InstanceId"] for i in in_service(aws, name)]
    both = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 100}
    assert _served_while_the_new_one_is_pending(aws, name, both) == old
    new = [i["InstanceId"] for i in in_service(aws, name)]
    assert len(new) == 1 and new != old and group(aws, name)["DesiredCapacity"] == 1


def test_preferences_are_checked(aws, name):
    """API_RefreshPreferences: max needs min; max - min ≤ 100."""
    for preferences, text in (
            ({"MaxHealthyPercentage": 110}, "MinHealthyPercentage"),
            ({"MinHealthyPercentage": 50, "MaxHealthyPercentage": 200}, "greater than 100")):
        assert text in refused("ValidationError", aws.asg.start_instance_refresh,
                               AutoScalingGroupName=name, Preferences=preferences)
    assert "AutoRollback parameter cannot be set to true" in refused(
        "ValidationError", aws.asg.start_instance_refresh, AutoScalingGroupName=name,
        Preferences={"AutoRollback": True})
    assert _refreshes(aws, name) == []


def test_parameter_images_exclude_desired_configuration_and_skip_matching(aws, alias):
    """User guide, "Use AWS Systems Manager parameters instead of AMI IDs": limitations."""
    spec = group(aws, alias)["LaunchTemplate"]
    refused("ValidationError", aws.asg.start_instance_refresh, AutoScalingGroupName=alias,
            DesiredConfiguration={"LaunchTemplate": {"LaunchTemplateId": spec["LaunchTemplateId"],
                                                     "Version": "1"}})
    refused("ValidationError", aws.asg.start_instance_refresh, AutoScalingGroupName=alias,
            Preferences={"SkipMatching": True})


def test_it_fails_when_the_new_instance_cannot_launch(aws, alias):
    """User guide: launches are retried, then the refresh fails."""
    aws.ssm.put_parameter(Name="/ami/web", Value=MISSING, Type="String", Overwrite=True)
    aws.asg.start_instance_refresh(AutoScalingGroupName=alias)
    ended = _ended(aws, alias)
    assert ended["Status"] == "Failed"
    assert f"The image id '[{MISSING}]' does not exist" in ended["StatusReason"]


def test_cancel(aws, name):
    """API_CancelInstanceRefresh."""
    assert "No in progress or pending Instance Refresh" in refused(
        "ActiveInstanceRefreshNotFound", aws.asg.cancel_instance_refresh, AutoScalingGroupName=name)
    with held(aws, "refresh"):
        aws.asg.start_instance_refresh(AutoScalingGroupName=name)
        aws.asg.cancel_instance_refresh(AutoScalingGroupName=name)
    assert _ended(aws, name)["Status"] == "Cancelled"


def test_rollback_is_refused_for_parameter_images(aws, alias):
    """API_RollbackInstanceRefresh."""
    with held(aws, "refresh"):
        aws.asg.start_instance_refresh(AutoScalingGroupName=alias)
        refused("IrreversibleInstanceRefresh", aws.asg.rollback_instance_refresh, AutoScalingGroupName=alias)


def test_a_desired_configuration_becomes_the_groups_own_and_locks_it_meanwhile(aws, name):
    """coverage-roadmap#1470 (drift afterwards); user guide, limits of instance refreshes."""
    spec = group(aws, name)["LaunchTemplate"]
    new = image(aws, "new")
    aws.ec2.create_launch_template_version(LaunchTemplateId=spec["LaunchTemplateId"], SourceVersion="1",
                                           LaunchTemplateData={"ImageId": new})
    wanted = {"LaunchTemplateId": spec["LaunchTemplateId"], "Version": "$Latest"}
    with held(aws, "refresh"):
        aws.asg.start_instance_refresh(AutoScalingGroupName=name, DesiredConfiguration={"LaunchTemplate": wanted},
                                       Preferences={"SkipMatching": True})
        assert "An active instance refresh with a desired configuration exists." in refused(
            "ValidationError", aws.asg.update_auto_scaling_group, AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateId": spec["LaunchTemplateId"], "Version": "1"})
    assert _ended(aws, name)["Status"] == "Successful"
    assert group(aws, name)["LaunchTemplate"]["Version"] == "$Latest"
    assert instance(aws, in_service(aws, name)[0]["InstanceId"])["ImageId"] == new
