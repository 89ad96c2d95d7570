"""Owns the history of an execution: GetExecutionHistory and DescribeExecution.

AWS facts:
* An event names the one before it in its own branch, so that iterations of a Map, which run side by side, can be told
  apart. The first after ExecutionStarted names none: 0, and so does the event of an execution that was stopped or ran
  out of time (API_HistoryEvent).
* An execution that has ended, and an iteration that was aborted, record nothing any more.
* A history has at most 25,000 events. The last one is the ExecutionFailed that ends the execution, with States.Runtime
  and "The execution reached the maximum number of history events (25000).", which nothing catches (developer guide,
  "Starting new executions to avoid reaching the history quota"; loads/ardere#86).
* `output` is set only if the execution succeeds (API_DescribeExecution). An error without a cause, such as
  States.Timeout, has no `cause` there.
"""

import contextvars
import dataclasses
import functools
import json
import threading
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

from overlay import patching
from overlay.control import watch
from overlay.states import recordings

#: Events of one execution.
MAX_EVENTS = 25_000
#: JSON as Step Functions writes it.
encoded = functools.partial(json.dumps, separators=(",", ":"), ensure_ascii=False)

_BRANCH = contextvars.ContextVar("overlay_branch", default=None)
_LOCK = threading.Lock()


class Over(BaseException):
    """Raised into the thread of a branch that may do nothing any more.

    Not an Exception: MiniStack must not take it for an error of the state.
    """


class Full(Over):
    """The history has no room for the event."""


@dataclasses.dataclass(eq=False)
class Branch:
    """A chain of states: the execution's own, an iteration of a Map, a branch of a Parallel."""
    execution: dict[str, Any]
    parent: "Branch | None" = None
    #: The number of its latest event.
    latest: int = 0
    #: The state it is in, and the event that entered it.
    state: str = ""
    kind: str = ""
    entered: int = 0
    #: The variables that this state has assigned.
    assigned: dict[str, Any] = dataclasses.field(default_factory=dict)
    is_stopped: bool = False

    def is_over(self):
        return (self.is_stopped or self.execution["status"] != "RUNNING"
                or (self.parent is not None and self.parent.is_over()))


def branch():
    """The branch that this thread runs, if any."""
    return _BRANCH.get()


def enter(which):
    """From here on this thread, and what copies its context, runs `which`."""
    _BRANCH.set(which)


def stop(branches):
    """Let none of them record, and so do, anything more."""
    with _LOCK:
        for each in branches:
            each.is_stopped = True


def add(event_type, member=None, **details):
    """Record an event of this thread's branch; returns its number."""
    of = branch().execution
    try:
        return stepfunctions._add_event(of, event_type, {f"{member}EventDetails": details} if member else None)["id"]
    except Full:
        end(of, "FAILED", error="States.Runtime",
            cause=f"The execution reached the maximum number of history events ({MAX_EVENTS}).")
        raise


def _linked(original):
    def add_event(execution, event_type, details=None):
        own = branch()
        is_own = own is not None and own.execution is execution
        # An event's number is its place, and branches add theirs from threads.
        with _LOCK:
            if is_own and own.is_over():
                raise Over
            if len(execution["events"]) == MAX_EVENTS - 1 and not event_type.startswith("Execution"):
                # The others of its branches are not to record anything either.
                is_first, execution["_is_full"] = not execution.get("_is_full"), True
                raise Full if is_first else Over
            event = original(execution, event_type,
                             {**(details or {}), "previousEventId": own.latest if is_own else 0})
            if is_own:
                own.latest = event["id"]
        if "stateEnteredEventDetails" in event:
            watch.happened((execution["executionArn"], event["stateEnteredEventDetails"]["name"]))
        elif execution["status"] != "RUNNING":
            watch.happened((execution["executionArn"], ""))
        return event
    return add_event


def reached(arn, state, timeout):
    """How far an execution is, as soon as it has ended or, if one is given, has entered a state; to be awaited.

    `LookupError` if there is no such execution.
    """
    execution = stepfunctions._executions.get(arn)
    if execution is None:
        raise LookupError(arn)

    def has_ended():
        return execution["status"] != "RUNNING"

    def is_done():
        return any((event.get("stateEnteredEventDetails") or {}).get("name") == state
                   for event in execution["events"]) if state else has_ended()

    async def wait():
        await watch.until(lambda: is_done() or has_ended(), {(arn, state), (arn, "")}, timeout)
        return {"status": execution["status"], "done": is_done()}
    return wait()


def end(execution, status, **found):
    """The status comes last: who sees it finds everything else too."""
    execution.update(found, stopDate=now_iso())
    add(f"Execution{status.capitalize()}", f"execution{status.capitalize()}",
        **{name: value for name, value in found.items() if value is not None})
    recordings.keep(execution, status)
    execution["status"] = status
    watch.happened((execution["executionArn"], ""))
    stepfunctions._emit_execution_status_event(execution)


def _fail(_original):
    def fail(execution, error, cause):
        end(execution, "FAILED", error=error, cause=cause or None)
    return fail


def install():
    patching.requires(stepfunctions, "_emit_execution_status_event")
    patching.attribute(stepfunctions, "_add_event", _linked)
    patching.attribute(stepfunctions, "_fail_execution", _fail)
