"""Owns backup jobs and recovery points of instances, and how they are listed.

AWS facts:
* ListBackupJobs has the jobs of the last 30 days (API_ListBackupJobs). Every filter of the request must match.
* "Completed with issues" is a job with the state COMPLETED and a MessageCategory other than SUCCESS; it has a
  StatusMessage (API_ListBackupJobs, ByState; AWS Backup developer guide, "Jobs dashboard").
* The recovery point of an instance is an image: its ARN is `arn:aws:ec2:REGION::image/ami-…` (AWS Backup developer
  guide, "Monitoring AWS Backup events using Amazon EventBridge", the example of a copy job).
* ListRecoveryPointsByResource has vaults and no lifecycles; ListRecoveryPointsByBackupVault has both
  (API_RecoveryPointByResource, API_RecoveryPointByBackupVault).
* DescribeRecoveryPoint has the lifecycles of one recovery point; one that is not in the vault is
  ResourceNotFoundException (API_DescribeRecoveryPoint).
* CalculatedLifecycle.DeleteAt is DeleteAfterDays after the creation (API_Lifecycle); without DeleteAfterDays there is
  none. A temporary recovery point has Lifecycle.DeleteAfterEvent DELETE_AFTER_COPY (same page).
* At the end of its lifecycle, AWS Backup deletes the image. A recovery point that it is "unable to delete" stays, with
  the status EXPIRED (API_DescribeRecoveryPoint, Status); a protected image cannot be deregistered
  (`image_protection`).
* The permission to list a vault's recovery points is on the vault; ListBackupJobs and ListRecoveryPointsByResource
  take no resource (Service Authorization Reference, AWS Backup).
Unlike AWS:
* Only the control API makes jobs and recovery points, and ends a lifecycle. AWS Backup makes no images here.
* A recovery point is listed as long as its image is there.
Unsure:
* That deregistration protection stops AWS Backup too: no page of AWS's says that AWS Backup is exempt.
"""

import datetime
from urllib.parse import unquote

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, new_uuid
from ministack.services import backup, ec2

from overlay import patching
from overlay.ec2 import images
from overlay.wire import ApiError

_VAULT = "nightly"
_KEPT = datetime.timedelta(days=30)
#: What the control API may say of a backup.
ADJUSTABLE = frozenset({"StatusMessage", "MessageCategory", "DeleteAfterDays", "DeleteAfterEvent", "BackupVaultName",
                        "CreationDate"})
#: By the image's id.
_points = AccountRegionScopedDict()
#: A filter of ListBackupJobs and the member that it compares.
_FILTERS = {"resourceArn": "ResourceArn", "state": "State", "backupVaultName": "BackupVaultName",
            "resourceType": "ResourceType", "messageCategory": "MessageCategory", "accountId": "AccountId"}


def _image_arn(image_id):
    return f"arn:aws:ec2:{get_region()}::image/{image_id}"


def _instance_arn(instance_id):
    return f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance_id}"


