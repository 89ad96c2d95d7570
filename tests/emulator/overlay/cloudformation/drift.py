"""Owns drift: detections take time, read every resource that can be read, and compare it with what was deployed.

AWS facts:
* Detection is asynchronous, one at a time per stack ("Drift detection is already in progress for stack …"), and only in
  CREATE_COMPLETE, UPDATE_COMPLETE, UPDATE_ROLLBACK_COMPLETE and UPDATE_ROLLBACK_FAILED (user guide, "Detect drift").
* The expected values are the declared properties *as they were deployed*: evaluating `!GetAtt
  LaunchTemplate.LatestVersionNumber` now would hide exactly the drift that matters (coverage-roadmap#1470).
* Which types are checked: those whose schema has a read handler (`registry`). A row of the others does not exist
  (API_DescribeStackResourceDrifts). The stacks nested in one are not detected with it (API_DetectStackDrift).
* What is write-only in the schema is never compared: `LaunchTemplateData`, so that a launch template is IN_SYNC
  whatever its newest version says (coverage-roadmap#1682, #2001).
* The caller needs read permission on the resources (`iam.permissions` checks it).
* The stack's status may be IN_SYNC although rows are MODIFIED (coverage-roadmap#2283). A detection may fail because AWS
  throttles what CloudFormation reads: "Rate exceeded" (coverage-roadmap#801). No request brings these about, so the
  control API does.
* The reason of a failed detection is JSON: `{"Summary":"Failed to detect drift on resources […]","Failures":
  [{"Resource":…,"FailureReason":…}]}` (same issue).
* In a wrong state: "Drift detection cannot be performed on stack [ARN] while it is in [ROLLBACK_COMPLETE] state", as
  recorded.
Unlike AWS:
* Of a type that MiniStack cannot read the permissions are asked, and the row says IN_SYNC.
Unsure:
* Whether PropagateAtLaunch of a group's tag is compared (not compared here).
* Whether a nested stack has a row of its own among its parent's (none here).
"""

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid, now_iso
from ministack.services import autoscaling, cloudformation, ec2
from ministack.services.cloudformation import drift, handlers
from ministack.services.cloudformation.helpers import _error, _esc, _extract_string_members, _p, _xml

from overlay import patching
from overlay.background import later
from overlay.cloudformation import registry
from overlay.control.settings import SETTINGS

_STACK = "AWS::CloudFormation::Stack"
_encoded = functools.partial(json.dumps, separators=(",", ":"))
#: Called with (stack, resource record) before a resource is read; raises if it may not be.
on_read: list[Callable[[dict[str, Any], dict[str, Any]], None]] = []

@dataclasses.dataclass(frozen=True)
class Outcome:
    """What becomes of a stack's detection, as no request can bring it about; "" leaves it as it is."""
    #: The stack's status, whatever the rows say.
    status: str = ""
    #: Why no resource can be read.
    failure: str = ""


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


def decide(name: str, body: dict[str, str]) -> dict[str, str]:
    """Make this the outcome of the detection that ends next; `LookupError` if there is no such stack."""
    stack = handlers._resolve_stack(name)
    if not stack:
        raise LookupError(name)
    stack["_drift_outcome"] = Outcome(**body)
    return dataclasses.asdict(stack["_drift_outcome"])


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


def _is_checked(record):
    kind = record.get("ResourceType", "")
    return kind != _STACK and registry.is_readable(kind)


def _finish(stack, detection, wanted):
    now, outcome = now_iso(), stack.pop("_drift_outcome", None) or Outcome()
    drifted, failed = 0, {}
    for logical_id, record in stack.get("_resources", {}).items():
        if (wanted and logical_id not in wanted) or not _is_checked(record):
            continue
        found = _read(stack, logical_id, record, now, outcome)
        drift.record_resource_drift(record, found)
        if found["StackResourceDriftStatus"] in ("MODIFIED", "DELETED"):
            drifted += 1
        elif found["StackResourceDriftStatus"] == "UNKNOWN":
            failed[logical_id] = found["DriftStatusReason"]
    status = outcome.status or ("DRIFTED" if drifted else "UNKNOWN" if failed else "IN_SYNC")
    detection.update(StackDriftStatus=status, Timestamp=now, DriftedStackResourceCount=drifted,
                     DetectionStatus="DETECTION_FAILED" if failed else "DETECTION_COMPLETE")
    detection.pop("DetectionStatusReason", None)
    if failed:
        detection["DetectionStatusReason"] = _encoded({
            "Summary": f"Failed to detect drift on resources [{','.join(failed)}]",
            "Failures": [{"Resource": each, "FailureReason": reason} for each, reason in failed.items()]})
    stack["DriftInformation"] = {"StackDriftStatus": status, "LastCheckTimestamp": now}


def _read(stack, logical_id, record, now, outcome):
    row = {"StackId": stack["StackId"], "LogicalResourceId": logical_id,
           "PhysicalResourceId": record.get("PhysicalResourceId", ""), "ResourceType": record["ResourceType"],
           "Timestamp": now}
    try:
        if outcome.failure:
            raise PermissionError(outcome.failure)
        for check in on_read:
            check(stack, record)
    except PermissionError as error:
        return {**row, "StackResourceDriftStatus": "UNKNOWN", "DriftStatusReason": str(error)}
    if drift.supports_drift(record["ResourceType"]):
        return drift.detect_resource_drift(stack, logical_id, record, now)
    declared = json.dumps({name: value for name, value in (record.get("Properties") or {}).items()
                           if name not in registry.write_only(record["ResourceType"])}, sort_keys=True, default=str)
    return {**row, "StackResourceDriftStatus": "IN_SYNC", "ExpectedProperties": declared, "ActualProperties": declared}


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
    for kind, (reader, properties) in drift._DRIFT_READERS.items():
        drift._DRIFT_READERS[kind] = reader, properties - registry.write_only(kind)
    where, table = "cloudformation.handlers._ACTION_HANDLERS", handlers._ACTION_HANDLERS
    patching.entry(table, "DetectStackDrift", lambda _: _detect, where=where)
    patching.entry(table, "DescribeStackDriftDetectionStatus", lambda _: _status, where=where)
