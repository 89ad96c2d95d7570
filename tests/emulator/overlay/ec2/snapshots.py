"""Owns the snapshots of images: their encryption, and which images use them.

AWS facts:
* A snapshot of an encrypted volume is encrypted with the volume's key (API_CreateSnapshot). A copy of an image has
  snapshots of its own, encrypted when CopyImage says so (API_CopyImage). DescribeImages shows `Encrypted` and not the
  key; DescribeSnapshots shows KmsKeyId (API_EbsBlockDevice, API_Snapshot).
* A snapshot of a registered image cannot be deleted: "The snapshot snap-… is currently in use by ami-…"
  (rebuy-de/aws-nuke#81, gruntwork-io/cloud-nuke#727).
Unlike AWS:
* RegisterImage makes the snapshots that it names; AWS refuses a snapshot that does not exist.
"""

from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

from overlay import patching
from overlay.wire import ApiError, ec2_action


def _ids(image):
    return [(mapping.get("Ebs") or {}).get("SnapshotId", "") for mapping in image.get("BlockDeviceMappings") or []]


def _users(snapshot_id):
    return [image["ImageId"] for image in ec2._images.values() if snapshot_id in _ids(image)]


def _key(given=""):
    """The key's ARN, by default that of the account's EBS key."""
    if given.startswith("arn:"):
        return given
    return f"arn:aws:kms:{get_region()}:{get_account_id()}:key/{given or '00000000-0000-0000-0000-0000000000eb'}"


def make(description, size=8, key="", volume_id="", snapshot_id="", state="pending"):
    """A snapshot, encrypted if there is a key; its id."""
    snapshot_id = snapshot_id or ec2._new_snapshot_id()
    ec2._snapshots[snapshot_id] = {
        "SnapshotId": snapshot_id, "VolumeId": volume_id or "vol-ffffffff", "VolumeSize": int(size),
        "Description": description, "State": state, "StartTime": ec2._now_ts(),
        "Progress": "100%" if state == "completed" else "0%", "OwnerId": get_account_id(),
        "Encrypted": bool(key), "KmsKeyId": key, "StorageTier": "standard"}
    return snapshot_id


def of_volume(volume_id, description):
    volume = ec2._volumes.get(volume_id) or {}
    key = _key(volume.get("KmsKeyId") or "") if volume.get("Encrypted") else ""
    return make(description, volume.get("Size", 8), key, volume_id)


def mapping(device_name, snapshot_id):
    """A block device of an image that is made from a snapshot."""
    snapshot = ec2._snapshots[snapshot_id]
    return {"DeviceName": device_name, "Ebs": {
        "SnapshotId": snapshot_id, "VolumeSize": str(snapshot["VolumeSize"]), "VolumeType": "gp3",
        "DeleteOnTermination": "true", "Encrypted": "true" if snapshot["Encrypted"] else "false"}}


def registered(mappings):
    """Make what RegisterImage names and is not there."""
    for found in mappings:
        ebs = found.get("Ebs") or {}
        if ebs.get("SnapshotId") and ebs["SnapshotId"] not in ec2._snapshots:
            make("", ebs.get("VolumeSize") or 8, _key() if ebs.get("Encrypted") == "true" else "",
                 snapshot_id=ebs["SnapshotId"], state="completed")
    return mappings


def copied(source_image, p, image_id):
    """The block devices of a copy: new snapshots, encrypted if they were or shall be."""
    copies = []
    for found in source_image["BlockDeviceMappings"] or [{"DeviceName": source_image["RootDeviceName"]}]:
        source = ec2._snapshots.get((found.get("Ebs") or {}).get("SnapshotId", "")) or {}
        key = source.get("KmsKeyId") or ""
        if ec2._p(p, "Encrypted").lower() == "true" or ec2._p(p, "KmsKeyId"):
            key = _key(ec2._p(p, "KmsKeyId"))
        made = make(f"Copied for DestinationAmi {image_id}", source.get("VolumeSize", 8), key)
        copies.append(mapping(found["DeviceName"], made))
    return copies


def complete(image):
    for snapshot_id in _ids(image):
        if snapshot_id in ec2._snapshots:
            ec2._snapshots[snapshot_id].update(State="completed", Progress="100%")


def adjust(image, *, encrypted=None, key=None, missing=None):
    """Change the snapshots of one image, as no API can: for the harness."""
    for found in image["BlockDeviceMappings"]:
        ebs = found.setdefault("Ebs", {})
        known = ec2._snapshots.get(ebs.get("SnapshotId", ""))
        if known is None or len(_users(known["SnapshotId"])) > 1:
            # Another image's snapshot stays as it is.
            ebs["SnapshotId"] = make("", ebs.get("VolumeSize") or 8, state="completed")
            known = ec2._snapshots[ebs["SnapshotId"]]
        if key is not None or encrypted is not None:
            known["Encrypted"] = bool(key) if encrypted is None else bool(encrypted)
            known["KmsKeyId"] = _key(key or "") if known["Encrypted"] else ""
            ebs["Encrypted"] = "true" if known["Encrypted"] else "false"
        if missing:
            del ec2._snapshots[known["SnapshotId"]]


def _delete(original):
    def handle(p):
        users = _users(ec2._p(p, "SnapshotId"))
        if users:
            raise ApiError("InvalidSnapshot.InUse",
                           f"The snapshot {ec2._p(p, 'SnapshotId')} is currently in use by {users[0]}")
        return original(p)
    return ec2_action(handle)


def _inner(original):
    def inner(snapshot):
        key = snapshot.get("KmsKeyId")
        return original(snapshot) + (f"<kmsKeyId>{escape(key)}</kmsKeyId>" if key else "")
    return inner


def install():
    patching.requires(ec2, "_snapshots", "_volumes", "_images", "_new_snapshot_id", "_now_ts")
    patching.attribute(ec2, "_snapshot_inner_xml", _inner)
    patching.entry(ec2._ACTION_MAP, "DeleteSnapshot", _delete, where="ec2._ACTION_MAP")
