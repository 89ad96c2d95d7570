"""Owns the Distributed Map: each item, or each batch of items, is an execution with a history of its own.

AWS facts (events as recorded on AWS: localstack's test_base_scenarios, `map_state_config_distributed` and
`map_item_batching`; developer guide, "Using Map state in Distributed mode"):
* MapStateStarted with the number of items, MapRunStarted, MapRunSucceeded, MapStateSucceeded. MapStateExited names
  MapRunStarted as the event before it.
* With ItemBatcher an execution's input is `{"Items": [...]}`, and `BatchInput` where there is one. A batch has
  MaxItemsPerBatch items at most.
* The executions are those of `stateMachine:NAME/LABEL`. They read no variable of the state machine around them
  (developer guide, "Passing data between states with variables").
* The map run fails with States.ExceedToleratedFailureThreshold if more executions fail than
  ToleratedFailurePercentage says; without it, if any fails.
* The role needs states:StartExecution on its own state machine, and states:DescribeExecution and StopExecution on the
  executions (developer guide, "IAM policies for using Distributed Map states").
* An execution that is stopped stops its map runs and their executions.
Unlike AWS:
* An ItemReader or a ResultWriter, and a JSONPath Map, are as MiniStack has them.
Unsure:
* Executions that fail and are tolerated are not in the Map's result.
* The error's name where the role may not start the executions, and that the map run has started before it fails.
"""

import concurrent.futures
import contextvars
import copy

from ministack.core.responses import new_uuid, now_iso
from ministack.services import stepfunctions

from overlay import patching
from overlay.iam import permissions
from overlay.states import history, nested, runner
from overlay.states.history import encoded
from overlay.states.queries import within

#: How often the map run looks whether its execution was stopped.
_TICK_SECONDS = 0.2
_COUNTS = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten",
           "failuresNotRedrivable", "pendingRedrive")


def run(state, processor, data, execution, ctx):
    """The Map's result and the next state."""
    items = stepfunctions._jsonata_state_field({"Items": "{% $states.input %}", **state}, "Items", "array", data, ctx)
    inputs = _batches(state, [_selected(state, index, item, data, ctx) for index, item in enumerate(items)], data, ctx)
    own = history.branch()
    map_run = _map_run(state, execution, len(items), len(inputs))
    history.add("MapStateStarted", "mapStateStarted", length=len(items))
    started = history.add("MapRunStarted", "mapRunStarted", mapRunArn=map_run["mapRunArn"])
    role = nested.role(execution)
    if inputs and (refusal := _refusal(role, execution["stateMachineArn"])):
        raise _failed(map_run, "States.Permissions", refusal)
    children = [_child(map_run, execution, each, processor, ctx) for each in inputs]
    at_once = stepfunctions._jsonata_state_field(state, "MaxConcurrency", "number", data, ctx) \
        if "MaxConcurrency" in state else 0
    _run_all(own, role, map_run, children, processor, int(at_once) or len(children) or 1, ctx)
    failed = [child for child in children if child["status"] != "SUCCEEDED"]
    if len(failed) * 100 > float(state.get("ToleratedFailurePercentage", 0)) * len(children):
        raise _failed(map_run, "States.ExceedToleratedFailureThreshold",
                      "The specified tolerated failure threshold was exceeded")
    map_run.update(status="SUCCEEDED", stopDate=now_iso())
    history.add("MapRunSucceeded")
    history.add("MapStateSucceeded")
    own.latest = started
    results = [stepfunctions.json.loads(child["output"]) for child in children if child["status"] == "SUCCEEDED"]
    output = stepfunctions._apply_jsonata_output(state, data, ctx, result=results, default=results)
    stepfunctions._apply_state_assign(state, data, ctx, result=results)
    return output, stepfunctions._next_or_end(state)


def _selected(state, index, item, data, ctx):
    if "ItemSelector" not in state:
        return item
    inner = {**ctx, "Map": {"Item": {"Index": index, "Value": item}}}
    with within("ItemSelector"):
        return stepfunctions._apply_jsonata_template(state["ItemSelector"], data, inner)


def _batches(state, items, data, ctx):
    if "ItemBatcher" not in state:
        return items
    batcher = state["ItemBatcher"]
    with within("ItemBatcher"):
        size = int(stepfunctions._jsonata_state_field(batcher, "MaxItemsPerBatch", "number", data, ctx))
        given = {"BatchInput": stepfunctions._apply_jsonata_template(batcher["BatchInput"], data, ctx)} \
            if "BatchInput" in batcher else {}
    return [{**given, "Items": items[first:first + size]} for first in range(0, len(items), size)]


