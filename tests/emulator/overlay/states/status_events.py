"""Owns the events that Step Functions puts on EventBridge when an execution's status changes.

AWS facts (Step Functions developer guide, "Automating Step Functions event delivery with EventBridge";
API_DescribeExecution):
* Each change of a standard execution's status is a "Step Functions Execution Status Change" of source aws.states,
  delivered by best effort, some time later. An Express execution has none.
* Its detail has the members of DescribeExecution, times in milliseconds; a missing one is null. `redriveStatusReason`
  is set only when the execution cannot be redriven: FAILED, TIMED_OUT and ABORTED ones can.
* If input and output together, escaped, exceed 248 KiB, the input is left out; if the output alone does, the output is.
  `inputDetails` and `outputDetails` say so.
"""

import json

from ministack.services import eventbridge, stepfunctions

from overlay import patching
from overlay.background import later

_LIMIT_BYTES = 248 * 1024
_REDRIVABLE = ("FAILED", "TIMED_OUT", "ABORTED")


def _emit(_original):
    def emit(execution):
        if not execution.get("sync") and not _is_express(execution):
            later(0, _put, json.dumps(_detail(execution)), execution["executionArn"])
    return emit


def _is_express(execution):
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"].split("/")[0], {})
    return machine.get("type") == "EXPRESS"


def _put(detail, arn):
    eventbridge._put_events({"Entries": [{
        "Source": "aws.states", "DetailType": "Step Functions Execution Status Change",
        "Detail": detail, "Resources": [arn]}]}, allow_aws_source=True)


def _detail(execution):
    status = execution["status"]
    can_redrive = status in _REDRIVABLE
    output = execution.get("output") if status == "SUCCEEDED" else None
    given = execution["input"]
    if _escaped(given) + _escaped(output) > _LIMIT_BYTES:
        given = None
    is_output_included = _escaped(output) <= _LIMIT_BYTES
    return {
        "executionArn": execution["executionArn"], "stateMachineArn": execution["stateMachineArn"],
        "name": execution["name"], "status": status,
        **{when: stepfunctions._iso_to_epoch_ms(execution.get(when)) for when in ("startDate", "stopDate")},
        "input": given, "inputDetails": {"included": given is not None},
        "output": output if is_output_included else None,
        "outputDetails": None if output is None else {"included": is_output_included},
        "stateMachineVersionArn": None, "stateMachineAliasArn": None,
        "redriveCount": 0, "redriveDate": None,
        "redriveStatus": "REDRIVABLE" if can_redrive else "NOT_REDRIVABLE",
        "redriveStatusReason": None if can_redrive else f"Execution is {status} and cannot be redriven",
        "error": execution.get("error"), "cause": execution.get("cause")}


def _escaped(text):
    return len(json.dumps(text or "", ensure_ascii=False).encode()) - 2


def install():
    patching.requires(stepfunctions, "_iso_to_epoch_ms", "_state_machines")
    patching.requires(eventbridge, "_put_events")
    patching.attribute(stepfunctions, "_emit_execution_status_event", _emit)
