"""Owns instances: how they are launched and terminated, their states, DescribeInstances.

AWS facts:
* pending → running; shutting-down → terminated (EC2 user guide, "Instance lifecycle").
* RunInstances refuses an image that does not exist or is not available. It takes a launch template, and the request's
  own members override the template's (API_RunInstances).
* Instances carry `aws:ec2launchtemplate:id` and `:version` when launched from one.
* Tags of a launch template reach the instance through its TagSpecifications of resource type `instance`.
Unlike AWS:
* RunInstances does not check that the instance type can boot the image.
"""

import time
from collections.abc import Callable

from ministack.core.responses import get_account_id, new_uuid
from ministack.services import ec2

from overlay import patching
from overlay.background import later
from overlay.control.settings import SETTINGS
from overlay.ec2 import images, launch_templates
from overlay.ec2.images_describe import glob, match_tags
from overlay.wire import ApiError, ec2_action, page, tag_specifications

#: Called with the id of an instance that starts to go away.
on_gone: list[Callable[[str], None]] = []

_FILTERS = {
    "instance-id": lambda i: i["InstanceId"], "image-id": lambda i: i["ImageId"],
    "instance-state-name": lambda i: i["State"]["Name"],
    "instance-state-code": lambda i: str(i["State"]["Code"]),
    "instance-type": lambda i: i["InstanceType"], "subnet-id": lambda i: i["SubnetId"],
    "vpc-id": lambda i: i["VpcId"], "architecture": lambda i: i["Architecture"],
    "availability-zone": lambda i: i["Placement"]["AvailabilityZone"],
    "private-ip-address": lambda i: i["PrivateIpAddress"],
    "root-device-type": lambda i: i["RootDeviceType"],
    "launch-time": lambda i: i["LaunchTime"],
}


def launch(data, tags, *, zone="", template=None):
    """Launch one instance from launch template data; the record, or an `ApiError`.

    `template` is the version record the data came from, if any.
    """
    if not data.get("ImageId"):
        raise ApiError("MissingParameter", "The request must contain the parameter ImageId")
    ec2._ensure_defaults_initialized()
    image = images.launchable(launch_templates.resolve_image(data["ImageId"]))
    profile = data.get("IamInstanceProfile") or {}
    if profile:
        profile, _ = ec2._resolve_iam_instance_profile(
            iam_arn=profile.get("Arn", ""), iam_name=profile.get("Name", ""), allow_missing=True)
    record = ec2._launch_instances_internal(
        image_id=image["ImageId"], instance_type=data.get("InstanceType") or "m1.small",
        subnet_id=data.get("SubnetId") or ec2._DEFAULT_SUBNET_ID, count=1,
        key_name=data.get("KeyName", ""), user_data=data.get("UserData", ""),
        sg_ids=data.get("SecurityGroupIds") or None, iam_profile=profile or None)[0]
    record.update({"State": {"Code": 0, "Name": "pending"}, "Architecture": image["Architecture"],
                   "RootDeviceName": image["RootDeviceName"]})
    for mapping in record["BlockDeviceMappings"]:
        mapping["DeviceName"] = image["RootDeviceName"]
    if zone:
        record["Placement"]["AvailabilityZone"] = zone
    merged = {}
    for spec in data.get("TagSpecifications") or []:
        if spec.get("ResourceType") == "instance":
            merged.update({str(t["Key"]): str(t.get("Value", "")) for t in spec.get("Tags") or []})
    merged.update(tags)
    if template:
        merged["aws:ec2launchtemplate:id"] = template["LaunchTemplateId"]
        merged["aws:ec2launchtemplate:version"] = str(template["VersionNumber"])
    ec2._tags[record["InstanceId"]] = [{"Key": k, "Value": v} for k, v in merged.items()]
    later(SETTINGS.instance, _move, record, "pending", {"Code": 16, "Name": "running"},
          of=held_as(record["InstanceId"]))
    return record


def held_as(instance_id):
    """What a hold knows an instance by: its id and its group's name."""
    group = next((t["Value"] for t in ec2._tags.get(instance_id, []) if t["Key"] == "aws:autoscaling:groupName"), "")
    return "instance", (instance_id, group)


def _move(record, before, after):
    if ec2._instances.get(record["InstanceId"]) is record and record["State"]["Name"] == before:
        record["State"] = after
        if after["Name"] == "terminated":
            record["_terminated_at"] = time.time()


def terminate(instance_id):
    """Begin to terminate; returns (previous, current) state."""
    record = ec2._instances[instance_id]
    before = dict(record["State"])
    if before["Name"] in ("shutting-down", "terminated"):
        return before, before
    record["State"] = {"Code": 32, "Name": "shutting-down"}
    later(SETTINGS.instance, _move, record, "shutting-down", {"Code": 48, "Name": "terminated"},
          of=held_as(instance_id))
    for hook in on_gone:
        hook(instance_id)
    return before, dict(record["State"])


