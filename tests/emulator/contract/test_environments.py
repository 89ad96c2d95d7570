"""Idle execution environments: as many as are kept stay, and the others start cold the next time."""

import json
import subprocess

import pytest

import conftest
from workflow import function


@pytest.fixture
def two_kept():
    running, process = conftest.start({"OVERLAY_FUNCTIONS_KEPT": "2"})
    try:
        yield running.session("200000000000"), process.pid
    finally:
        conftest.stop(process)


def _environments(server):
    """The processes of functions that this server has started and that live."""
    listed = subprocess.run(["ps", "-wweo", "pid=,pgid=,args="], capture_output=True, text=True, check=True).stdout
    found = [line.split(None, 2) for line in listed.splitlines()]
    return sorted(pid for pid, group, command in found if group == str(server) and "/bootstrap" in command)


def _answers(aws, name):
    return json.loads(aws.lambda_.invoke(FunctionName=name, Payload=json.dumps({"size": 1}))["Payload"].read())


def test_the_environments_used_last_are_kept(two_kept):
    aws, server = two_kept
    for name in ("a", "b", "c"):
        function(aws, name)
    one = _answers(aws, "a")
    first, = _environments(server)
    assert _answers(aws, "b") == one == _answers(aws, "a")
    assert first in _environments(server) and len(_environments(server)) == 2, "the first was used again"
    assert _answers(aws, "c") == one
    kept = _environments(server)
    assert first in kept and len(kept) == 2, "the one of b was used least recently"
    assert _answers(aws, "b") == one, "it starts cold"
    assert first not in _environments(server)
