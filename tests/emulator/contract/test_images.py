"""Images: states, lookup, and who may launch them."""

import re

import pytest

from conftest import held, refused, until
from scenario import available, image

MISSING = "ami-0aaaaaaaaaaaaaaa0"


@pytest.fixture
def running(aws):
    """A running instance of the account's own image."""
    found = aws.ec2.run_instances(ImageId=image(aws), MinCount=1, MaxCount=1, TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "StackName", "Value": "web"}]}])["Instances"][0]
    assert found["State"]["Name"] == "pending"
    until(lambda: aws.ec2.describe_instances(InstanceIds=[found["InstanceId"]])
          ["Reservations"][0]["Instances"][0]["State"]["Name"] == "running")
    return found["InstanceId"]


def _create(aws, instance_id, name="nightly", **tags):
    return aws.ec2.create_image(InstanceId=instance_id, Name=name, NoReboot=True, TagSpecifications=[
        {"ResourceType": "image", "Tags": [{"Key": k, "Value": v} for k, v in (tags or {"T": "v"}).items()]}],
    )["ImageId"]


def _found(aws, **kwargs):
    return [i["ImageId"] for i in aws.ec2.describe_images(**kwargs)["Images"]]


def test_create_image_is_pending_first(aws, running):
    """API_CreateImage and API_Image: every member that a promotion looks at."""
    with held(aws, "image", running):
        made = _create(aws, running, StackName="web")
        found = aws.ec2.describe_images(ImageIds=[made])["Images"][0]
        refused("InvalidAMIID.Unavailable", aws.ec2.run_instances, ImageId=made, MinCount=1, MaxCount=1)
    assert found["State"] == "pending"
    assert found["SourceInstanceId"] == running
    assert found["OwnerId"] == aws.id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["CreationDate"])
    assert (found["Architecture"], found["RootDeviceType"], found["VirtualizationType"]) == (
        "x86_64", "ebs", "hvm")
    assert found["BlockDeviceMappings"][0]["DeviceName"] == found["RootDeviceName"]
    assert found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"].startswith("snap-")
    assert found["Tags"] == [{"Key": "StackName", "Value": "web"}]
    assert found["Public"] is False
    available(aws, made)


def test_unknown_and_malformed_ids(aws):
    """aws/aws-sdk#97, hashicorp/terraform#22172, boto/boto3#1505."""
    assert refused("InvalidAMIID.NotFound", aws.ec2.describe_images, ImageIds=[MISSING]) == \
        f"The image id '[{MISSING}]' does not exist"
    assert refused("InvalidAMIID.Malformed", aws.ec2.describe_images, ImageIds=["{var.ami}"]) == \
        'Invalid id: "{var.ami}" (expecting "ami-...")'
    assert refused("InvalidAMIID.Malformed", aws.ec2.describe_images, ImageIds=["ami-0ebf472962bc6715"]) == \
        'Invalid id: "ami-0ebf472962bc6715"'


def test_a_deregistered_image_is_gone(aws, running):
    """API_DeregisterImage."""
    made = _create(aws, running)
    available(aws, made)
    aws.ec2.deregister_image(ImageId=made)
    refused("InvalidAMIID.NotFound", aws.ec2.describe_images, ImageIds=[made])
    refused("InvalidAMIID.NotFound", aws.ec2.run_instances, ImageId=made, MinCount=1, MaxCount=1)


def test_filters(aws, running):
    """API_DescribeImages: several values, wildcards, several filters."""
    web = _create(aws, running, "web-1", StackName="web", Tier="front")
    api = _create(aws, running, "api-1", StackName="api")
    other = _create(aws, running, "other", Name="x")
    for made in (web, api, other):
        available(aws, made)

    def found(**filters):
        return _found(aws, Owners=["self"], Filters=[{"Name": k.replace("__", ":").replace("_", "-"), "Values": v}
                                                     for k, v in filters.items()])
    assert found(tag__StackName=["web"]) == [web]
    assert found(tag__StackName=["web", "api"]) == [web, api]
    assert found(tag__StackName=["*"]) == [web, api]
    assert found(tag__StackName=["w?b"]) == [web]
    assert found(tag_key=["StackName"], name=["api-*"]) == [api]
    assert found(source_instance_id=[running]) == [web, api, other]
    assert found(state=["pending"]) == []
    assert found(image_id=[other]) == [other]
    assert found(tag__StackName=["WEB"]) == []
    assert refused("InvalidParameterValue", aws.ec2.describe_images,
                   Filters=[{"Name": "nope", "Values": ["x"]}]) == "The filter 'nope' is invalid"
    # Whatever the others say.
    assert refused("InvalidParameterValue", aws.ec2.describe_images,
                   Filters=[{"Name": "image-id", "Values": ["ami-none"]}, {"Name": "nope", "Values": ["x"]}])


