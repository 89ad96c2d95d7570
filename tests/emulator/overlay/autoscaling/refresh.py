"""Owns instance refreshes: their states, how they replace instances, and what Auto Scaling refuses.

AWS facts (Auto Scaling user guide, "Use an instance refresh"; API_RefreshPreferences):
* Pending → InProgress → Successful | Failed; Cancelling → Cancelled. One at a time: `InstanceRefreshInProgress`.
* A refresh terminates an instance before it launches the new one. It launches first, and exceeds the capacity for a
  while, if MinHealthyPercentage is 100, or if an explicit MaxHealthyPercentage makes the bounds impossible to keep
  otherwise. MaxHealthyPercentage needs MinHealthyPercentage, and max - min ≤ 100.
* A launch template whose image is a Systems Manager parameter excludes a desired configuration, skip matching, and
  rollback ("Use AWS Systems Manager parameters instead of AMI IDs", limitations).
* A desired configuration becomes the group's own when the refresh succeeds.
* AWS retries launches for an hour before the refresh fails; here `refresh_failure` seconds.
Unlike AWS:
* Warm-up, checkpoints and bake time of a refresh are ignored.
* A rollback that AWS would make is refused.
Unsure:
* The texts of the refusals for parameter images, and of StatusReason.
"""

from xml.sax.saxutils import escape

from ministack.core.responses import new_uuid
from ministack.services import autoscaling

from overlay import patching
from overlay.autoscaling import groups
from overlay.background import later
from overlay.control.settings import SETTINGS
from overlay.wire import ApiError, asg_action, now_millis, page

#: A refresh in one of these still holds the group.
ACTIVE = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})
_TICK = 0.05

_p = autoscaling._p


def _typed(preferences):
    numbers = ("MinHealthyPercentage", "MaxHealthyPercentage", "InstanceWarmup",
               "CheckpointDelay", "BakeTime")
    flags = ("SkipMatching", "AutoRollback")
    out = {}
    for key, value in (preferences or {}).items():
        if key in numbers:
            out[key] = int(value)
        elif key in flags:
            out[key] = str(value).lower() == "true"
        else:
            out[key] = value
    return out


def _validate(group, preferences, desired):
    low = preferences.get("MinHealthyPercentage")
    high = preferences.get("MaxHealthyPercentage")
    for name, value, least, most in (("MinHealthyPercentage", low, 0, 100),
                                     ("MaxHealthyPercentage", high, 100, 200)):
        if value is not None and not least <= value <= most:
            raise ApiError("ValidationError", f"{name} must be between {least} and {most}, inclusive.")
    if high is not None:
        if low is None:
            raise ApiError("ValidationError",
                           "You must specify MinHealthyPercentage when MaxHealthyPercentage is specified.")
        if high - low > 100:
            raise ApiError("ValidationError", "The difference between MaxHealthyPercentage and "
                                              "MinHealthyPercentage cannot be greater than 100.")
    spec = groups.template_spec(group)
    wanted = groups.template_spec(desired) or spec
    if preferences.get("AutoRollback") and not desired:
        raise ApiError("ValidationError",
                       "The request isn't valid. The AutoRollback parameter cannot be set to true when "
                       "the DesiredConfiguration parameter is empty. Set AutoRollback to false or "
                       "specify a desired configuration and try again.")
    if groups.uses_alias(wanted) or groups.uses_alias(spec):
        for refused, named in ((bool(desired), "DesiredConfiguration"),
                               (preferences.get("SkipMatching"), "SkipMatching")):
            if refused:
                raise ApiError("ValidationError",
                               f"{named} isn't supported when the launch template uses a Systems "
                               "Manager parameter for its AMI ID.")
    if desired:
        groups.validate_spec(wanted)


def begin(group, preferences, desired, reason=""):
    """Record a refresh and set it going; returns the record."""
    if any(r["Status"] in ACTIVE for r in group.get("InstanceRefreshes", [])):
        raise ApiError("InstanceRefreshInProgress",
                       "An Instance Refresh is already in progress and blocks the execution of this "
                       "Instance Refresh.")
    preferences = _typed(preferences)
    _validate(group, preferences, desired)
    refresh = {
        "InstanceRefreshId": new_uuid(), "AutoScalingGroupName": group["AutoScalingGroupName"],
        "Status": "Pending", "StatusReason": reason, "StartTime": now_millis(), "EndTime": "",
        "PercentageComplete": 0, "InstancesToUpdate": len(groups.active(group)),
        "Preferences": {"MinHealthyPercentage": 90, "SkipMatching": False, **preferences},
        "DesiredConfiguration": desired}
    group.setdefault("InstanceRefreshes", []).insert(0, refresh)
    later(SETTINGS.refresh, _start, group, refresh, of=_held_as(refresh))
    return refresh


