"""Many executions at once."""

import pathlib
import time

from conftest import call_held, until
from workflow import Run, calls, each, function, task

NAME = "crowded"


def _environments():
    """How many there are; one that has done its work stays for the next invocation."""
    def is_one(process):
        try:
            return f"AWS_LAMBDA_FUNCTION_NAME={NAME}\0".encode() in (process / "environ").read_bytes()
        except OSError:
            return False
    return sum(map(is_one, pathlib.Path("/proc").glob("[0-9]*")))


def test_no_invocation_is_refused_and_sixteen_run_at_once(aws):
    """Lambda quotas: a thousand at once. Here some wait for a place, as for a cold start."""
    function(aws, NAME, timeout=60)
    wide = each(("Call", task({"sleep": 0.05}, NAME, Output="{% $states.result.Payload %}")))
    runs = [Run(aws, ("Each", wide), given=list(range(10))) for _ in range(12)]
    assert [run.output() for run in runs] == [[{}] * 10] * 12
    assert 2 <= _environments() <= 16


def test_its_time_does_not_run_while_an_invocation_waits_for_a_place(aws):
    """Lambda, Timeout: the function's own time."""
    function(aws, "slow", timeout=60)
    function(aws, "quick", timeout=8)
    with call_held(aws, "ssm", "GetParameter", "/held") as hits:
        slow = each(("Call", task(calls("ssm", "get_parameter", Name="/held"), "slow")))
        busy = Run(aws, ("Each", slow), given=list(range(16)))
        until(lambda: hits() == 16, what="sixteen invocations")
        waiting = Run(aws, ("Call", task({}, "quick")))
        # More than it has.
        time.sleep(8.5)
        assert not any(e["type"] == "TaskSucceeded" for e in waiting.events()), "it has had a place"
    assert busy.ended()["status"] == waiting.ended()["status"] == "SUCCEEDED"
