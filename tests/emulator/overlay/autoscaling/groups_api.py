"""Owns the Auto Scaling API of groups: create, update, describe, delete, activities.

AWS facts:
* UpdateAutoScalingGroup changes the launch template; running instances stay (API reference). It is refused during a
  refresh with a desired configuration (user guide, "Instance refresh": limits).
* A new MinSize above the desired capacity, or a MaxSize below it, moves the desired capacity.
* The texts are those that AWS's users quote in public issues. A group that still has instances is not deleted: the
  API's ResourceInUseFault.
"""

from xml.sax.saxutils import escape

from ministack.core.responses import get_region, now_iso
from ministack.services import autoscaling

from overlay import patching
from overlay.autoscaling import groups
from overlay.control.settings import SETTINGS
from overlay.wire import ApiError, asg_action, now_millis, page

_NUMBERS = ("MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown", "HealthCheckGracePeriod",
            "DefaultInstanceWarmup", "MaxInstanceLifetime")
_STRINGS = ("HealthCheckType", "VPCZoneIdentifier", "LaunchConfigurationName", "PlacementGroup",
            "ServiceLinkedRoleARN", "DesiredCapacityType", "Context")

_p = autoscaling._p
_xml = autoscaling._xml


def _launch_source(p):
    """The launch template (or mixed policy) of a request, checked; {} if it names none."""
    spec = autoscaling._parse_nested(p, "LaunchTemplate")
    mixed = autoscaling._parse_nested(p, "MixedInstancesPolicy")
    source = {}
    if spec:
        source["LaunchTemplate"] = groups.normalize_spec(spec)
    elif mixed:
        inner = mixed.get("LaunchTemplate") or {}
        inner["LaunchTemplateSpecification"] = groups.normalize_spec(
            inner.get("LaunchTemplateSpecification"))
        source["MixedInstancesPolicy"] = mixed
    if source:
        groups.validate_spec(groups.template_spec(source))
    return source


def _create(p):
    name = _p(p, "AutoScalingGroupName")
    if name in autoscaling._asgs:
        raise ApiError("AlreadyExists", "AutoScalingGroup by this name already exists - "
                                        f"A group with the name {name} already exists")
    if not _p(p, "MinSize") or not _p(p, "MaxSize"):
        raise ApiError("ValidationError", "MinSize and MaxSize are required")
    source = _launch_source(p)
    if not source and not _p(p, "LaunchConfigurationName"):
        raise ApiError("ValidationError",
                       "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, "
                       "InstanceId or MixedInstancesPolicy parameter.")
    low, high = int(_p(p, "MinSize")), int(_p(p, "MaxSize"))
    desired = int(_p(p, "DesiredCapacity") or low)
    groups.validate_sizes(low, high, desired)
    tags = []
    i = 1
    while _p(p, f"Tags.member.{i}.Key"):
        key = _p(p, f"Tags.member.{i}.Key")
        if key.lower().startswith("aws:"):
            raise ApiError("ValidationError",
                           "Tag keys beginning with 'aws:' are reserved for internal use.")
        tags.append({"Key": key, "Value": _p(p, f"Tags.member.{i}.Value"), "ResourceId": name,
                     "ResourceType": "auto-scaling-group",
                     "PropagateAtLaunch": _p(p, f"Tags.member.{i}.PropagateAtLaunch") == "true"})
        i += 1
    autoscaling._asgs[name] = {
        "AutoScalingGroupName": name, "AutoScalingGroupARN": autoscaling._asg_arn(name),
        "LaunchConfigurationName": _p(p, "LaunchConfigurationName"), "LaunchTemplate": {},
        **source, "MinSize": low, "MaxSize": high, "DesiredCapacity": desired,
        "DefaultCooldown": int(_p(p, "DefaultCooldown") or 300),
        "AvailabilityZones": (autoscaling._parse_member_list(p, "AvailabilityZones")
                              or [f"{get_region()}a"]),
        "HealthCheckType": _p(p, "HealthCheckType") or "EC2",
        "HealthCheckGracePeriod": int(_p(p, "HealthCheckGracePeriod") or 0),
        "Instances": [], "CreatedTime": now_iso(), "VPCZoneIdentifier": _p(p, "VPCZoneIdentifier"),
        "TerminationPolicies": (autoscaling._parse_member_list(p, "TerminationPolicies")
                                or ["Default"]),
        "NewInstancesProtectedFromScaleIn": _p(p, "NewInstancesProtectedFromScaleIn") == "true",
        "ServiceLinkedRoleARN": _p(p, "ServiceLinkedRoleARN"), "Tags": tags, "Status": ""}
    autoscaling._tags[name] = tags
    groups.nudge(name)
    return _xml(200, "CreateAutoScalingGroupResponse", "<CreateAutoScalingGroupResult/>")


