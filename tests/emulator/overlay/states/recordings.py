"""Owns the recordings of executions that have ended: each with its definition and its whole history, in a file.

With OVERLAY_HISTORIES they are in that folder, as ACCOUNT-NAME.json: `execution` as DescribeExecution returns it,
`definition` as DescribeStateMachineForExecution does, `events` as GetExecutionHistory does, with their data. The
recording is complete before the execution shows as succeeded or failed.
"""

import json
import logging
import os
import pathlib

from ministack.services import stepfunctions

from overlay import patching

logger = logging.getLogger("overlay")

_DESCRIBED = ("executionArn", "stateMachineArn", "name", "startDate", "stopDate", "input", "output", "error", "cause")


def keep(execution, status):
    """Write the recording of an execution that has this status, or is about to have it."""
    folder = os.environ.get("OVERLAY_HISTORIES", "")
    # One that was stopped at once has not even read its definition.
    if not folder or "definition" not in execution:
        return
    account = execution["executionArn"].split(":")[4]
    path = pathlib.Path(folder, f"{account}-{execution['name']}.json")
    recording = {
        "execution": {"status": status, **{name: execution.get(name) for name in _DESCRIBED}},
        "definition": execution["definition"], "events": list(execution["events"])}
    try:
        part = path.with_suffix(".part")
        part.write_text(json.dumps(recording, separators=(",", ":")), encoding="utf-8")
        part.replace(path)
    except OSError:
        # The execution must end nevertheless.
        logger.exception("recording %s", execution["executionArn"])


def _emit(original):
    def emit(execution):
        # What ends in another way is written before it shows.
        if execution["status"] in ("ABORTED", "TIMED_OUT"):
            keep(execution, execution["status"])
        original(execution)
    return emit


def install():
    patching.attribute(stepfunctions, "_emit_execution_status_event", _emit)
