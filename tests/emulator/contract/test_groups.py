"""Groups keep real instances, and launch them from the template as it is at that moment."""

from conftest import refused, until
from scenario import create, group, image, in_service, instance, replacement, template


def test_a_stacks_group_has_real_instances_with_all_their_tags(aws):
    """Auto Scaling user guide, "Tag Auto Scaling groups and instances"; instances of a
    CloudFormation-made group carry the stack's aws: tags."""
    ami = image(aws)
    out = create(aws, template(), {"ImageId": ami})
    member = in_service(aws, out["GroupName"])[0]
    found = instance(aws, member["InstanceId"])
    assert found["ImageId"] == ami
    assert found["State"]["Name"] == "running"
    tags = {t["Key"]: t["Value"] for t in found["Tags"]}
    stack_id = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    assert tags == {
        "StackName": "web", "Role": "web", "aws:autoscaling:groupName": out["GroupName"],
        "aws:ec2launchtemplate:id": out["TemplateId"], "aws:ec2launchtemplate:version": "1",
        "aws:cloudformation:stack-name": "web", "aws:cloudformation:stack-id": stack_id,
        "aws:cloudformation:logical-id": "Group"}
    assert member["LaunchTemplate"]["LaunchTemplateId"] == out["TemplateId"]
    assert member["LaunchTemplate"]["Version"] == "1"


def test_a_terminated_instance_is_replaced_from_the_parameter_as_it_is_then(aws):
    """Auto Scaling user guide, "Use AWS Systems Manager parameters instead of AMI IDs"."""
    old_ami, new_ami = image(aws, "old"), image(aws, "new")
    aws.ssm.put_parameter(Name="/ami/web", Value=old_ami, Type="String")
    out = create(aws, template("resolve:ssm:/ami/web"))
    first = in_service(aws, out["GroupName"])[0]["InstanceId"]
    aws.ssm.put_parameter(Name="/ami/web", Value=new_ami, Type="String", Overwrite=True)
    assert instance(aws, first)["ImageId"] == old_ami
    aws.ec2.terminate_instances(InstanceIds=[first])
    second = replacement(aws, out["GroupName"], first)
    assert instance(aws, second)["ImageId"] == new_ami
    until(lambda: instance(aws, first)["State"]["Name"] == "terminated")


def test_a_launch_that_fails_is_an_activity_and_is_retried(aws):
    """Auto Scaling user guide, "Troubleshoot ... AMI issues"."""
    old_ami = image(aws, "old")
    aws.ssm.put_parameter(Name="/ami/web", Value=old_ami, Type="String")
    out = create(aws, template("resolve:ssm:/ami/web"))
    first = in_service(aws, out["GroupName"])[0]["InstanceId"]
    missing = "ami-0aaaaaaaaaaaaaaa0"
    aws.ssm.put_parameter(Name="/ami/web", Value=missing, Type="String", Overwrite=True)
    aws.ec2.terminate_instances(InstanceIds=[first])

    def failed():
        found = aws.asg.describe_scaling_activities(AutoScalingGroupName=out["GroupName"])["Activities"]
        return [a for a in found if a["StatusCode"] == "Failed"]
    activity = until(failed, what="a failed activity")[0]
    assert activity["StatusMessage"] == (
        f"The image id '[{missing}]' does not exist. Launching EC2 instance failed.")
    assert in_service(aws, out["GroupName"]) == []
    aws.ssm.put_parameter(Name="/ami/web", Value=old_ami, Type="String", Overwrite=True)
    assert replacement(aws, out["GroupName"], first)


def test_a_mixed_group_launches_its_first_override(aws):
    """druids/terraform-aws-asg-instance-refresh#15, TwiN/aws-eks-asg-rolling-update-handler#22: an override has a
    launch template of its own, or an image; API_InstancesDistribution: the first is launched first."""
    base, fixed = image(aws, "base"), image(aws, "fixed")
    made = {name: aws.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={
        "ImageId": ami, "InstanceType": "t3.micro"})["LaunchTemplate"]["LaunchTemplateId"]
        for name, ami in (("base", base), ("fixed", fixed))}

    def boots(name, **override):
        aws.asg.create_auto_scaling_group(
            AutoScalingGroupName=name, MinSize=1, MaxSize=1, AvailabilityZones=["us-east-1a"],
            MixedInstancesPolicy={"LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": made["base"], "Version": "1"},
                "Overrides": [{"InstanceType": "t3.small", **override}, {"InstanceType": "t3.micro"}]}})
        found = instance(aws, replacement(aws, name))
        return found["InstanceType"], found["ImageId"]
    assert boots("plain") == ("t3.small", base)
    assert boots("template", LaunchTemplateSpecification={
        "LaunchTemplateId": made["fixed"], "Version": "1"}) == ("t3.small", fixed)
    assert boots("image", ImageId=fixed) == ("t3.small", fixed)


def test_a_group_without_an_instance_is_there(aws):
    """Auto Scaling user guide, "Set scaling limits": a desired capacity of 0; the stack and the API list the group."""
    out = create(aws, template(MinSize="0"), {"ImageId": image(aws)})
    assert group(aws, out["GroupName"])["Instances"] == []
    listed = aws.cfn.list_stack_resources(StackName="web")["StackResourceSummaries"]
    assert {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in listed}["Group"] == out["GroupName"]


