"""Owns the time limit of a whole execution.

AWS facts:
* The definition's top-level TimeoutSeconds ends an execution that runs longer with status TIMED_OUT and an
  ExecutionTimedOut event (Step Functions developer guide, "State machine structure").
* DescribeExecution shows neither error nor cause of such an execution; only the event in the history has States.Timeout
  (recorded on AWS: floci-io/floci#2733).
Unlike AWS:
* The limit counts real seconds, also where SFN_WAIT_SCALE shortens the Wait states.
"""

import json

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

from overlay import patching
from overlay.background import later


def _start(original):
    def start(data):
        answer = original(data)
        if answer[0] == 200:
            execution = stepfunctions._executions.get(json.loads(answer[2])["executionArn"])
            machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {}
            limit = json.loads(machine.get("definition") or "{}").get("TimeoutSeconds")
            if limit:
                later(float(limit), _expire, execution)
        return answer
    return start


def _expire(execution):
    if execution["status"] != "RUNNING":
        return
    execution.update(status="TIMED_OUT", stopDate=now_iso())
    stepfunctions._add_event(
        execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}})
    stepfunctions._emit_execution_status_event(execution)


def install():
    patching.requires(stepfunctions, "_executions", "_state_machines", "_add_event",
                      "_emit_execution_status_event")
    patching.attribute(stepfunctions, "_start_execution", _start)
