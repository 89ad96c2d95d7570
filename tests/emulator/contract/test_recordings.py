"""The recording of an execution: written before it shows as ended, complete, with the definition that it ran by."""

import json

import pytest

import conftest
from workflow import Run

NAMED = {"Type": "Pass", "Output": "{% $states.context.Execution.Name %}", "End": True}
LONG = {"Type": "Wait", "Seconds": 600, "End": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("histories")


@pytest.fixture(scope="module")
def owner(folder):
    running, process = conftest.start({"OVERLAY_HISTORIES": str(folder)})
    try:
        yield running.session("444455556666")
    finally:
        conftest.stop(process)


def _recording(folder, run):
    return json.loads((folder / f"444455556666-{run.arn.rpartition(':')[2]}.json").read_text(encoding="utf-8"))


def test_it_is_what_the_api_answers(owner, folder):
    run = Run(owner, ("Make", NAMED), given={"a": "ä"})
    run.ended()
    machine = owner.sfn.describe_execution(executionArn=run.arn)["stateMachineArn"]
    before = owner.sfn.describe_state_machine(stateMachineArn=machine)["definition"]
    found = _recording(folder, run)
    assert json.loads(found["execution"]["output"]) == run.output()
    assert found["execution"]["status"] == "SUCCEEDED" and json.loads(found["execution"]["input"]) == {"a": "ä"}
    assert found["definition"] == before
    assert [(e["id"], e["previousEventId"], e["type"]) for e in found["events"]] == run.steps()
    details = "stateEnteredEventDetails"
    assert found["events"][1][details] == run.events()[1][details]


def test_one_that_was_stopped_is_recorded(owner, folder):
    run = Run(owner, ("Wait", LONG))
    assert run.has_entered("Wait")
    owner.sfn.stop_execution(executionArn=run.arn)
    found = _recording(folder, run)
    assert found["execution"]["status"] == "ABORTED" and found["events"][-1]["type"] == "ExecutionAborted"


def test_one_that_ran_out_of_time_is_recorded(owner, folder):
    run = Run(owner, ("Wait", LONG), TimeoutSeconds=1)
    run.ended()
    conftest.until(lambda: any(run.arn.endswith(path.stem.split("-", 1)[1]) for path in folder.glob("*.json")))
    found = _recording(folder, run)
    assert found["execution"]["status"] == "TIMED_OUT" and found["events"][-1]["type"] == "ExecutionTimedOut"
