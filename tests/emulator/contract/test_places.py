"""Many executions at once."""

import pathlib

from workflow import Run, each, function, task

NAME = "crowded"


def _environments():
    """How many there are; one that has done its work stays for the next invocation."""
    def is_one(process):
        try:
            return f"AWS_LAMBDA_FUNCTION_NAME={NAME}\0".encode() in (process / "environ").read_bytes()
        except OSError:
            return False
    return sum(map(is_one, pathlib.Path("/proc").glob("[0-9]*")))


def test_no_invocation_is_refused_and_none_runs_out_of_time(aws):
    """Lambda quotas: a thousand at once. Here some wait for a place, and their time does not run."""
    function(aws, NAME, timeout=2)
    wide = each(("Call", task({"sleep": 0.05}, NAME, Output="{% $states.result.Payload %}")))
    runs = [Run(aws, ("Each", wide), given=list(range(10))) for _ in range(12)]
    assert [run.output() for run in runs] == [[{}] * 10] * 12
    assert 2 <= _environments() <= 16