def _held_as(refresh):
    return "refresh", (refresh["AutoScalingGroupName"], refresh["InstanceRefreshId"])


def _start(group, refresh):
    if refresh["Status"] != "Pending":
        if refresh["Status"] == "Cancelling":
            _end(refresh, "Cancelled")
        return
    refresh["Status"] = "InProgress"
    desired = groups.template_spec(refresh["DesiredConfiguration"])
    if desired:
        # New instances come from the desired configuration from here on; the group's
        # own becomes that one at success, and is put back otherwise.
        refresh["_before"] = {k: group.get(k) for k in ("LaunchTemplate", "MixedInstancesPolicy")}
        group.update({"LaunchTemplate": {}, "MixedInstancesPolicy": {}, **refresh["DesiredConfiguration"]})
    queue = groups.active(group)
    if refresh["Preferences"]["SkipMatching"]:
        version = groups.resolve(groups.template_spec(group))
        queue = [m for m in queue if
                 (m["LaunchTemplate"].get("LaunchTemplateId"), m["LaunchTemplate"].get("Version"))
                 != (version["LaunchTemplateId"], str(version["VersionNumber"]))]
    refresh.update(_queue=queue, _total=len(queue), InstancesToUpdate=len(queue))
    _next(group, refresh)


def _end(refresh, status, reason=""):
    refresh.update(Status=status, EndTime=now_millis())
    if reason:
        refresh["StatusReason"] = reason


def _stop(group, refresh, status, reason=""):
    group["_surge"] = 0
    if status != "Successful" and "_before" in refresh:
        group.update(refresh["_before"])
    _end(refresh, status, reason)
    groups.nudge(group["AutoScalingGroupName"])


def _next(group, refresh):
    """Begin with the next instance, or be done."""
    if refresh["Status"] == "Cancelling":
        _stop(group, refresh, "Cancelled")
        return
    if not refresh["_queue"]:
        refresh.update(PercentageComplete=100, InstancesToUpdate=0)
        _stop(group, refresh, "Successful")
        return
    old = refresh["_queue"][0]
    preferences = refresh["Preferences"]
    refresh["_known"] = {m["InstanceId"] for m in group["Instances"]}
    refresh["_waited"] = 0.0
    low, size = preferences["MinHealthyPercentage"], max(group["DesiredCapacity"], 1)
    bounded = "MaxHealthyPercentage" in preferences and 100 * (size - 1) / size < low
    if low == 100 or bounded:
        group["_surge"] = 1
        groups.reconcile(group["AutoScalingGroupName"])
    else:
        groups.retire(group, old, f"At {now_millis()} an instance was taken out of service in "
                                  "response to an instance refresh.")
        groups.reconcile(group["AutoScalingGroupName"])
    later(_TICK, _watch, group, refresh, old, of=_held_as(refresh))


def _watch(group, refresh, old):
    """Wait until the replacement is in service, then retire what it replaces."""
    if autoscaling._asgs.get(refresh["AutoScalingGroupName"]) is not group:
        _end(refresh, "Failed", "The Auto Scaling group was deleted.")
    elif any(m["InstanceId"] not in refresh["_known"] for m in groups.in_service(group)):
        _replaced(group, refresh, old)
    elif refresh["Status"] == "Cancelling":
        _stop(group, refresh, "Cancelled")
    else:
        _wait_on(group, refresh, old)


def _wait_on(group, refresh, old):
    if not groups.pending(group):
        refresh["_waited"] += _TICK
    if refresh["_waited"] < SETTINGS.refresh_failure + SETTINGS.instance:
        later(_TICK, _watch, group, refresh, old, of=_held_as(refresh))
        return
    failed = next((a["StatusMessage"] for a in group.get("Activities", []) if a["StatusCode"] == "Failed"), "")
    _stop(group, refresh, "Failed",
          f"The instance refresh failed because a new instance could not be launched. {failed}".strip())