def test_desired_capacity_up_and_down(aws):
    """API_UpdateAutoScalingGroup, API_SetDesiredCapacity."""
    out = create(aws, template(), {"ImageId": image(aws)})
    name = out["GroupName"]
    assert refused("ValidationError", aws.asg.set_desired_capacity, AutoScalingGroupName=name,
                   DesiredCapacity=2) == \
        "New SetDesiredCapacity value 2 is above max value 1 for the AutoScalingGroup."
    aws.asg.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=2, DesiredCapacity=2)
    until(lambda: len(in_service(aws, name)) == 2)
    aws.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    until(lambda: len(group(aws, name)["Instances"]) == 1)


def test_min_above_max_is_refused(aws):
    """ValidationError of UpdateAutoScalingGroup, as recorded in public handlers of it."""
    out = create(aws, template(), {"ImageId": image(aws)})
    assert refused("ValidationError", aws.asg.update_auto_scaling_group,
                   AutoScalingGroupName=out["GroupName"], MinSize=2) == \
        "Max bound, 1, must be greater than or equal to min bound, 2"


def test_the_launch_template_really_changes_and_running_instances_stay(aws):
    """API_UpdateAutoScalingGroup: "new instances only"."""
    old_ami, new_ami = image(aws, "old"), image(aws, "new")
    out = create(aws, template(), {"ImageId": old_ami})
    first = in_service(aws, out["GroupName"])[0]["InstanceId"]
    aws.ec2.create_launch_template_version(
        LaunchTemplateId=out["TemplateId"], SourceVersion="$Latest", LaunchTemplateData={"ImageId": new_ami})
    aws.asg.update_auto_scaling_group(
        AutoScalingGroupName=out["GroupName"],
        LaunchTemplate={"LaunchTemplateId": out["TemplateId"], "Version": "$Latest"})
    assert group(aws, out["GroupName"])["LaunchTemplate"]["Version"] == "$Latest"
    assert in_service(aws, out["GroupName"])[0]["InstanceId"] == first
    aws.asg.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=False)
    second = replacement(aws, out["GroupName"], first)
    assert instance(aws, second)["ImageId"] == new_ami
    assert in_service(aws, out["GroupName"])[0]["LaunchTemplate"]["Version"] == "2"
    tags = {t["Key"]: t["Value"] for t in instance(aws, second)["Tags"]}
    assert tags["StackName"] == "web", "SourceVersion carries the tags over"


def test_an_unknown_image_makes_the_template_invalid(aws):
    """Auto Scaling user guide, "Troubleshoot ... launch templates"."""
    out = create(aws, template(), {"ImageId": image(aws)})
    aws.ec2.create_launch_template_version(
        LaunchTemplateId=out["TemplateId"], SourceVersion="1",
        LaunchTemplateData={"ImageId": "ami-0aaaaaaaaaaaaaaa0"})
    message = refused(
        "ValidationError", aws.asg.update_auto_scaling_group, AutoScalingGroupName=out["GroupName"],
        LaunchTemplate={"LaunchTemplateId": out["TemplateId"], "Version": "2"})
    assert message == ("You must use a valid fully-formed launch template. "
                       "The image id '[ami-0aaaaaaaaaaaaaaa0]' does not exist")


def test_terminating_with_decrement_below_min_is_refused(aws):
    """API_TerminateInstanceInAutoScalingGroup."""
    out = create(aws, template(), {"ImageId": image(aws)})
    member = in_service(aws, out["GroupName"])[0]["InstanceId"]
    message = refused("ValidationError", aws.asg.terminate_instance_in_auto_scaling_group,
                      InstanceId=member, ShouldDecrementDesiredCapacity=True)
    assert message.startswith("Currently, desiredSize equals minSize (1).")


def test_a_group_made_by_the_api_and_its_deletion(aws):
    """API_CreateAutoScalingGroup, API_DeleteAutoScalingGroup (ResourceInUse, ForceDelete)."""
    ami = image(aws)
    template_id = aws.ec2.create_launch_template(
        LaunchTemplateName="lt", LaunchTemplateData={"ImageId": ami})["LaunchTemplate"]["LaunchTemplateId"]
    aws.asg.create_auto_scaling_group(
        AutoScalingGroupName="g", MinSize=1, MaxSize=1, AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateId": template_id, "Version": "$Default"})
    member = until(lambda: in_service(aws, "g"))[0]["InstanceId"]
    assert refused("ResourceInUse", aws.asg.delete_auto_scaling_group, AutoScalingGroupName="g")
    aws.asg.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    until(lambda: instance(aws, member)["State"]["Name"] == "terminated")
    assert refused("ValidationError", aws.asg.update_auto_scaling_group, AutoScalingGroupName="g",
                   MinSize=0) == "AutoScalingGroup name not found - AutoScalingGroup 'g' not found"


def test_deleting_the_stack_terminates_the_instances(aws):
    """Stack deletion deletes the group, which terminates its instances."""
    out = create(aws, template(), {"ImageId": image(aws)})
    member = in_service(aws, out["GroupName"])[0]["InstanceId"]
    stack_id = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    aws.cfn.delete_stack(StackName="web")
    until(lambda: aws.cfn.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE")
    assert instance(aws, member)["State"]["Name"] == "terminated"