def check_refresh_allows(group, source):
    """A refresh with a desired configuration freezes the launch template."""
    for refresh in group.get("InstanceRefreshes", []):
        if (source and refresh["Status"] in ("Pending", "InProgress", "Cancelling", "RollbackInProgress")
                and refresh.get("DesiredConfiguration")):
            raise ApiError(
                "ValidationError",
                "An active instance refresh with a desired configuration exists. All configuration "
                "options derived from the desired configuration are not available for update while "
                "the instance refresh is active.")


def _update(p):
    group = groups.get(_p(p, "AutoScalingGroupName"))
    source = _launch_source(p)
    check_refresh_allows(group, source)
    numbers = {k: int(_p(p, k)) for k in _NUMBERS if _p(p, k) != ""}
    low = numbers.get("MinSize", group["MinSize"])
    high = numbers.get("MaxSize", group["MaxSize"])
    desired = numbers.get("DesiredCapacity")
    if desired is None:
        desired = group["DesiredCapacity"]
        if "MinSize" in numbers:
            desired = max(desired, low)
        if "MaxSize" in numbers:
            desired = min(desired, high)
    groups.validate_sizes(low, high, desired)
    if "LaunchTemplate" in source:
        group.update(LaunchConfigurationName="", MixedInstancesPolicy={})
    elif source:
        group.update(LaunchConfigurationName="", LaunchTemplate={})
    group.update({**source, **numbers, "DesiredCapacity": desired})
    group.update({k: _p(p, k) for k in _STRINGS if _p(p, k) != ""})
    for member in ("AvailabilityZones", "TerminationPolicies"):
        values = autoscaling._parse_member_list(p, member)
        if values:
            group[member] = values
    if _p(p, "NewInstancesProtectedFromScaleIn"):
        group["NewInstancesProtectedFromScaleIn"] = _p(p, "NewInstancesProtectedFromScaleIn") == "true"
    groups.nudge(group["AutoScalingGroupName"])
    return _xml(200, "UpdateAutoScalingGroupResponse", "<UpdateAutoScalingGroupResult/>")


def _set_desired(p):
    group = groups.get(_p(p, "AutoScalingGroupName"))
    desired = int(_p(p, "DesiredCapacity"))
    for bound, word in (("MaxSize", "above max"), ("MinSize", "below min")):
        if (desired > group[bound]) if bound == "MaxSize" else (desired < group[bound]):
            raise ApiError("ValidationError",
                           f"New SetDesiredCapacity value {desired} is {word} value {group[bound]} "
                           "for the AutoScalingGroup.")
    group["DesiredCapacity"] = desired
    groups.nudge(group["AutoScalingGroupName"])
    return _xml(200, "SetDesiredCapacityResponse", "")


def _delete(p):
    name = _p(p, "AutoScalingGroupName")
    group = groups.get(name)
    if groups.active(group) and _p(p, "ForceDelete") != "true":
        raise ApiError("ResourceInUse",
                       "You cannot delete an AutoScalingGroup while there are instances or pending "
                       "Spot instance request(s) still in the group.")
    drop(name)
    return _xml(200, "DeleteAutoScalingGroupResponse", "<DeleteAutoScalingGroupResult/>")


