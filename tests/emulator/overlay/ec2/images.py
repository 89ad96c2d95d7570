"""Owns machine images: how they are made, their states, their tags, and who may launch them.

AWS facts:
* CreateImage answers at once; the image is `pending` and becomes `available` later (API_CreateImage; EC2 user guide,
  "Create an Amazon EBS-backed AMI").
* An id that does not exist is `InvalidAMIID.NotFound`, "The image id '[ami-…]' does not exist" (aws/aws-sdk#97). A
  malformed id is `InvalidAMIID.Malformed`, `Invalid id: "…" (expecting "ami-...")` (hashicorp/terraform#22172), without
  the hint when only the digits are wrong (boto/boto3#1505).
* A disabled image cannot be launched, a deprecated one can (API_DisableImage, API_EnableImageDeprecation).
* A resource has at most 50 tags of its users: `TagLimitExceeded` (openshift/hive#2679, with the text); the value of one
  that it has can be replaced (getmoto/moto#8150).
Unlike AWS:
* `CreationDate` has real milliseconds; AWS's end in .000Z.
"""

import re

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

from overlay import patching
from overlay.background import later
from overlay.control.settings import SETTINGS
from overlay.ec2 import image_protection, snapshots
from overlay.wire import ApiError, ec2_action, now_millis, refuse_reserved_tags, tag_specifications

_MOST_TAGS = 50
_ID = re.compile(r"^ami-(?:[0-9a-f]{8}|[0-9a-f]{17})$")

#: What the harness may change through the control API.
ADJUSTABLE = frozenset({
    "State", "CreationDate", "Architecture", "RootDeviceType", "VirtualizationType",
    "BootMode", "OwnerId", "SourceInstanceId", "SourceImageId", "Name", "Description",
    "StateReason", "DeprecationTime", "Public", "ImageAllowed"})
#: … and what it may change of the image's snapshots.
_SNAPSHOT = {"Encrypted": "encrypted", "KmsKeyId": "key", "SnapshotMissing": "missing"}


def check_id(image_id):
    if not image_id.startswith("ami-"):
        raise ApiError("InvalidAMIID.Malformed",
                       f'Invalid id: "{image_id}" (expecting "ami-...")')
    if not _ID.match(image_id):
        raise ApiError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}"')


def not_found(*image_ids):
    plural = "s" if len(image_ids) > 1 else ""
    verb = "do" if plural else "does"
    return ApiError("InvalidAMIID.NotFound",
                    f"The image id{plural} '[{', '.join(image_ids)}]' {verb} not exist")


def _stub(row):
    """One of MiniStack's built-in public images, as a record like ours."""
    image_id, name, description, platform, device, owner, alias = row
    return {
        "ImageId": image_id, "Name": name, "Description": description,
        "Platform": platform, "State": "available", "Architecture": "x86_64",
        "RootDeviceType": "ebs", "RootDeviceName": device, "BlockDeviceMappings": [],
        "VirtualizationType": "hvm", "OwnerId": owner, "ImageOwnerAlias": alias or "",
        "CreationDate": "2023-11-16T00:00:00.000Z", "LaunchPermissions": [{"Group": "all"}],
    }


def is_public(image):
    return any(p.get("Group") == "all" for p in image.get("LaunchPermissions") or [])


def visible():
    """The images the caller sees: own, shared with the account, public."""
    account, region = get_account_id(), get_region()
    found = {}
    for (owner, where, image_id), image in ec2._images.all_items():
        if where != region:
            continue
        permissions = image.get("LaunchPermissions") or []
        if (owner == account or is_public(image)
                or any(p.get("UserId") == account for p in permissions)):
            found[image_id] = image
    for row in ec2._STUB_AMIS:
        found.setdefault(row[0], _stub(row))
    return found


def seen(image_id):
    """The one with this id among the images that the caller sees; None if there is none."""
    image = ec2._images.get(image_id)
    return image if image is not None else visible().get(image_id)


def own(image_id):
    """The caller's own image, for an action that changes it."""
    check_id(image_id)
    image = ec2._images.get(image_id)
    if image is not None:
        return image
    if image_id in visible():
        # API_ModifyImageAttribute and its kin are for the owner alone.
        raise ApiError("AuthFailure", f"Not authorized for image:{image_id}")
    raise not_found(image_id)


def launchable(image_id):
    """The image, if an instance can be launched from it now."""
    check_id(image_id)
    image = seen(image_id)
    if image is None:
        raise not_found(image_id)
    if image["State"] != "available":
        # RunInstances on a pending image; the wording is packer's and terraform's
        # recorded one for images that are not there yet.
        raise ApiError("InvalidAMIID.Unavailable",
                       f"The image ID '{image_id}' is not available")
    return image


