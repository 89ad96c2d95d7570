"""Owns what Auto Scaling does by itself: it launches missing instances, replaces dead ones, terminates surplus ones,
and records scaling activities.

AWS facts:
* A group keeps its desired capacity. It replaces a dead instance by one launched from the launch template *as it is
  resolved at that moment* (Auto Scaling user guide, "Health checks" and "Use AWS Systems Manager parameters instead of
  AMI IDs").
* Instances carry `aws:autoscaling:groupName` and the group's tags with PropagateAtLaunch. If CloudFormation made the
  group, they also carry the group's `aws:cloudformation:*` tags.
* A launch that fails is an activity with StatusCode Failed, "… Launching EC2 instance failed.", and Auto Scaling tries
  it again (user guide, "Troubleshoot ... AMI issues").
* The default termination policy takes the oldest launch template version first.
* A mixed instances policy launches what its first override says, whose launch template and image may be its own
  (API_InstancesDistribution: OnDemandAllocationStrategy is `prioritized` by default; API_LaunchTemplateOverrides;
  druids/terraform-aws-asg-instance-refresh#15, TwiN/aws-eks-asg-rolling-update-handler#22).
Unlike AWS:
* When the first override cannot be launched, the next one is not tried.
"""

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import get_region, new_uuid
from ministack.services import autoscaling, ec2

from overlay import patching
from overlay.background import later
from overlay.control.settings import SETTINGS
from overlay.ec2 import images, instances, launch_templates
from overlay.wire import ApiError, now_millis

_ACTIVITIES_KEPT = 50
#: Called with the launch template version that a group is about to use; raises if it may not.
on_validate: list[Callable[[dict[str, Any]], None]] = []
#: Instances in these states do not count as capacity.
_LEAVING = frozenset({"Terminating", "Terminated"})