def test_owners_see_only_their_own(aws, server, running):
    """Owner.N: self, an account id, amazon."""
    made = _create(aws, running)
    assert made in _found(aws, Owners=["self"]) and made in _found(aws, Owners=[aws.id])
    amazons = aws.ec2.describe_images(Owners=["amazon"])["Images"]
    assert amazons and all(i["OwnerId"] != aws.id and i["Public"] for i in amazons)
    stranger = server.session("299999999999")
    refused("InvalidAMIID.NotFound", stranger.ec2.describe_images, ImageIds=[made])
    aws.ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Add": [{"Group": "all"}]})
    assert stranger.ec2.describe_images(ImageIds=[made])["Images"][0]["Public"] is True
    assert _found(stranger, Owners=["self"]) == []


def test_paging(aws, running):
    """API_DescribeImages: MaxResults and NextToken."""
    made = {_create(aws, running, f"image-{n}") for n in range(5)}
    first = aws.ec2.describe_images(Owners=["self"], MaxResults=4)
    assert len(first["Images"]) == 4
    rest = aws.ec2.describe_images(Owners=["self"], MaxResults=4, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    assert made <= {i["ImageId"] for i in first["Images"] + rest["Images"]}


def test_disabled_and_deprecated(aws, running):
    """API_DisableImage, API_EnableImageDeprecation."""
    made = _create(aws, running)
    available(aws, made)
    aws.ec2.enable_image_deprecation(ImageId=made, DeprecateAt="2030-01-01T10:20:00Z")
    assert aws.ec2.describe_images(ImageIds=[made])["Images"][0]["DeprecationTime"] == "2030-01-01T10:20:00.000Z"
    aws.ec2.disable_image(ImageId=made)
    assert made not in _found(aws, Owners=["self"])
    found = aws.ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
    assert {i["ImageId"]: i["State"] for i in found}[made] == "disabled"
    refused("InvalidAMIID.Unavailable", aws.ec2.run_instances, ImageId=made, MinCount=1, MaxCount=1)
    aws.ec2.enable_image(ImageId=made)
    assert aws.ec2.describe_images(ImageIds=[made])["Images"][0]["State"] == "available"


def test_reserved_tags(aws, running):
    """cloud-custodian/cloud-custodian#5975."""
    text = ("Value ( aws:autoscaling:groupName ) for parameter key is invalid. "
            "Tag keys starting with 'aws:' are reserved for internal use")
    tag = [{"Key": "aws:autoscaling:groupName", "Value": "x"}]
    assert refused("InvalidParameterValue", aws.ec2.create_tags, Resources=[running], Tags=tag) == text
    assert refused("InvalidParameterValue", aws.ec2.create_image, InstanceId=running, Name="bad",
                   TagSpecifications=[{"ResourceType": "image", "Tags": tag}]) == text


def test_tags_can_be_added_later(aws, running):
    """API_CreateTags."""
    made = _create(aws, running)
    aws.ec2.create_tags(Resources=[made], Tags=[{"Key": "StackName", "Value": "web"}])
    assert _found(aws, Owners=["self"], Filters=[{"Name": "tag:StackName", "Values": ["web"]}]) == [made]
    refused("InvalidAMIID.NotFound", aws.ec2.create_tags, Resources=[MISSING], Tags=[{"Key": "a", "Value": "b"}])


def test_fifty_tags(aws, running):
    """openshift/hive#2679, getmoto/moto#8150."""
    made = _create(aws, running)
    aws.ec2.create_tags(Resources=[made], Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(49)])
    assert refused("TagLimitExceeded", aws.ec2.create_tags, Resources=[made], Tags=[{"Key": "a", "Value": "b"}]) == \
        "The resultant tag set must not have more than 50 user tags."
    aws.ec2.create_tags(Resources=[made], Tags=[{"Key": "k0", "Value": "another"}])


def _protection(aws, image_id):
    return aws.ec2.describe_images(ImageIds=[image_id])["Images"][0]["DeregistrationProtection"]


