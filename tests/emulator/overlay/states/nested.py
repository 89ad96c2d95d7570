"""Owns executions that an execution starts and waits for: `states:startExecution.sync:2`.

AWS facts (measured on AWS: floci-io/floci's AslExecutorNestedStartExecutionTest, where no other source is named):
* TaskSubmitted follows TaskStarted as soon as the execution has started, with StartExecution's answer. The integration
  is "states", "startExecution.sync:2".
* The result is DescribeExecution's answer in PascalCase, `Input` and `Output` as JSON values.
* StartExecution's refusal is `StepFunctions.`, its code and `Exception`: StepFunctions.ExecutionAlreadyExistsException.
* An execution that does not succeed is States.TaskFailed; the cause is DescribeExecution's answer as text.
* StartExecution is idempotent: the same name and input while that execution runs returns it (API_StartExecution).
* An execution that is stopped, or whose task runs out of time, stops the one that it waits for (developer guide, "Run
  a job (.sync)").
* The role needs states:StartExecution on the state machine (developer guide, "Start workflow executions").
* It needs states:DescribeExecution and states:StopExecution on its executions to follow and to stop them (same page).
Unsure:
* The error's name where the role may not start or follow the execution.
"""

import json
import time

from ministack.core.responses import get_account_id, get_region, json_response
from ministack.services import stepfunctions

from overlay import patching
from overlay.iam import permissions
from overlay.states import history
from overlay.states.history import encoded

RESOURCE = "states:startExecution.sync:2"
#: How often an end is looked for.
_TICK_SECONDS = 0.05


def run(arguments, timeout=None):
    """Start the execution, wait for its end and return what DescribeExecution says of it."""
    own = history.branch()
    machine = arguments["StateMachineArn"]
    executing = role(own.execution)
    _require(executing, "states:StartExecution", machine)
    status, _, body = stepfunctions._start_execution({
        "stateMachineArn": machine, "input": encoded(arguments.get("Input", {})),
        **({"name": arguments["Name"]} if "Name" in arguments else {})})
    answer = json.loads(body)
    if status >= 400:
        raise stepfunctions._ExecutionError(
            f"StepFunctions.{answer['__type']}Exception",
            f"{answer['message']} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {answer['__type']})")
    arn = answer["executionArn"]
    history.add("TaskSubmitted", "taskSubmitted", resourceType="states", resource="startExecution.sync:2",
                output=encoded({"ExecutionArn": arn, "StartDate": _millis(answer["startDate"])}),
                outputDetails={"truncated": False})
    _require(executing, "states:DescribeExecution", arn)
    _wait(own, executing, arn, timeout)
    return _described(arn)


def role(execution):
    """The role that an execution runs with. A Distributed Map's executions have their state machine's."""
    return stepfunctions._state_machines[execution["stateMachineArn"].split("/")[0]].get("roleArn", "")


def _require(by, action, arn):
    refusal = permissions.role_refusal(by, by, action, arn)
    if refusal:
        raise stepfunctions._ExecutionError("StepFunctions.AWSStepFunctionsException", refusal)


def stop(by, arn):
    """Stop an execution on behalf of this role, if it may."""
    if not permissions.role_refusal(by, by, "states:StopExecution", arn):
        stepfunctions._stop_execution({"executionArn": arn})


def _wait(own, by, arn, timeout):
    execution = stepfunctions._executions[arn]
    deadline = time.monotonic() + (timeout or float("inf"))
    while execution["status"] == "RUNNING":
        if own.is_over():
            stop(by, arn)
            raise history.Over
        if time.monotonic() > deadline:
            stop(by, arn)
            raise stepfunctions._ExecutionError("States.Timeout", "")
        time.sleep(_TICK_SECONDS)


def _millis(when):
    return stepfunctions._iso_to_epoch_ms(when)


def _described(arn):
    execution = stepfunctions._executions[arn]
    described = {
        "ExecutionArn": arn, "Input": execution["input"], "InputDetails": {"Included": True}, "Name": execution["name"],
        "RedriveCount": 0, "StartDate": _millis(execution["startDate"]), "Status": execution["status"],
        "StateMachineArn": execution["stateMachineArn"], "StopDate": _millis(execution["stopDate"])}
    if execution["status"] == "SUCCEEDED":
        output = json.loads(execution["output"])
        return {**described, "Input": json.loads(execution["input"]), "Output": output,
                "OutputDetails": {"Included": True}}
    found = {name.capitalize(): execution[name] for name in ("error", "cause") if execution.get(name)}
    raise stepfunctions._ExecutionError("States.TaskFailed", encoded({**described, **found}))


def _start(original):
    def start(data):
        name = data.get("name")
        machine = stepfunctions._state_machines.get(data.get("stateMachineArn", "")) if name else None
        if machine:
            arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}:{name}"
            running = stepfunctions._executions.get(arn)
            if running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
                return json_response({"executionArn": arn, "startDate": running["startDate"]})
        return original(data)
    return start


def install():
    patching.requires(stepfunctions, "_executions", "_state_machines", "_stop_execution", "_iso_to_epoch_ms")
    patching.attribute(stepfunctions, "_start_execution", _start)