def drop(name):
    """Terminate the group's instances and remove the group."""
    group = autoscaling._asgs.get(name)
    if group is not None:
        group["_deleting"] = True
        groups.reconcile(name)
    autoscaling._asgs.pop(name, None)
    autoscaling._tags.pop(name, None)
    autoscaling._delete_group_hooks(name)
    autoscaling._delete_group_policies(name)


def _terminate_in_group(p):
    instance_id = _p(p, "InstanceId")
    for group in autoscaling._asgs.values():
        member = next((m for m in groups.active(group) if m["InstanceId"] == instance_id), None)
        if member is None:
            continue
        if _p(p, "ShouldDecrementDesiredCapacity") == "true":
            if group["DesiredCapacity"] <= group["MinSize"]:
                raise ApiError(
                    "ValidationError",
                    f"Currently, desiredSize equals minSize ({group['MinSize']}). Terminating instance "
                    "without replacement will violate group's min size constraint. Either set "
                    "shouldDecrementDesiredCapacity flag to false or lower group's min size.")
            group["DesiredCapacity"] -= 1
        groups.retire(group, member, f"At {now_millis()} instance {instance_id} was taken out of "
                                     "service in response to a user request.")
        groups.nudge(group["AutoScalingGroupName"], SETTINGS.heal)
        return _xml(200, "TerminateInstanceInAutoScalingGroupResponse",
                    "<TerminateInstanceInAutoScalingGroupResult>"
                    + groups.activity_xml(group, group["Activities"][0]).replace(
                        "member>", "Activity>", 1)[:-len("</member>")]
                    + "</Activity></TerminateInstanceInAutoScalingGroupResult>")
    raise ApiError("ValidationError",
                   f"Instance Id not found - No managed instance found for instance ID {instance_id}")


def _set_health(p):
    instance_id = _p(p, "InstanceId")
    for group in autoscaling._asgs.values():
        for member in groups.active(group):
            if member["InstanceId"] == instance_id:
                member["HealthStatus"] = _p(p, "HealthStatus")
                groups.nudge(group["AutoScalingGroupName"])
                return _xml(200, "SetInstanceHealthResponse", "")
    raise ApiError("ValidationError",
                   f"Instance Id not found - No managed instance found for instance ID {instance_id}")


def _processes(action, apply):
    def handle(p):
        group = groups.get(_p(p, "AutoScalingGroupName"))
        named = autoscaling._parse_member_list(p, "ScalingProcesses") or ["Launch", "Terminate"]
        group["_suspended"] = apply(set(group.get("_suspended") or ()), set(named))
        groups.nudge(group["AutoScalingGroupName"])
        return _xml(200, f"{action}Response", "")
    return handle


def _activities(p):
    name = _p(p, "AutoScalingGroupName")
    wanted = autoscaling._parse_member_list(p, "ActivityIds")
    found = [(g, a) for g in ([groups.get(name)] if name else autoscaling._asgs.values())
             for a in g.get("Activities", []) if not wanted or a["ActivityId"] in wanted]
    shown, token = page(found, p, 100, size_field="MaxRecords")
    return _xml(200, "DescribeScalingActivitiesResponse",
                "<DescribeScalingActivitiesResult><Activities>"
                + "".join(groups.activity_xml(g, a) for g, a in shown) + "</Activities>"
                + (f"<NextToken>{token}</NextToken>" if token else "")
                + "</DescribeScalingActivitiesResult>")