def test_a_protected_image_is_not_deregistered(aws, running):
    """API_EnableImageDeregistrationProtection, API_DisableImageDeregistrationProtection; the values are those of the
    AWS CLI's examples."""
    made = _create(aws, running)
    available(aws, made)
    assert _protection(aws, made) == "disabled"
    for _ in range(2):
        assert aws.ec2.enable_image_deregistration_protection(ImageId=made)["Return"] == "enabled-without-cooldown"
    assert _protection(aws, made) == "enabled-without-cooldown"
    refused("OperationNotPermitted", aws.ec2.deregister_image, ImageId=made)
    copy = aws.ec2.copy_image(SourceImageId=made, SourceRegion="us-east-1", Name="copy")["ImageId"]
    assert _protection(aws, copy) == "disabled"
    aws.ec2.disable_image(ImageId=made)
    aws.ec2.enable_image(ImageId=made)
    for _ in range(2):
        assert aws.ec2.disable_image_deregistration_protection(ImageId=made)["Return"] == "disabled"
    aws.ec2.deregister_image(ImageId=made)
    for call in (aws.ec2.enable_image_deregistration_protection, aws.ec2.disable_image_deregistration_protection):
        refused("InvalidAMIID.NotFound", call, ImageId=made)


def test_a_cool_down_protects_for_another_day(aws, running):
    """API_EnableImageDeregistrationProtection, WithCooldown; ekristen/aws-nuke, resources/ec2-image.go."""
    made = _create(aws, running)
    aws.ec2.enable_image_deregistration_protection(ImageId=made, WithCooldown=True)
    assert _protection(aws, made) == "enabled-with-cooldown"
    aws.ec2.disable_image_deregistration_protection(ImageId=made)
    assert _protection(aws, made).startswith("disabled after ")
    refused("OperationNotPermitted", aws.ec2.deregister_image, ImageId=made)
    aws.ec2.disable_image_deregistration_protection(ImageId=made)
    refused("OperationNotPermitted", aws.ec2.deregister_image, ImageId=made)


def test_duplicate_name(aws, running):
    """InvalidAMIName.Duplicate."""
    made = _create(aws, running, "same")
    assert refused("InvalidAMIName.Duplicate", aws.ec2.create_image, InstanceId=running, Name="same") == \
        f"AMI name same is already in use by AMI {made}"


def test_copy(aws, running):
    """API_CopyImage: a new image whose source is named; tags only when asked for."""
    made = _create(aws, running, StackName="web")
    available(aws, made)
    copy = aws.ec2.copy_image(SourceImageId=made, SourceRegion="us-east-1", Name="copy",
                              CopyImageTags=True)["ImageId"]
    found = aws.ec2.describe_images(ImageIds=[copy])["Images"][0]
    assert found["SourceImageId"] == made and "SourceInstanceId" not in found
    assert found["Tags"] == [{"Key": "StackName", "Value": "web"}]


def test_the_harness_can_fail_or_age_an_image_and_nobody_else_can(aws, running):
    """Control API: AWS's own hand."""
    made = _create(aws, running)
    aws.control("POST", f"images/{made}", {
        "State": "failed", "CreationDate": "2020-01-01T00:00:00.000Z",
        "StateReason": {"Code": "Client.SnapshotError", "Message": "no"}})
    found = aws.ec2.describe_images(ImageIds=[made])["Images"][0]
    assert (found["State"], found["CreationDate"]) == ("failed", "2020-01-01T00:00:00.000Z")
    assert found["StateReason"] == {"Code": "Client.SnapshotError", "Message": "no"}
    refused("InvalidAMIID.Unavailable", aws.ec2.run_instances, ImageId=made, MinCount=1, MaxCount=1)


def test_resolve_alias(aws):
    """API_DescribeLaunchTemplateVersions: the literal, or the image the parameter names."""
    ami, other = image(aws, "one"), image(aws, "two")
    aws.ssm.put_parameter(Name="/ami/x", Value=ami, Type="String")
    aws.ssm.put_parameter(Name="/ami/x", Value=other, Type="String", Overwrite=True)
    aws.ssm.label_parameter_version(Name="/ami/x", ParameterVersion=1, Labels=["stable"])
    template_id = aws.ec2.create_launch_template(
        LaunchTemplateName="lt", LaunchTemplateData={"ImageId": "resolve:ssm:/ami/x"},
    )["LaunchTemplate"]["LaunchTemplateId"]
    for reference in ("resolve:ssm:/ami/x:1", "resolve:ssm:/ami/x:stable", "resolve:ssm:/nope"):
        aws.ec2.create_launch_template_version(LaunchTemplateId=template_id,
                                               LaunchTemplateData={"ImageId": reference})

    def shown(version, alias):
        return aws.ec2.describe_launch_template_versions(
            LaunchTemplateId=template_id, Versions=[version], ResolveAlias=alias,
        )["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"]
    assert shown("1", False) == "resolve:ssm:/ami/x"
    assert [shown(v, True) for v in ("1", "2", "3", "$Default")] == [other, ami, ami, other]
    assert "/nope" in refused("InvalidParameterValue", shown, "$Latest", True)
    assert refused("InvalidLaunchTemplateId.VersionNotFound", shown, "9", True) == \
        "Could not find launch template version"
