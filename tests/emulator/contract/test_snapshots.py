"""An image's snapshots: there, encrypted, in use; and what the harness can do to them."""

from conftest import held, refused, until
from scenario import available, image

KEY = "arn:aws:kms:us-east-1:111122223333:key/0a0b0c0d"


def _device(aws, image_id):
    return aws.ec2.describe_images(ImageIds=[image_id])["Images"][0]["BlockDeviceMappings"][0]["Ebs"]


def _snapshot(aws, image_id):
    return aws.ec2.describe_snapshots(SnapshotIds=[_device(aws, image_id)["SnapshotId"]])["Snapshots"][0]


def test_an_images_snapshot(aws):
    """API_CreateImage, API_Snapshot: pending first, then completed; owned; not encrypted."""
    instance = aws.ec2.run_instances(ImageId=image(aws), MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    until(lambda: aws.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"][
        "Name"] == "running", what=f"{instance} running")
    with held(aws, "image"):
        made = aws.ec2.create_image(InstanceId=instance, Name="nightly")["ImageId"]
        found = _snapshot(aws, made)
    assert (found["State"], found["OwnerId"], found["Encrypted"], found.get("KmsKeyId")) == (
        "pending", aws.id, False, None)
    assert found["Description"] == f"Created by CreateImage({instance}) for {made}"
    available(aws, made)
    assert _snapshot(aws, made)["State"] == "completed"
    by_filter = aws.ec2.describe_snapshots(OwnerIds=["self"], Filters=[
        {"Name": "snapshot-id", "Values": [found["SnapshotId"], "snap-0aaaaaaaaaaaaaaa0"]}])["Snapshots"]
    assert [s["SnapshotId"] for s in by_filter] == [found["SnapshotId"]]


def test_a_copy_can_be_encrypted(aws):
    """API_CopyImage, Encrypted and KmsKeyId; API_EbsBlockDevice: DescribeImages does not tell the key."""
    plain = image(aws)
    copy = aws.ec2.copy_image(SourceImageId=plain, SourceRegion="us-east-1", Name="copy", Encrypted=True,
                              KmsKeyId=KEY)["ImageId"]
    device, found = _device(aws, copy), _snapshot(aws, copy)
    assert device["SnapshotId"] != _device(aws, plain)["SnapshotId"]
    assert device["Encrypted"] is True and "KmsKeyId" not in device
    assert (found["Encrypted"], found["KmsKeyId"]) == (True, KEY)
    assert _device(aws, plain)["Encrypted"] is False


def test_a_snapshot_in_use_stays(aws):
    """rebuy-de/aws-nuke#81."""
    made = image(aws)
    snapshot = _device(aws, made)["SnapshotId"]
    assert refused("InvalidSnapshot.InUse", aws.ec2.delete_snapshot, SnapshotId=snapshot) == \
        f"The snapshot {snapshot} is currently in use by {made}"
    aws.ec2.deregister_image(ImageId=made)
    aws.ec2.delete_snapshot(SnapshotId=snapshot)
    assert refused("InvalidSnapshot.NotFound", aws.ec2.describe_snapshots, SnapshotIds=[snapshot]) == \
        f"The snapshot '{snapshot}' does not exist"


def test_the_harness_can_encrypt_or_lose_a_snapshot(aws):
    """Control API: one image's devices, never another's."""
    first, second = image(aws, "image-a"), image(aws, "image-b")
    aws.control("POST", f"images/{first}", {"Encrypted": True, "KmsKeyId": KEY})
    assert _device(aws, first)["Encrypted"] is True and _snapshot(aws, first)["KmsKeyId"] == KEY
    assert _snapshot(aws, second)["Encrypted"] is False
    aws.control("POST", f"images/{first}", {"SnapshotMissing": True})
    refused("InvalidSnapshot.NotFound", _snapshot, aws, first)
    assert _snapshot(aws, second)["State"] == "completed"


def test_the_harness_can_publish_age_and_give_away_an_image(aws):
    """Control API: what DescribeImages says stays consistent."""
    made = image(aws)
    aws.control("POST", f"images/{made}", {
        "Public": True, "DeprecationTime": "2020-01-01T00:00:00.000Z", "BootMode": "uefi",
        "OwnerId": "299999999998"})
    found = aws.ec2.describe_images(ImageIds=[made], IncludeDeprecated=True)["Images"][0]
    assert (found["Public"], found["DeprecationTime"], found["BootMode"], found["OwnerId"], found["ImageLocation"]) == (
        True, "2020-01-01T00:00:00.000Z", "uefi", "299999999998", "299999999998/base")
    assert aws.ec2.describe_images(Owners=["self"])["Images"] == []
