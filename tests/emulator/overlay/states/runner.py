"""Owns how an execution goes from state to state, inside a Map or a Parallel too.

AWS facts:
* Every state is entered with an event, and exited with one unless it fails. That has the variables that the state has
  assigned, each as JSON (API_StateExitedEventDetails).
* A state's input and result may have 256 KiB, else States.DataLimitExceeded (quotas; recorded text).
* A JSONata Succeed state has an `Output` (developer guide, "Succeed workflow state").
* Nothing more is done for an execution that was stopped or ran out of time.
* An error has a name of 256 characters at most, and a cause of 32,768 (API_ExecutionFailedEventDetails).
Unsure:
* If a result that is too large is not a task's, the text names the state.
* A Fail state whose Error or Cause is longer ends the execution with States.Runtime: no answer of AWS was found.
"""

import contextlib
import copy
import json
import logging

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

from overlay import patching
from overlay.states import history
from overlay.states.history import encoded

logger = logging.getLogger("overlay")

DATA_LIMIT_BYTES = 262_144
_MAX_ERROR, _MAX_CAUSE = 256, 32_768


def limited(value, what):
    """`value`, unless it is too large to be passed on."""
    if len(encoded(value).encode()) > DATA_LIMIT_BYTES:
        raise stepfunctions._ExecutionError(
            "States.DataLimitExceeded", f"The state/task '{what}' returned a result with a size "
            "exceeding the maximum number of bytes service limit.")
    return value


def run(states, start_at, data, execution, ctx):
    """From the first state to the end; returns the last one's output."""
    name = start_at
    while name:
        if name not in states:
            raise stepfunctions._ExecutionError("States.Runtime", f"State '{name}' not found in definition")
        data, name = _step(name, states[name], data, execution, ctx)
    return data


def _step(name, state, data, execution, ctx):
    kind, own = state["Type"], history.branch()
    ctx["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
    own.state, own.kind, own.assigned = name, kind, {}
    own.entered = history.add(f"{kind}StateEntered", "stateEntered", name=name, input=encoded(data),
                              inputDetails={"truncated": False})
    output, following = _execute(kind, state, data, execution, ctx)
    limited(output, name)
    history.add(f"{kind}StateExited", "stateExited", name=name, output=encoded(output),
                outputDetails={"truncated": False}, **_assigned(own.assigned))
    own.kind = ""
    return output, following


def _assigned(variables):
    if not variables:
        return {}
    return {"assignedVariables": {name: encoded(value) for name, value in variables.items()},
            "assignedVariablesDetails": {"truncated": False}}


def _failure(error, cause):
    if len(error or "") > _MAX_ERROR or len(cause or "") > _MAX_CAUSE:
        error, cause = "States.Runtime", (
            f"The error has {len(error or '')} characters and the cause {len(cause or '')}; "
            f"they may have {_MAX_ERROR} and {_MAX_CAUSE}.")
    return stepfunctions._ExecutionError(error, cause)


def _execute(kind, state, data, execution, ctx):
    if kind == "Fail":
        raise _failure(*stepfunctions._fail_state_error(state, data, ctx))
    if kind == "Succeed":
        if stepfunctions._state_query_language(state, ctx) == "JSONata":
            return stepfunctions._apply_jsonata_output(state, data, ctx, default=data), None
        return stepfunctions._apply_output_path(state, stepfunctions._apply_input_path(state, data, ctx), ctx), None
    execute = getattr(stepfunctions, f"_execute_{kind.lower()}", None)
    if execute is None:
        raise stepfunctions._ExecutionError("States.Runtime", f"Unknown state type: {kind}")
    if kind in ("Task", "Parallel", "Map"):
        return execute(state, data, execution, ctx)
    return execute(state, data, ctx)


def _sub_machine(_original):
    """Of what `branches` leaves to MiniStack: a JSONPath Map or Parallel, a distributed Map."""
    def run_within(states, start_at, data, execution, ctx):
        outer = history.branch()
        is_child = outer is None or outer.execution is not execution
        history.enter(history.Branch(execution) if is_child
                      else history.Branch(execution, parent=outer, latest=outer.latest))
        return run(states, start_at, copy.deepcopy(data), execution, copy.deepcopy(ctx))
    return run_within


def _run_execution(_original):
    def run_execution(arn):
        execution = stepfunctions._executions.get(arn)
        if execution is None:
            return
        execution["events"][0]["previousEventId"] = 0
        history.enter(history.Branch(execution))
        try:
            history.end(execution, "SUCCEEDED", output=encoded(_result(execution)))
        except stepfunctions._ExecutionError as error:
            end_with(execution, error.error, error.cause)
        except history.Over:
            pass
        except Exception as error:
            logger.exception("execution %s", arn)
            end_with(execution, "States.Runtime", str(error))
    return run_execution


def end_with(execution, error, cause):
    """End it as failed, unless it has ended otherwise."""
    with contextlib.suppress(history.Over):
        stepfunctions._fail_execution(execution, error, cause)


def _result(execution):
    machine = stepfunctions._state_machines[execution["stateMachineArn"]]
    # The machine may get another one meanwhile.
    execution["definition"] = machine["definition"]
    definition, data = json.loads(execution["definition"]), json.loads(execution["input"])
    return run(definition["States"], definition["StartAt"], data, execution, {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {"Id": execution["executionArn"], "Input": data, "Name": execution["name"],
                      "RoleArn": machine["roleArn"], "StartTime": execution["startDate"], "RedriveCount": 0},
        "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
        "variables": {}})


def install():
    patching.requires(
        stepfunctions, "_executions", "_state_machines", "_ExecutionError", "_fail_state_error",
        "_state_query_language", "_apply_jsonata_output", "_apply_input_path", "_apply_output_path",
        *(f"_execute_{kind}" for kind in ("pass", "task", "choice", "wait", "parallel", "map")))
    patching.attribute(stepfunctions, "_run_execution", _run_execution)
    patching.attribute(stepfunctions, "_run_sub_machine", _sub_machine)
