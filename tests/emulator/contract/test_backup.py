"""AWS Backup: what it knows of the images that are its recovery points."""

import datetime
import urllib.error

import pytest

from conftest import refused, until
from scenario import available, image

ISSUES = "Windows VSS Backup Job Error encountered, trying for regular backup"


@pytest.fixture
def backed_up(aws):
    """An instance and its backup."""
    instance = aws.ec2.run_instances(ImageId=image(aws), MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    until(lambda: aws.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"][
        "Name"] == "running", what=f"{instance} running")
    made = aws.ec2.create_image(InstanceId=instance, Name="nightly", NoReboot=True)["ImageId"]
    available(aws, made)
    return f"arn:aws:ec2:us-east-1:{aws.id}:instance/{instance}", made


def _jobs(aws, **filters):
    return aws.backup.list_backup_jobs(**filters)["BackupJobs"]


def test_a_job_is_completed_with_or_without_issues(aws, backed_up):
    """API_ListBackupJobs, ByState and MessageCategory."""
    instance, made = backed_up
    assert _jobs(aws, ByResourceArn=instance) == []
    aws.control("POST", f"backups/{made}", {})
    [job] = _jobs(aws, ByResourceArn=instance, ByState="COMPLETED")
    assert (job["RecoveryPointArn"], job["ResourceType"]) == (f"arn:aws:ec2:us-east-1::image/{made}", "EC2")
    assert (job["MessageCategory"], job["StatusMessage"]) == ("SUCCESS", "")
    aws.control("POST", f"backups/{made}", {"StatusMessage": ISSUES, "MessageCategory": "VSS_ERROR"})
    [job] = _jobs(aws, ByResourceArn=instance, ByState="COMPLETED")
    assert (job["State"], job["MessageCategory"], job["StatusMessage"]) == ("COMPLETED", "VSS_ERROR", ISSUES)
    assert _jobs(aws, ByMessageCategory="SUCCESS") == []
    assert _jobs(aws, ByState="FAILED") == _jobs(aws, ByResourceArn=f"{instance}0") == []


def test_jobs_are_kept_for_30_days_and_recovery_points_longer(aws, backed_up):
    """API_ListBackupJobs."""
    instance, made = backed_up
    long_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=31)
    aws.control("POST", f"backups/{made}", {"CreationDate": long_ago.isoformat(), "DeleteAfterDays": 35})
    assert _jobs(aws, ByResourceArn=instance) == []
    [point] = aws.backup.list_recovery_points_by_resource(ResourceArn=instance)["RecoveryPoints"]
    assert point["BackupVaultName"] == "nightly" and "Lifecycle" not in point
    [point] = aws.backup.list_recovery_points_by_backup_vault(
        BackupVaultName="nightly", ByResourceArn=instance)["RecoveryPoints"]
    assert point["CalculatedLifecycle"]["DeleteAt"] - point["CreationDate"] == datetime.timedelta(days=35)


def test_a_recovery_point_has_a_lifecycle_or_none(aws, backed_up):
    """API_Lifecycle, API_CalculatedLifecycle."""
    instance, made = backed_up

    def point(**members):
        aws.control("POST", f"backups/{made}", members)
        return aws.backup.list_recovery_points_by_backup_vault(
            BackupVaultName="nightly", ByResourceArn=instance)["RecoveryPoints"][0]
    endless = point()
    assert endless["Lifecycle"] == endless["CalculatedLifecycle"] == {}
    assert point(DeleteAfterEvent="DELETE_AFTER_COPY")["Lifecycle"] == {"DeleteAfterEvent": "DELETE_AFTER_COPY"}
    aws.ec2.deregister_image(ImageId=made)
    assert aws.backup.list_recovery_points_by_resource(ResourceArn=instance)["RecoveryPoints"] == []


def test_a_lifecycle_ends_with_the_image_or_expires(aws, backed_up):
    """API_DescribeRecoveryPoint, Status: EXPIRED is what AWS Backup is unable to delete."""
    instance, made = backed_up
    aws.control("POST", f"backups/{made}", {"DeleteAfterDays": 1})
    aws.ec2.enable_image_deregistration_protection(ImageId=made)
    assert aws.control("DELETE", f"backups/{made}")["deleted"] is False
    assert aws.ec2.describe_images(ImageIds=[made])["Images"][0]["State"] == "available"
    [point] = aws.backup.list_recovery_points_by_resource(ResourceArn=instance)["RecoveryPoints"]
    assert point["Status"] == "EXPIRED"
    aws.ec2.disable_image_deregistration_protection(ImageId=made)
    assert aws.control("DELETE", f"backups/{made}")["deleted"] is True
    refused("InvalidAMIID.NotFound", aws.ec2.describe_images, ImageIds=[made])
    assert aws.backup.list_recovery_points_by_resource(ResourceArn=instance)["RecoveryPoints"] == []


def test_a_recovery_point_is_described_with_its_lifecycle(aws, backed_up):
    """API_DescribeRecoveryPoint."""
    _, made = backed_up
    arn = f"arn:aws:ec2:us-east-1::image/{made}"
    refused("ResourceNotFoundException", aws.backup.describe_recovery_point, BackupVaultName="nightly",
            RecoveryPointArn=arn)
    aws.control("POST", f"backups/{made}", {"DeleteAfterDays": 35})
    point = aws.backup.describe_recovery_point(BackupVaultName="nightly", RecoveryPointArn=arn)
    assert (point["RecoveryPointArn"], point["ResourceType"], point["Status"]) == (arn, "EC2", "COMPLETED")
    assert point["CalculatedLifecycle"]["DeleteAt"] - point["CreationDate"] == datetime.timedelta(days=35)
    refused("ResourceNotFoundException", aws.backup.describe_recovery_point, BackupVaultName="elsewhere",
            RecoveryPointArn=arn)


def test_vaults_and_resources_that_are_not_there(aws, backed_up):
    """API_ListRecoveryPointsByBackupVault, Errors."""
    refused("ResourceNotFoundException", aws.backup.list_recovery_points_by_backup_vault, BackupVaultName="nowhere")
    assert aws.backup.list_recovery_points_by_resource(ResourceArn=backed_up[0])["RecoveryPoints"] == []


def test_listings_have_pages(aws, backed_up):
    """API_ListBackupJobs, MaxResults and NextToken."""
    instance, first = backed_up
    others = [aws.ec2.create_image(InstanceId=instance.rsplit("/", 1)[-1], Name=f"nightly-{n}")["ImageId"]
              for n in range(2)]
    for made in (first, *others):
        aws.control("POST", f"backups/{made}", {})
    pages = list(aws.backup.get_paginator("list_backup_jobs").paginate(
        ByResourceArn=instance, PaginationConfig={"PageSize": 2}))
    assert [len(page["BackupJobs"]) for page in pages] == [2, 1]


def test_the_control_api_refuses_what_is_no_backup(aws):
    """Control API."""
    for path, members, status in ((image(aws), {}, 400), ("ami-0aaaaaaaaaaaaaaa0", {}, 404)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            aws.control("POST", f"backups/{path}", members)
        assert caught.value.code == status
    with pytest.raises(urllib.error.HTTPError) as caught:
        aws.control("DELETE", f"backups/{image(aws, 'other')}")
    assert caught.value.code == 404