def _refusal(role, machine):
    child = f"{machine.replace(':stateMachine:', ':execution:')}/any"
    needed = (("states:StartExecution", machine), ("states:DescribeExecution", child))
    return next(filter(None, (permissions.role_refusal(role, role, *each) for each in needed)), None)


def _failed(map_run, error, cause):
    map_run.update(status="FAILED", stopDate=now_iso())
    history.add("MapRunFailed", "mapRunFailed", error=error, cause=cause)
    history.add("MapStateFailed")
    return stepfunctions._ExecutionError(error, cause)


def _map_run(state, execution, items, children):
    label = state.get("Label") or new_uuid()
    machine = f"{execution['stateMachineArn']}/{label}"
    zero = dict.fromkeys(_COUNTS, 0)
    found = {
        "mapRunArn": f"{machine.replace(':stateMachine:', ':mapRun:')}:{new_uuid()}",
        "executionArn": execution["executionArn"], "status": "RUNNING", "startDate": now_iso(),
        "maxConcurrency": int(state.get("MaxConcurrency") or 0),
        "toleratedFailurePercentage": float(state.get("ToleratedFailurePercentage") or 0), "toleratedFailureCount": 0,
        "itemCounts": {**zero, "total": items, "pending": items},
        "executionCounts": {**zero, "total": children, "pending": children}, "redriveCount": 0,
        "_stateMachineArn": machine}
    stepfunctions._map_runs[found["mapRunArn"]] = found
    return found


def _child(map_run, execution, given, processor, ctx):
    machine, name = map_run["_stateMachineArn"], new_uuid()
    text = encoded(given)
    child = {
        "executionArn": f"{machine.replace(':stateMachine:', ':execution:')}:{name}", "stateMachineArn": machine,
        "name": name, "status": "RUNNING", "startDate": now_iso(), "stopDate": None, "input": text,
        "inputDetails": {"included": True}, "output": None, "outputDetails": {"included": True},
        "mapRunArn": map_run["mapRunArn"], "testCase": "", "mockAttempts": {},
        # For its recording: what it runs.
        "definition": encoded({"QueryLanguage": ctx["QueryLanguage"], **processor}),
        "events": [{"id": 1, "type": "ExecutionStarted", "timestamp": now_iso(), "previousEventId": 0,
                    "executionStartedEventDetails": {
                        "input": text, "inputDetails": {"truncated": False},
                        "roleArn": nested.role(execution)}}]}
    stepfunctions._executions[child["executionArn"]] = child
    return child


def _run_all(own, role, map_run, children, processor, at_once, ctx):
    def work(child):
        if own.is_over():
            return
        _count(map_run, child, "pending", "running")
        history.enter(history.Branch(child))
        _run(child, processor, ctx)
        _count(map_run, child, "running", "succeeded" if child["status"] == "SUCCEEDED" else "failed")

    with concurrent.futures.ThreadPoolExecutor(max_workers=at_once) as pool:
        open_futures = {pool.submit(contextvars.copy_context().run, work, child) for child in children}
        while open_futures:
            _, open_futures = concurrent.futures.wait(open_futures, timeout=_TICK_SECONDS)
            if own.is_over():
                for child in children:
                    if child["status"] == "RUNNING":
                        nested.stop(role, child["executionArn"])
    if own.is_over():
        map_run.update(status="ABORTED", stopDate=now_iso())
        raise history.Over


def _count(map_run, child, before, after):
    given = stepfunctions.json.loads(child["input"])
    items = len(given["Items"]) if isinstance(given, dict) and "Items" in given else 1
    for counts, size in ((map_run["executionCounts"], 1), (map_run["itemCounts"], items)):
        counts[before] -= size
        counts[after] += size


def _run(child, processor, ctx):
    machine, _, label = child["stateMachineArn"].partition("/")
    role = nested.role(child)
    given = stepfunctions.json.loads(child["input"])
    inner = {
        "QueryLanguage": ctx["QueryLanguage"], "variables": {},
        "Execution": {"Id": child["executionArn"], "Input": given, "Name": child["name"], "RoleArn": role,
                      "StartTime": child["startDate"], "RedriveCount": 0},
        "StateMachine": {"Id": child["stateMachineArn"], "Name": f"{machine.rpartition(':')[2]}/{label}"}}
    try:
        output = runner.run(processor["States"], processor["StartAt"], copy.deepcopy(given), child, inner)
        history.end(child, "SUCCEEDED", output=encoded(output))
    except stepfunctions._ExecutionError as error:
        runner.end_with(child, error.error, error.cause)
    except history.Over:
        pass


def install():
    patching.requires(stepfunctions, "_executions", "_state_machines", "_map_runs", "_stop_execution",
                      "_jsonata_state_field", "_apply_jsonata_template", "_apply_jsonata_output",
                      "_apply_state_assign", "_next_or_end")
