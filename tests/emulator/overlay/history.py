"""Owns the history of an execution: what GetExecutionHistory and DescribeExecution tell of it.

AWS facts:
* Every event names the one before it in its own branch, so that the iterations of a Map,
  which run side by side, can be told apart (API_HistoryEvent, previousEventId).
* The states inside a Map are entered and exited like any other, between
  MapIterationStarted and MapIterationSucceeded or MapIterationFailed with the
  iteration's index (API_MapIterationEventDetails).
* `output` is set only if the execution succeeds (API_DescribeExecution).
* A JSONata Succeed state has an `Output` (developer guide, "Succeed workflow state").
Left out: MapStateStarted and MapStateSucceeded, which name no iteration.
"""

import contextvars
import json
import threading

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

from . import patching

#: The execution and the number of the latest event of this branch: each iteration of a
#: Map runs in a copy of the context that it was started in.
_LATEST = contextvars.ContextVar("overlay_latest_event", default=("", 0))
#: The execution whose Map runs in this context: MiniStack records nothing of what is in one.
_INSIDE = contextvars.ContextVar("overlay_inside_map", default=None)
_LOCK = threading.Lock()


def _linked(original):
    def add(execution, event_type, details=None):
        arn, latest = _LATEST.get()
        previous = latest if arn == execution["executionArn"] else 0
        # An event's number is its place, and iterations add theirs from threads.
        with _LOCK:
            event = original(execution, event_type, {**(details or {}), "previousEventId": previous})
        _LATEST.set((execution["executionArn"], event["id"]))
        return event
    return add


def _iteration(original):
    def run(states, start_at, input_data, execution, ctx):
        _INSIDE.set(execution)
        of = {"name": ctx["State"]["Name"], "index": ctx.get("Map", {}).get("Item", {}).get("Index", 0)}

        def add(what):
            stepfunctions._add_event(execution, f"MapIteration{what}",
                                     {f"mapIteration{what}EventDetails": of})
        add("Started")
        try:
            output = original(states, start_at, input_data, execution, ctx)
        except Exception:
            add("Failed")
            raise
        add("Succeeded")
        return output
    return run


def _recorded(kind):
    def make(original):
        def execute(state_def, raw_input, *rest):
            execution, name = _INSIDE.get(), rest[-1]["State"]["Name"]
            if execution is None:
                return original(state_def, raw_input, *rest)

            def add(what, member, value):
                stepfunctions._add_event(execution, f"{kind}State{what}", {
                    f"state{what}EventDetails": {"name": name, member: json.dumps(value)}})
            add("Entered", "input", raw_input)
            output, following = original(state_def, raw_input, *rest)
            add("Exited", "output", output)
            return output, following
        return execute
    return make


def _fail(_original):
    def fail(execution, error, cause):
        execution.update(error=error, cause=cause, stopDate=now_iso(), output=None)
        stepfunctions._add_event(execution, "ExecutionFailed", {
            "executionFailedEventDetails": {"error": error, "cause": cause}})
        # The status last: whoever sees it finds everything else.
        execution["status"] = "FAILED"
        stepfunctions._emit_execution_status_event(execution)
    return fail


def _succeed_output(original):
    """The end of a Succeed state; MiniStack knows only JSONPath's OutputPath there."""
    def apply(state_def, data, ctx=None):
        if state_def.get("Type") == "Succeed" and stepfunctions._state_query_language(state_def, ctx) == "JSONata":
            return stepfunctions._apply_jsonata_output(state_def, data, ctx, default=data)
        return original(state_def, data, ctx)
    return apply


def install():
    patching.attribute(stepfunctions, "_add_event", _linked)
    patching.attribute(stepfunctions, "_run_sub_machine", _iteration)
    patching.requires(stepfunctions, "_apply_jsonata_output", "_emit_execution_status_event",
                      "_state_query_language")
    patching.attribute(stepfunctions, "_fail_execution", _fail)
    patching.attribute(stepfunctions, "_apply_output_path", _succeed_output)
    for kind in ("Pass", "Task", "Choice", "Wait", "Map"):
        patching.attribute(stepfunctions, f"_execute_{kind.lower()}", _recorded(kind))
