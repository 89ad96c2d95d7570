"""Owns drift: detections take time and compare groups and launch templates with what was deployed.

AWS facts:
* Detection is asynchronous, one at a time per stack ("Drift detection is already in progress for stack …"), and only in
  CREATE_COMPLETE, UPDATE_COMPLETE, UPDATE_ROLLBACK_COMPLETE and UPDATE_ROLLBACK_FAILED (user guide, "Detect drift").
* The expected values are the declared properties *as they were deployed*: evaluating `!GetAtt
  LaunchTemplate.LatestVersionNumber` now would hide exactly the drift that matters (coverage-roadmap#1470).
* `LaunchTemplateData` is write-only, so a launch template is IN_SYNC whatever its newest version says
  (coverage-roadmap#1682, #2001).
* The caller needs read permission on the resources (`iam.permissions` checks it).
* In a wrong state: "Drift detection cannot be performed on stack [ARN] while it is in [ROLLBACK_COMPLETE] state", as
  recorded.
Unsure:
* Whether PropagateAtLaunch of a group's tag is compared (not compared here).
"""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid, now_iso
from ministack.services import autoscaling, cloudformation, ec2
from ministack.services.cloudformation import drift, handlers
from ministack.services.cloudformation.helpers import _error, _esc, _extract_string_members, _p, _xml

from overlay import patching
from overlay.background import later
from overlay.control.settings import SETTINGS

#: Called with (stack, resource record) before a resource is read; raises if it may not be.
on_read: list[Callable[[dict[str, Any], dict[str, Any]], None]] = []

_GROUP_PROPERTIES = frozenset({
    "AutoScalingGroupName", "MinSize", "MaxSize", "DesiredCapacity", "LaunchTemplate",
    "LaunchConfigurationName", "MixedInstancesPolicy", "VPCZoneIdentifier", "AvailabilityZones",
    "HealthCheckType", "HealthCheckGracePeriod", "Cooldown", "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn", "DefaultInstanceWarmup", "MaxInstanceLifetime", "Tags"})


def _like(declared, actual):
    """`actual` with only the members that were declared: the rest is not compared."""
    if isinstance(declared, dict) and isinstance(actual, dict):
        return {k: _like(declared[k], actual[k]) for k in declared if k in actual}
    return actual


def _read_group(physical_id, props):
    group = autoscaling._asgs.get(physical_id)
    if group is None or group.get("_deleting"):
        return None
    current = {k: group.get(k) for k in _GROUP_PROPERTIES if group.get(k) not in (None, "", {})}
    current["Cooldown"] = group.get("DefaultCooldown")
    zones = group.get("VPCZoneIdentifier", "")
    if isinstance(props.get("VPCZoneIdentifier"), list):
        current["VPCZoneIdentifier"] = zones.split(",") if zones else []
    # A declared member that the group no longer has must show as a difference. Tags may be the stack's.
    return {k: _like(props.get(k), current.get(k)) for k in (*props, "Tags") if k in _GROUP_PROPERTIES}


def _read_launch_template(physical_id, props):
    template = ec2._launch_templates.get(physical_id)
    return None if template is None else {"LaunchTemplateName": template["LaunchTemplateName"]}


def _target(params):
    name = _p(params, "StackName")
    stack = handlers._resolve_stack(name)
    if not stack or stack["StackStatus"] == "DELETE_COMPLETE":
        return None, _error("ValidationError", f"Stack [{name}] does not exist")
    if stack["StackStatus"] not in drift.DRIFT_DETECTABLE_STATUSES:
        return None, _error("ValidationError",
                            f"Drift detection cannot be performed on stack [{stack['StackId']}] "
                            f"while it is in [{stack['StackStatus']}] state")
    return stack, None