def is_alive(instance_id):
    record = ec2._instances.get(instance_id)
    return record is not None and record["State"]["Name"] in ("pending", "running")


def _require(ids):
    for instance_id in ids:
        if not ec2._INSTANCE_ID_RE.match(instance_id):
            raise ApiError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
    missing = [i for i in ids if i not in ec2._instances]
    if missing:
        plural, verb = ("s", "do") if len(missing) > 1 else ("", "does")
        raise ApiError("InvalidInstanceID.NotFound",
                       f"The instance ID{plural} '{', '.join(missing)}' {verb} not exist")


def _run_instances(p):
    data, template = {}, None
    template_id = ec2._p(p, "LaunchTemplate.LaunchTemplateId")
    name = ec2._p(p, "LaunchTemplate.LaunchTemplateName")
    if template_id or name:
        template = launch_templates.version(
            launch_templates.find(template_id, name), ec2._p(p, "LaunchTemplate.Version"))
        data = dict(template["LaunchTemplateData"])
    for member in ("ImageId", "InstanceType", "KeyName", "SubnetId", "UserData"):
        if ec2._p(p, member):
            data[member] = ec2._p(p, member)
    groups = ec2._parse_member_list(p, "SecurityGroupId")
    if groups:
        data["SecurityGroupIds"] = groups
    profile = {k: ec2._p(p, f"IamInstanceProfile.{k}") for k in ("Arn", "Name")}
    if any(profile.values()):
        data["IamInstanceProfile"] = profile
    tags = {t["Key"]: t["Value"] for t in tag_specifications(p).get("instance", [])}
    count = int(ec2._p(p, "MaxCount") or "1")
    records = [launch(data, tags, template=template) for _ in range(count)]
    items = "".join(ec2._instance_xml(r) for r in records)
    return ec2._xml(200, "RunInstancesResponse",
                    f"<instancesSet>{items}</instancesSet>"
                    f"<reservationId>r-{new_uuid().replace('-', '')[:17]}</reservationId>"
                    f"<ownerId>{get_account_id()}</ownerId><groupSet/>")


def _terminate_instances(p):
    ids = ec2._parse_member_list(p, "InstanceId")
    _require(ids)
    items = ""
    for instance_id in ids:
        before, after = terminate(instance_id)
        items += (f"<item><instanceId>{instance_id}</instanceId>"
                  f"<previousState><code>{before['Code']}</code><name>{before['Name']}</name></previousState>"
                  f"<currentState><code>{after['Code']}</code><name>{after['Name']}</name></currentState></item>")
    return ec2._xml(200, "TerminateInstancesResponse", f"<instancesSet>{items}</instancesSet>")


def _stop_instances(original):
    def handle(p):
        answer = original(p)
        if answer[0] == 200:
            for instance_id in ec2._parse_member_list(p, "InstanceId"):
                for hook in on_gone:
                    hook(instance_id)
        return answer
    return handle


def _match(record, name, patterns):
    if name in _FILTERS:
        return glob(_FILTERS[name](record), patterns)
    tagged = match_tags(record["InstanceId"], name, patterns)
    if tagged is None:
        raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return tagged


def _describe_instances(p):
    ids = ec2._parse_member_list(p, "InstanceId")
    filters = ec2._parse_filters(p)
    if ids and ec2._p(p, "MaxResults"):
        raise ApiError("InvalidParameterCombination",
                       "The parameter instancesSet cannot be used with the parameter maxResults")
    ec2._cleanup_terminated()
    _require(ids)
    found = [r for r in ec2._instances.values() if (not ids or r["InstanceId"] in ids)
             and False not in [_match(r, n, v) for n, v in filters.items()]]
    shown, token = page(found, p, 1000)
    items = "".join(
        f"<item><reservationId>r-{r['InstanceId'][2:]}</reservationId>"
        f"<ownerId>{get_account_id()}</ownerId><groupSet/>"
        f"<instancesSet>{ec2._instance_xml(r)}</instancesSet></item>" for r in shown)
    return ec2._xml(200, "DescribeInstancesResponse",
                    f"<reservationSet>{items}</reservationSet>"
                    + (f"<nextToken>{token}</nextToken>" if token else ""))


def install():
    patching.requires(ec2, "_launch_instances_internal", "_DEFAULT_SUBNET_ID", "_instance_xml",
                      "_ensure_defaults_initialized",
                      "_cleanup_terminated", "_resolve_iam_instance_profile", "_instances")
    where, table = "ec2._ACTION_MAP", ec2._ACTION_MAP
    for action, handler in (("RunInstances", _run_instances),
                            ("TerminateInstances", _terminate_instances),
                            ("DescribeInstances", _describe_instances)):
        patching.entry(table, action, patching.instead(ec2_action(handler)), where=where)
    patching.entry(table, "StopInstances", _stop_instances, where=where)