def _unique_name(name):
    if not name:
        raise ApiError("MissingParameter", "The request must contain the parameter name")
    if not ec2._AMI_NAME_RE.match(name):
        raise ApiError(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, "
            "numbers, '(', ')', '.', '-', '/' and '_'")
    for image in ec2._images.values():
        if image["Name"] == name:
            raise ApiError("InvalidAMIName.Duplicate",
                           f"AMI name {name} is already in use by AMI {image['ImageId']}")


def _store(record, tags):
    ec2._images[record["ImageId"]] = record
    if tags:
        ec2._tags[record["ImageId"]] = list(tags)
    if record["State"] == "pending":
        names = record["ImageId"], record["Name"], record.get("SourceInstanceId", "")
        later(SETTINGS.image_pending, _becomes_available, record, of=("image", names))


def _becomes_available(record):
    # The harness, or a deregistration, may have been there first.
    if ec2._images.get(record["ImageId"]) is record and record["State"] == "pending":
        record["State"] = "available"
        snapshots.complete(record)


def _create_image(p):
    instance_id = ec2._p(p, "InstanceId")
    if not ec2._INSTANCE_ID_RE.match(instance_id):
        raise ApiError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
    instance = ec2._instances.get(instance_id)
    if instance is None:
        raise ApiError("InvalidInstanceID.NotFound",
                       f"The instance ID '{instance_id}' does not exist")
    state = instance["State"]["Name"]
    if state not in ("running", "stopped", "stopping", "pending"):
        raise ApiError("IncorrectInstanceState",
                       f"Instance '{instance_id}' is not in the 'running' or 'stopped' states.")
    name = ec2._p(p, "Name")
    _unique_name(name)
    tags = tag_specifications(p)
    image_id = ec2._new_image_id()
    mappings = []
    for mapping in instance.get("BlockDeviceMappings") or []:
        snapshot_id = snapshots.of_volume((mapping.get("Ebs") or {}).get("VolumeId", ""),
                                          f"Created by CreateImage({instance_id}) for {image_id}")
        if tags.get("snapshot"):
            ec2._tags[snapshot_id] = list(tags["snapshot"])
        mappings.append(snapshots.mapping(mapping["DeviceName"], snapshot_id))
    source = seen(instance.get("ImageId", "")) or {}
    _store({
        "ImageId": image_id, "Name": name, "ImageLocation": "",
        "Description": ec2._p(p, "Description"), "State": "pending",
        "Architecture": instance["Architecture"], "RootDeviceType": "ebs",
        "RootDeviceName": instance["RootDeviceName"], "BlockDeviceMappings": mappings,
        "VirtualizationType": "hvm", "CreationDate": now_millis(), "OwnerId": get_account_id(),
        "SourceInstanceId": instance_id, "BootMode": source.get("BootMode", ""),
        "LaunchPermissions": [],
    }, tags.get("image"))
    return ec2._xml(200, "CreateImageResponse", f"<imageId>{image_id}</imageId>")


def _register_image(p):
    name = ec2._p(p, "Name")
    _unique_name(name)
    tags = tag_specifications(p)
    image_id = ec2._new_image_id()
    _store({
        "ImageId": image_id, "Name": name, "ImageLocation": ec2._p(p, "ImageLocation"),
        "Description": ec2._p(p, "Description"), "State": "pending",
        # API_RegisterImage: the defaults are i386 and paravirtual.
        "Architecture": ec2._p(p, "Architecture") or "i386", "RootDeviceType": "ebs",
        "RootDeviceName": ec2._p(p, "RootDeviceName") or "/dev/xvda",
        "BlockDeviceMappings": snapshots.registered(ec2._parse_register_block_device_mappings(p)),
        "VirtualizationType": ec2._p(p, "VirtualizationType") or "paravirtual",
        "CreationDate": now_millis(), "OwnerId": get_account_id(),
        "BootMode": ec2._p(p, "BootMode"), "LaunchPermissions": [],
    }, tags.get("image"))
    return ec2._xml(200, "RegisterImageResponse", f"<imageId>{image_id}</imageId>")


def _copy_image(p):
    source_id = ec2._p(p, "SourceImageId")
    source_region = ec2._p(p, "SourceRegion")
    source = ec2._images.get_scoped(get_account_id(), source_region, source_id)
    if source is None and source_region == get_region():
        source = seen(source_id)
    if source is None:
        raise not_found(source_id)
    tags = tag_specifications(p)
    image_id = ec2._new_image_id()
    copied = list(ec2._tags._data.get((get_account_id(), source_region, source_id), []))
    if ec2._p(p, "CopyImageTags").lower() != "true":
        copied = []
    _store({
        **source, "ImageId": image_id, "Name": ec2._p(p, "Name"), "State": "pending",
        "Description": ec2._p(p, "Description"), "CreationDate": now_millis(),
        "OwnerId": get_account_id(), "LaunchPermissions": [], "DeprecationTime": "", "DeregistrationProtection": "",
        "SourceImageId": source_id, "SourceImageRegion": source_region, "SourceInstanceId": "",
        "BlockDeviceMappings": snapshots.copied(source, p, image_id),
    }, copied + tags.get("image", []))
    return ec2._xml(200, "CopyImageResponse", f"<imageId>{image_id}</imageId>")