def _epoch(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _now():
    return datetime.datetime.now(datetime.timezone.utc)


def add(image_id, members):
    """Let AWS Backup know the image as a backup of its source instance; again: with these members instead."""
    image = ec2._images.get(image_id)
    if image is None:
        raise KeyError(image_id)
    unknown = set(members) - ADJUSTABLE
    if unknown:
        raise ValueError(f"not adjustable: {', '.join(sorted(unknown))}")
    instance = image.get("SourceInstanceId")
    if not instance:
        raise ValueError(f"{image_id} is no backup of an instance")
    vault = members.get("BackupVaultName", _VAULT)
    if vault not in backup._vaults:
        backup._create_vault(vault, {})
    created = _epoch(members.get("CreationDate", image["CreationDate"]))
    lifecycle = {name: members[name] for name in ("DeleteAfterDays", "DeleteAfterEvent") if name in members}
    common = {
        "AccountId": get_account_id(), "BackupVaultName": vault, "BackupVaultArn": backup._vault_arn(vault),
        "RecoveryPointArn": _image_arn(image_id), "ResourceArn": _instance_arn(instance), "ResourceType": "EC2",
        "CreationDate": created, "CompletionDate": created, "IsParent": False}
    days = lifecycle.get("DeleteAfterDays")
    point = {**common, "Status": "COMPLETED", "VaultType": "BACKUP_VAULT", "Lifecycle": lifecycle,
             "CalculatedLifecycle": {"DeleteAt": created + days * 86_400} if days is not None else {}}
    job_id = next((j["BackupJobId"] for j in backup._jobs.values() if j["RecoveryPointArn"] == _image_arn(image_id)),
                  new_uuid())
    message = members.get("StatusMessage", "")
    job = {**common, "BackupJobId": job_id, "State": "COMPLETED", "PercentDone": "100.0",
           "StatusMessage": message, "MessageCategory": members.get("MessageCategory", "SUCCESS"),
           "RecoveryPointLifecycle": lifecycle}
    _points[image_id] = point
    backup._jobs[job_id] = job
    return {"job": job, "recoveryPoint": point}


def end_lifecycle(image_id):
    """Do what AWS Backup does at the end of a recovery point's lifecycle; whether its image is deleted."""
    point = _points[image_id]
    try:
        images.deregister(image_id)
    except ApiError as error:
        point.update(Status="EXPIRED", StatusMessage=error.message)
        return {"deleted": False, "recoveryPoint": point}
    return {"deleted": True, "recoveryPoint": point}


def _page(items, query, key):
    return backup._paginate(items, query, key)


def _list_jobs(query):
    oldest = (_now() - _KEPT).timestamp()

    def matches(job):
        return job["CreationDate"] >= oldest and all(
            job.get(member) == query[name] for name, member in _FILTERS.items() if query.get(name))
    return _page([job for job in backup._jobs.values() if matches(job)], query, "BackupJobs")


def _listed():
    return [point for image_id, point in _points.items() if image_id in ec2._images]


def _by_resource(arn, query):
    members = ("RecoveryPointArn", "CreationDate", "Status", "BackupVaultName", "IsParent", "VaultType")
    return _page([{name: point[name] for name in members} for point in _listed() if point["ResourceArn"] == arn],
                 query, "RecoveryPoints")


def _by_vault(vault, query):
    if vault not in backup._vaults:
        return backup._not_found(f"Vault '{vault}' not found.")
    arn = query.get("resourceArn")
    points = [point for point in _listed() if point["BackupVaultName"] == vault and arn in (None, point["ResourceArn"])]
    return _page(points, query, "RecoveryPoints")


def _describe(vault, arn):
    point = next((point for point in _listed() if point["RecoveryPointArn"] == arn), None)
    if point is None or point["BackupVaultName"] != vault:
        return backup._not_found(f"Recovery point '{arn}' not found in vault '{vault}'.")
    return backup._ok(point)


def _with_resources(original):
    async def handle_request(method, path, headers, body_bytes, query_params):
        parts = [part for part in unquote(path).strip("/").split("/") if part]
        if method == "GET" and parts[0] == "resources" and parts[-1] == "recovery-points":
            query = {k: (v[0] if isinstance(v, list) else v) for k, v in query_params.items()}
            return _by_resource("/".join(parts[1:-1]), query)
        return await original(method, path, headers, body_bytes, query_params)
    return handle_request


def _with_points(original):
    def reset():
        original()
        _points.clear()
    return reset


def install():
    patching.requires(backup, "_vaults", "_jobs", "_create_vault", "_vault_arn", "_paginate", "_not_found", "_ok")
    patching.attribute(backup, "_list_jobs", patching.instead(_list_jobs))
    patching.attribute(backup, "_list_recovery_points_by_vault", patching.instead(_by_vault))
    patching.attribute(backup, "_describe_recovery_point", patching.instead(_describe))
    patching.attribute(backup, "handle_request", _with_resources)
    patching.attribute(backup, "reset", _with_points)