def _group_xml(group):
    def element(tag, value):
        return f"<{tag}>{escape(str(value))}</{tag}>" if value not in (None, "") else ""
    tags = "".join(
        "<member>" + element("Key", t["Key"]) + f"<Value>{escape(t.get('Value', ''))}</Value>"
        + element("ResourceId", t["ResourceId"]) + element("ResourceType", t["ResourceType"])
        + f"<PropagateAtLaunch>{'true' if t.get('PropagateAtLaunch') else 'false'}</PropagateAtLaunch></member>"
        for t in group.get("Tags") or [])
    mixed = group.get("MixedInstancesPolicy")
    suspended = "".join(f"<member><ProcessName>{n}</ProcessName><SuspensionReason>User suspended"
                        "</SuspensionReason></member>" for n in sorted(group.get("_suspended") or ()))
    return ("<member>" + element("AutoScalingGroupName", group["AutoScalingGroupName"])
            + element("AutoScalingGroupARN", group["AutoScalingGroupARN"])
            + element("LaunchConfigurationName", group.get("LaunchConfigurationName"))
            + "".join(element(k, group.get(k)) for k in (*_NUMBERS, "PlacementGroup"))
            + "<AvailabilityZones>" + "".join(f"<member>{z}</member>" for z in group["AvailabilityZones"])
            + "</AvailabilityZones><LoadBalancerNames/><TargetGroupARNs/>"
            + element("HealthCheckType", group["HealthCheckType"])
            + element("CreatedTime", group["CreatedTime"])
            + f"<VPCZoneIdentifier>{escape(group['VPCZoneIdentifier'])}</VPCZoneIdentifier>"
            + "<TerminationPolicies>"
            + "".join(f"<member>{t}</member>" for t in group["TerminationPolicies"])
            + "</TerminationPolicies><NewInstancesProtectedFromScaleIn>"
            + ("true" if group["NewInstancesProtectedFromScaleIn"] else "false")
            + f"</NewInstancesProtectedFromScaleIn><Tags>{tags}</Tags>"
            + f"<SuspendedProcesses>{suspended}</SuspendedProcesses>"
            + autoscaling._instances_xml(group)
            + (f"<LaunchTemplate>{autoscaling._member_xml(group['LaunchTemplate'])}</LaunchTemplate>"
               if group.get("LaunchTemplate") else "")
            + (f"<MixedInstancesPolicy>{autoscaling._member_xml(mixed)}</MixedInstancesPolicy>"
               if mixed else "") + "</member>")


def _match(group, name, values):
    tags = group.get("Tags") or []
    if name == "tag-key":
        return any(t["Key"] in values for t in tags)
    if name == "tag-value":
        return any(t.get("Value", "") in values for t in tags)
    if name.startswith("tag:"):
        return any(t["Key"] == name[4:] and t.get("Value", "") in values for t in tags)
    raise ApiError("ValidationError", f"Filter type {name} is not correct. "
                                      "Allowed Filter types are: tag-key, tag-value, tag:<key>")


def _describe(p):
    names = autoscaling._parse_member_list(p, "AutoScalingGroupNames")
    filters = autoscaling._parse_nested(p, "Filters") or []
    found = [g for n, g in autoscaling._asgs.items() if (not names or n in names)
             and False not in [_match(g, f["Name"], f.get("Values") or []) for f in filters]]
    shown, token = page(found, p, 50, size_field="MaxRecords")
    return _xml(200, "DescribeAutoScalingGroupsResponse",
                "<DescribeAutoScalingGroupsResult><AutoScalingGroups>"
                + "".join(_group_xml(g) for g in shown) + "</AutoScalingGroups>"
                + (f"<NextToken>{token}</NextToken>" if token else "")
                + "</DescribeAutoScalingGroupsResult>")


def install():
    patching.requires(autoscaling, "_parse_nested", "_parse_member_list", "_asg_arn", "_member_xml",
                      "_instances_xml", "_delete_group_hooks", "_delete_group_policies")
    where, table = "autoscaling._ACTION_MAP", autoscaling._ACTION_MAP
    for action, handler in (
            ("CreateAutoScalingGroup", _create), ("UpdateAutoScalingGroup", _update),
            ("SetDesiredCapacity", _set_desired), ("DeleteAutoScalingGroup", _delete),
            ("DescribeAutoScalingGroups", _describe), ("DescribeScalingActivities", _activities)):
        patching.entry(table, action, patching.instead(asg_action(handler)), where=where)
    for action, handler in (
            ("TerminateInstanceInAutoScalingGroup", _terminate_in_group),
            ("SetInstanceHealth", _set_health),
            ("SuspendProcesses", _processes("SuspendProcesses", set.union)),
            ("ResumeProcesses", _processes("ResumeProcesses", set.difference))):
        patching.new_entry(table, action, asg_action(handler), where=where)