def _replaced(group, refresh, old):
    if group.get("_surge"):
        group["_surge"] = 0
        groups.retire(group, old, f"At {now_millis()} an instance was taken out of service in "
                                  "response to an instance refresh.")
    refresh["_queue"].pop(0)
    done = refresh["_total"] - len(refresh["_queue"])
    refresh.update(PercentageComplete=100 * done // refresh["_total"],
                   InstancesToUpdate=len(refresh["_queue"]))
    later(SETTINGS.refresh, _next, group, refresh, of=_held_as(refresh))


def _start_instance_refresh(p):
    group = groups.get(_p(p, "AutoScalingGroupName"))
    desired = autoscaling._parse_nested(p, "DesiredConfiguration")
    if desired.get("LaunchTemplate"):
        desired["LaunchTemplate"] = groups.normalize_spec(desired["LaunchTemplate"])
    refresh = begin(group, autoscaling._parse_nested(p, "Preferences"), desired)
    return autoscaling._xml(200, "StartInstanceRefreshResponse",
                            "<StartInstanceRefreshResult><InstanceRefreshId>"
                            f"{refresh['InstanceRefreshId']}</InstanceRefreshId></StartInstanceRefreshResult>")


def _refresh_xml(refresh):
    def element(tag, value):
        return f"<{tag}>{escape(str(value))}</{tag}>" if value not in (None, "") else ""
    desired = refresh.get("DesiredConfiguration")
    return ("<member>" + "".join(element(k, refresh.get(k)) for k in (
                "InstanceRefreshId", "AutoScalingGroupName", "Status", "StatusReason", "StartTime",
                "EndTime", "PercentageComplete", "InstancesToUpdate"))
            + f"<Preferences>{autoscaling._member_xml(refresh['Preferences'])}</Preferences>"
            + (f"<DesiredConfiguration>{autoscaling._member_xml(desired)}</DesiredConfiguration>"
               if desired else "") + "</member>")


def _describe(p):
    group = groups.get(_p(p, "AutoScalingGroupName"))
    wanted = autoscaling._parse_member_list(p, "InstanceRefreshIds")
    found = [r for r in group.get("InstanceRefreshes", []) if not wanted or r["InstanceRefreshId"] in wanted]
    shown, token = page(found, p, 50, size_field="MaxRecords")
    return autoscaling._xml(200, "DescribeInstanceRefreshesResponse",
                            "<DescribeInstanceRefreshesResult><InstanceRefreshes>"
                            + "".join(_refresh_xml(r) for r in shown) + "</InstanceRefreshes>"
                            + (f"<NextToken>{token}</NextToken>" if token else "")
                            + "</DescribeInstanceRefreshesResult>")


def _active(group):
    for refresh in group.get("InstanceRefreshes", []):
        if refresh["Status"] in ACTIVE - {"Cancelling"}:
            return refresh
    raise ApiError("ActiveInstanceRefreshNotFound",
                   "No in progress or pending Instance Refresh found for Auto Scaling group "
                   f"{group['AutoScalingGroupName']}")


def _cancel(p):
    refresh = _active(groups.get(_p(p, "AutoScalingGroupName")))
    refresh.update(Status="Cancelling", StatusReason="Cancelled due to user request.")
    return autoscaling._xml(200, "CancelInstanceRefreshResponse",
                            "<CancelInstanceRefreshResult><InstanceRefreshId>"
                            f"{refresh['InstanceRefreshId']}</InstanceRefreshId></CancelInstanceRefreshResult>")


def _rollback(p):
    group = groups.get(_p(p, "AutoScalingGroupName"))
    _active(group)
    # Rollback needs a desired configuration and a group whose template is neither a
    # parameter image nor $Latest/$Default (API_RollbackInstanceRefresh). Rolling back
    # one that qualifies is not modelled.
    raise ApiError("IrreversibleInstanceRefresh",
                   "The instance refresh can't be rolled back: it has no desired configuration, or the "
                   "launch template uses a Systems Manager parameter, $Latest or $Default.")


def install():
    where, table = "autoscaling._ACTION_MAP", autoscaling._ACTION_MAP
    for action, handler in (("StartInstanceRefresh", _start_instance_refresh),
                            ("DescribeInstanceRefreshes", _describe), ("CancelInstanceRefresh", _cancel)):
        patching.entry(table, action, patching.instead(asg_action(handler)), where=where)
    patching.new_entry(table, "RollbackInstanceRefresh", asg_action(_rollback), where=where)