def get(name):
    group = autoscaling._asgs.get(name)
    if group is None:
        raise ApiError("ValidationError",
                       f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def template_spec(group):
    """The launch template specification of a group, also of a mixed one; {} if none."""
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    return group.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification") or {}


def _next_launch(group, spec):
    """The launch template version that the next instance boots from, and its data as the first override has it."""
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    overrides: list[dict[str, Any]] = [] if group.get("LaunchTemplate") else mixed.get("Overrides") or []
    first = next(iter(overrides), {})
    version = resolve(first.get("LaunchTemplateSpecification") or spec)
    own = {key: first[key] for key in ("ImageId", "InstanceType") if first.get(key)}
    return version, {**version["LaunchTemplateData"], **own}


def normalize_spec(spec):
    """A specification with both id and name, as the API answers it."""
    if not spec:
        return {}
    template_id, name = spec.get("LaunchTemplateId", ""), spec.get("LaunchTemplateName", "")
    try:
        template = launch_templates.find(template_id, name)
        if spec.get("Version"):
            launch_templates.version(template, spec["Version"])
    except ApiError as error:
        raise invalid_template(error) from None
    return {"LaunchTemplateId": template["LaunchTemplateId"],
            "LaunchTemplateName": template["LaunchTemplateName"],
            **({"Version": str(spec["Version"])} if spec.get("Version") else {})}


def resolve(spec):
    """The launch template version a specification means now."""
    template = launch_templates.find(spec.get("LaunchTemplateId", ""), spec.get("LaunchTemplateName", ""))
    return launch_templates.version(template, spec.get("Version"))


def uses_alias(spec):
    return bool(spec) and launch_templates.is_alias(
        resolve(spec)["LaunchTemplateData"].get("ImageId", ""))


def invalid_template(error):
    """Auto Scaling validates the template when a group is created or updated, not earlier
    (Auto Scaling user guide, "Troubleshoot ... launch templates")."""
    return ApiError("ValidationError",
                    f"You must use a valid fully-formed launch template. {error.message}")


def validate_spec(spec):
    """The dry run that CreateAutoScalingGroup and UpdateAutoScalingGroup make."""
    if not spec:
        return
    try:
        version = resolve(spec)
        data = version["LaunchTemplateData"]
        if not data.get("ImageId"):
            raise ApiError("MissingParameter", "The request must contain the parameter ImageId")
        images.launchable(launch_templates.resolve_image(data["ImageId"]))
    except ApiError as error:
        raise invalid_template(error) from None
    for check in on_validate:
        check(version)


def validate_sizes(low, high, desired):
    if low > high:
        raise ApiError("ValidationError",
                       f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if not low <= desired <= high:
        raise ApiError("ValidationError",
                       f"Desired capacity:{desired} must be between the specified min size:{low} "
                       f"and max size:{high}")


def activity(group, description, cause, status="Successful", message=""):
    now = now_millis()
    group.setdefault("Activities", []).insert(0, {
        "ActivityId": new_uuid(), "Description": description, "Cause": cause, "StartTime": now,
        "EndTime": now, "StatusCode": status, "StatusMessage": message, "Progress": 100})
    del group["Activities"][_ACTIVITIES_KEPT:]


def active(group):
    return [i for i in group["Instances"] if i["LifecycleState"] not in _LEAVING]


def in_service(group):
    return [i for i in group["Instances"] if i["LifecycleState"] == "InService"]


def pending(group):
    """Instances that are launched, and will be in service."""
    return [i for i in group["Instances"] if i["LifecycleState"] == "Pending"]


def nudge(name, delay=0.0):
    """Have the group look after itself, in `delay` seconds."""
    later(delay, reconcile, name)


def reconcile(name):
    group = autoscaling._asgs.get(name)
    if group is None:
        return
    for member in active(group):
        if not instances.is_alive(member["InstanceId"]) or member["HealthStatus"] != "Healthy":
            retire(group, member, f"At {now_millis()} an instance was taken out of service in "
                                  "response to an EC2 health check indicating it has been "
                                  "terminated or stopped.")
    if group.get("_deleting"):
        for member in active(group):
            retire(group, member, f"At {now_millis()} the group is being deleted.")
        return
    target = group["DesiredCapacity"] + group.get("_surge", 0)
    current = active(group)
    suspended = group.get("_suspended") or set()
    if len(current) > target and "Terminate" not in suspended:
        for member in by_termination_order(group, current)[:len(current) - target]:
            retire(group, member, f"At {now_millis()} an instance was taken out of service in "
                                  "response to a difference between desired and actual capacity, "
                                  f"shrinking the capacity from {len(current)} to {target}.")
    elif "Launch" not in suspended:
        for size in range(len(current), target):
            if not _launch(group, size):
                nudge(name, SETTINGS.heal)
                break


def by_termination_order(group, members):
    def key(member):
        record = ec2._instances.get(member["InstanceId"]) or {}
        version = (member.get("LaunchTemplate") or {}).get("Version", "0")
        return (int(version) if str(version).isdigit() else 0, record.get("LaunchTime", ""))
    return sorted(members, key=key)


def _launch(group, size):
    cause = (f"At {now_millis()} an instance was started in response to a difference between "
             f"desired and actual capacity, increasing the capacity from {size} to {size + 1}.")
    zones = group.get("AvailabilityZones") or [f"{get_region()}a"]
    try:
        spec = template_spec(group)
        if not spec:
            configuration = autoscaling._launch_configs.get(group.get("LaunchConfigurationName", "")) or {}
            record = instances.launch(dict(configuration), _tags(group), zone=zones[size % len(zones)])
            member_spec = {}
        else:
            version, data = _next_launch(group, spec)
            record = instances.launch(data, _tags(group), zone=zones[size % len(zones)], template=version)
            member_spec = {k: version[k] for k in ("LaunchTemplateId", "LaunchTemplateName")}
            member_spec["Version"] = str(version["VersionNumber"])
    except ApiError as error:
        message = f"{error.message}. Launching EC2 instance failed."
        activity(group, f"Launching a new EC2 instance.  Status Reason: {message}", cause,
                 "Failed", message)
        return False
    member = {
        "InstanceId": record["InstanceId"], "LifecycleState": "Pending", "HealthStatus": "Healthy",
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "ProtectedFromScaleIn": bool(group.get("NewInstancesProtectedFromScaleIn")),
        "LaunchTemplate": member_spec,
        "LaunchConfigurationName": group.get("LaunchConfigurationName", "") if not spec else ""}
    group["Instances"].append(member)
    activity(group, f"Launching a new EC2 instance: {record['InstanceId']}", cause)
    later(SETTINGS.instance, _enters_service, member, of=instances.held_as(member["InstanceId"]))
    return True


def _enters_service(member):
    if member["LifecycleState"] == "Pending":
        member["LifecycleState"] = "InService"


def _tags(group):
    tags = {t["Key"]: t.get("Value", "") for t in group.get("Tags") or []
            if t.get("PropagateAtLaunch") or t["Key"].startswith("aws:cloudformation:")}
    return {**tags, "aws:autoscaling:groupName": group["AutoScalingGroupName"]}


def retire(group, member, cause):
    """Take one instance out of the group: terminate it, and forget it once it is gone."""
    if member["LifecycleState"] in _LEAVING:
        return
    member["LifecycleState"] = "Terminating"
    if member["InstanceId"] in ec2._instances:
        instances.terminate(member["InstanceId"])
    activity(group, f"Terminating EC2 instance: {member['InstanceId']}", cause)
    later(SETTINGS.instance * 2, _forget, group, member, of=instances.held_as(member["InstanceId"]))


def _forget(group, member):
    if member in group["Instances"]:
        group["Instances"].remove(member)


def _instance_gone(instance_id):
    """EC2 tells when an instance goes away by other hands than ours."""
    for name, group in autoscaling._asgs.items():
        if any(m["InstanceId"] == instance_id and m["LifecycleState"] not in _LEAVING
               for m in group["Instances"]):
            nudge(name, SETTINGS.heal)


def activity_xml(group, item):
    return ("<member>"
            f"<ActivityId>{item['ActivityId']}</ActivityId>"
            f"<AutoScalingGroupName>{escape(group['AutoScalingGroupName'])}</AutoScalingGroupName>"
            f"<AutoScalingGroupARN>{escape(group['AutoScalingGroupARN'])}</AutoScalingGroupARN>"
            f"<Description>{escape(item['Description'])}</Description>"
            f"<Cause>{escape(item['Cause'])}</Cause>"
            f"<StartTime>{item['StartTime']}</StartTime><EndTime>{item['EndTime']}</EndTime>"
            f"<StatusCode>{item['StatusCode']}</StatusCode>"
            + (f"<StatusMessage>{escape(item['StatusMessage'])}</StatusMessage>"
               if item["StatusMessage"] else "")
            + f"<Progress>{item['Progress']}</Progress><Details>{{}}</Details></member>")


def install():
    patching.requires(autoscaling, "_asgs", "_launch_configs", "_tags", "_xml", "_error", "_p")
    # Anything in MiniStack that resizes a group goes through here.
    patching.attribute(autoscaling, "_reconcile_instances",
                       lambda _: lambda group: nudge(group["AutoScalingGroupName"]))
    instances.on_gone.append(_instance_gone)