def deregister(image_id):
    """Delete the caller's own image, unless it is protected."""
    image = own(image_id)
    image_protection.refuse_deregistration(image)
    ec2._images.pop(image["ImageId"], None)
    ec2._tags.pop(image["ImageId"], None)


def _deregister_image(p):
    deregister(ec2._p(p, "ImageId"))
    return ec2._xml(200, "DeregisterImageResponse", "<return>true</return>")


def _set(action, **members):
    def handle(p):
        own(ec2._p(p, "ImageId")).update(members)
        return ec2._xml(200, f"{action}Response", "<return>true</return>")
    return handle


def _enable_image_deprecation(p):
    image = own(ec2._p(p, "ImageId"))
    when = ec2._p(p, "DeprecateAt")
    if not re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?$", when):
        raise ApiError("InvalidParameterValue", f"Invalid value '{when}' for deprecateAt.")
    # "Seconds are rounded to the nearest minute" (API_EnableImageDeprecation); cut here.
    image["DeprecationTime"] = when[:16] + ":00.000Z"
    return ec2._xml(200, "EnableImageDeprecationResponse", "<return>true</return>")


def _create_tags(original):
    def handle(p):
        keys = {t["Key"] for t in ec2._parse_tags(p)}
        refuse_reserved_tags(keys)
        for resource_id in ec2._parse_member_list(p, "ResourceId"):
            if resource_id.startswith("ami-"):
                own(resource_id)
            before = {t["Key"] for t in ec2._tags.get(resource_id, []) if not t["Key"].startswith("aws:")}
            if len(keys | before) > _MOST_TAGS:
                raise ApiError("TagLimitExceeded",
                               f"The resultant tag set must not have more than {_MOST_TAGS} user tags.")
        return original(p)
    return ec2_action(handle)


def _delete_tags(original):
    def handle(p):
        refuse_reserved_tags(t["Key"] for t in ec2._parse_tags(p))
        return original(p)
    return ec2_action(handle)


def adjust(image_id, members):
    """Change an image as no API can (state `failed`, another CreationDate): for the harness."""
    image = ec2._images.get(image_id)
    if image is None:
        raise KeyError(image_id)
    unknown = set(members) - ADJUSTABLE - set(_SNAPSHOT)
    if unknown:
        raise ValueError(f"not adjustable: {', '.join(sorted(unknown))}")
    members = dict(members)
    if "Public" in members:
        public = bool(members.pop("Public"))
        image["LaunchPermissions"] = [{"Group": "all"}] if public else []
    devices = {_SNAPSHOT[name]: members.pop(name) for name in list(members) if name in _SNAPSHOT}
    if devices:
        snapshots.adjust(image, **devices)
    image.update(members)
    return image


def install():
    patching.requires(
        ec2, "_images", "_tags", "_instances", "_STUB_AMIS", "_p",
        "_parse_tags", "_parse_member_list", "_parse_register_block_device_mappings",
        "_new_image_id", "_AMI_NAME_RE", "_INSTANCE_ID_RE", "_xml", "_error")
    # MiniStack takes any registered image for a Docker image; none of ours is.
    patching.attribute(ec2, "_docker_touched", lambda _: lambda: False)
    where, table = "ec2._ACTION_MAP", ec2._ACTION_MAP
    for action, handler in (("RegisterImage", _register_image), ("DeregisterImage", _deregister_image)):
        patching.entry(table, action, patching.instead(ec2_action(handler)), where=where)
    patching.entry(table, "CreateTags", _create_tags, where=where)
    patching.entry(table, "DeleteTags", _delete_tags, where=where)
    for action, handler in (
            ("CreateImage", _create_image), ("CopyImage", _copy_image),
            ("EnableImageDeprecation", _enable_image_deprecation),
            ("DisableImageDeprecation", _set("DisableImageDeprecation", DeprecationTime="")),
            ("DisableImage", _set("DisableImage", State="disabled", LaunchPermissions=[])),
            ("EnableImage", _set("EnableImage", State="available")),
            ("EnableImageDeregistrationProtection", image_protection.enable(own)),
            ("DisableImageDeregistrationProtection", image_protection.disable(own))):
        patching.new_entry(table, action, ec2_action(handler), where=where)