def _detect(params):
    stack, error = _target(params)
    if error:
        return error
    detections = stack.setdefault("_drift_detections", {})
    if any(d["DetectionStatus"] == "DETECTION_IN_PROGRESS" for d in detections.values()):
        return _error("ValidationError",
                      f"Drift detection is already in progress for stack {stack['StackId']}")
    wanted = _extract_string_members(params, "LogicalResourceIds")
    unknown = sorted(set(wanted) - set(stack.get("_resources", {})))
    if unknown:
        return _error("ValidationError",
                      f"Resources [{', '.join(unknown)}] do not exist in stack {stack['StackId']}")
    detection = {"StackId": stack["StackId"], "StackDriftDetectionId": new_uuid(),
                 "DetectionStatus": "DETECTION_IN_PROGRESS", "DetectionStatusReason": "User Initiated",
                 "Timestamp": now_iso()}
    detections[detection["StackDriftDetectionId"]] = detection
    while len(detections) > handlers._DRIFT_DETECTIONS_KEPT:
        detections.pop(next(iter(detections)))
    names = stack["StackName"], stack["StackId"], detection["StackDriftDetectionId"]
    later(SETTINGS.drift, _finish, stack, detection, wanted, of=("drift", names))
    return _xml(200, "DetectStackDriftResponse",
                "<DetectStackDriftResult><StackDriftDetectionId>"
                f"{detection['StackDriftDetectionId']}</StackDriftDetectionId></DetectStackDriftResult>")


def _finish(stack, detection, wanted):
    now = now_iso()
    drifted, failed = 0, []
    for logical_id, record in stack.get("_resources", {}).items():
        if (wanted and logical_id not in wanted) or not drift.supports_drift(record.get("ResourceType", "")):
            continue
        found = _read(stack, logical_id, record, now)
        drift.record_resource_drift(record, found)
        if found["StackResourceDriftStatus"] in ("MODIFIED", "DELETED"):
            drifted += 1
        elif found["StackResourceDriftStatus"] == "UNKNOWN":
            failed.append(logical_id)
    status = "DRIFTED" if drifted else "UNKNOWN" if failed else "IN_SYNC"
    detection.update(StackDriftStatus=status, Timestamp=now, DriftedStackResourceCount=drifted,
                     DetectionStatus="DETECTION_FAILED" if failed else "DETECTION_COMPLETE")
    detection.pop("DetectionStatusReason", None)
    if failed:
        reasons = "; ".join(stack["_resources"][i]["_drift"].get("DriftStatusReason", "") for i in failed)
        detection["DetectionStatusReason"] = f"Failed to detect drift on resource [{', '.join(failed)}]: {reasons}"
    stack["DriftInformation"] = {"StackDriftStatus": status, "LastCheckTimestamp": now}


def _read(stack, logical_id, record, now):
    try:
        for check in on_read:
            check(stack, record)
    except PermissionError as error:
        return {"StackId": stack["StackId"], "LogicalResourceId": logical_id,
                "PhysicalResourceId": record.get("PhysicalResourceId", ""),
                "ResourceType": record["ResourceType"], "Timestamp": now,
                "StackResourceDriftStatus": "UNKNOWN", "DriftStatusReason": str(error)}
    return drift.detect_resource_drift(stack, logical_id, record, now)


def _status(params):
    wanted = _p(params, "StackDriftDetectionId")
    for stack in cloudformation._stacks.values():
        detection = (stack.get("_drift_detections") or {}).get(wanted)
        if detection:
            break
    else:
        return _error("ValidationError", f"Drift detection with id [{wanted}] does not exist")
    body = "".join(f"<{k}>{_esc(str(v))}</{k}>" for k, v in detection.items())
    return _xml(200, "DescribeStackDriftDetectionStatusResponse",
                "<DescribeStackDriftDetectionStatusResult>" + body
                + "</DescribeStackDriftDetectionStatusResult>")


def install():
    patching.requires(drift, "DRIFT_DETECTABLE_STATUSES", "detect_resource_drift", "record_resource_drift",
                      "supports_drift")
    patching.requires(handlers, "_DRIFT_DETECTIONS_KEPT", "_resolve_stack")
    where = "cloudformation.drift._DRIFT_READERS"
    patching.new_entry(drift._DRIFT_READERS, "AWS::AutoScaling::AutoScalingGroup",
                       (_read_group, _GROUP_PROPERTIES), where=where)
    patching.new_entry(drift._DRIFT_READERS, "AWS::EC2::LaunchTemplate",
                       (_read_launch_template, frozenset({"LaunchTemplateName"})), where=where)
    if "AWS::SSM::Parameter" not in drift._DRIFT_READERS:
        raise patching.PatchError(f"{where} has lost AWS::SSM::Parameter")
    where, table = "cloudformation.handlers._ACTION_HANDLERS", handlers._ACTION_HANDLERS
    patching.entry(table, "DetectStackDrift", lambda _: _detect, where=where)
    patching.entry(table, "DescribeStackDriftDetectionStatus", lambda _: _status, where=where)
