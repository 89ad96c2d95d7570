"""The history of an execution: which events there are, and which names which as the one before it.

The expected numbers are those of histories recorded on AWS.
"""

import json
import time

import pytest

from conftest import call_held, until
from workflow import Run, calls, each, function, task

PASS = {"Type": "Pass", "End": True}
FAIL = {"Type": "Fail", "Error": "AsAsked", "Cause": "why"}


@pytest.fixture(scope="module")
def owner(server):
    account = server.session("222233334444")
    function(account)
    return account


def _details(events, kind):
    return [e[f"{kind[0].lower()}{kind[1:]}EventDetails"] for e in events if e["type"] == kind]


def test_an_execution_is_a_chain(owner):
    """The first event after ExecutionStarted names none before it."""
    run = Run(owner, ("First", {"Type": "Pass", "Next": "Last"}), ("Last", {"Type": "Succeed"}))
    run.ended()
    assert run.steps() == [
        (1, 0, "ExecutionStarted"), (2, 0, "PassStateEntered"), (3, 2, "PassStateExited"),
        (4, 3, "SucceedStateEntered"), (5, 4, "SucceedStateExited"), (6, 5, "ExecutionSucceeded")]


def test_the_events_of_a_task(owner):
    """TaskScheduled, TaskStarted, TaskSucceeded name integration and action; parameters and limit are told."""
    run = Run(owner, ("Call", task({"a": 1}, TimeoutSeconds=9)))
    run.ended()
    assert run.steps()[1:-1] == [
        (2, 0, "TaskStateEntered"), (3, 2, "TaskScheduled"), (4, 3, "TaskStarted"), (5, 4, "TaskSucceeded"),
        (6, 5, "TaskStateExited")]
    events = run.events()
    scheduled = _details(events, "TaskScheduled")[0]
    assert json.loads(scheduled["parameters"]) == {"FunctionName": "step", "Payload": {"a": 1}}
    assert (scheduled["resourceType"], scheduled["resource"], scheduled["region"], scheduled["timeoutInSeconds"]) == (
        "lambda", "invoke", "us-east-1", 9)
    assert json.loads(_details(events, "TaskSucceeded")[0]["output"])["Payload"] == {"a": 1}


def test_each_attempt_has_its_events(owner, hundred_times_faster):
    """A retry is scheduled, started and failed again, in the same state."""
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    run = Run(owner, ("Call", task({"fail": "Busy"}, Retry=retry)))
    assert run.failure()[0] == "Busy"
    assert run.steps()[2:] == [
        (3, 2, "TaskScheduled"), (4, 3, "TaskStarted"), (5, 4, "TaskFailed"),
        (6, 5, "TaskScheduled"), (7, 6, "TaskStarted"), (8, 7, "TaskFailed"), (9, 8, "ExecutionFailed")]


def test_a_map_of_one_iteration(owner):
    """MapStateSucceeded and MapStateExited both name the last iteration's latest event."""
    run = Run(owner, ("Each", each(("One", PASS), Next="After")), ("After", PASS), given=["x"])
    assert run.output() == ["x"]
    assert run.steps()[1:] == [
        (2, 0, "MapStateEntered"), (3, 2, "MapStateStarted"), (4, 3, "MapIterationStarted"),
        (5, 4, "PassStateEntered"), (6, 5, "PassStateExited"), (7, 6, "MapIterationSucceeded"),
        (8, 7, "MapStateSucceeded"), (9, 7, "MapStateExited"), (10, 9, "PassStateEntered"),
        (11, 10, "PassStateExited"), (12, 11, "ExecutionSucceeded")]
    events = run.events()
    assert _details(events, "MapStateStarted") == [{"length": 1}]
    assert _details(events, "MapIterationSucceeded") == [{"name": "Each", "index": 0}]


def test_iterations_are_chains_of_their_own(owner):
    """Each starts at MapStateStarted, whatever the others do meanwhile."""
    run = Run(owner, ("Each", each(("Call", task("{% $states.input %}", Next="Last")), ("Last", PASS))),
              given=[{"a": i} for i in range(4)])
    run.ended()
    events = run.events()
    assert [e["id"] for e in events] == list(range(1, len(events) + 1))
    for start in (e for e in events if e["type"] == "MapIterationStarted"):
        assert start["previousEventId"] == 3
        chain, last = [], start
        while last["type"] != "MapIterationSucceeded":
            last = next(e for e in events if e["previousEventId"] == last["id"])
            chain.append(last["type"])
        assert chain == ["TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
                         "PassStateEntered", "PassStateExited", "MapIterationSucceeded"]
        assert last["mapIterationSucceededEventDetails"] == start["mapIterationStartedEventDetails"]


def test_an_empty_map(owner):
    run = Run(owner, ("Each", each(("One", PASS))), given=[])
    assert run.output() == []
    assert run.steps()[2:5] == [(3, 2, "MapStateStarted"), (4, 3, "MapStateSucceeded"), (5, 3, "MapStateExited")]


def test_a_failed_iteration_fails_the_map(owner):
    """With the iteration's error, which the Map's Catch sees; MapStateFailed names the latest event before it."""
    catch = [{"ErrorEquals": ["AsAsked"], "Next": "Caught"}]
    run = Run(owner, ("Each", each(("One", FAIL), Catch=catch)), ("Caught", PASS), given=[1])
    assert run.output() == {"Error": "AsAsked", "Cause": "why"}
    assert run.steps()[3:9] == [
        (4, 3, "MapIterationStarted"), (5, 4, "FailStateEntered"), (6, 5, "MapIterationFailed"),
        (7, 5, "MapStateFailed"), (8, 7, "MapStateExited"), (9, 8, "PassStateEntered")]


def test_the_other_iterations_are_aborted(owner):
    """At once: the Map does not wait for them, and they do nothing more."""
    choice = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 'bad' %}", "Next": "Soon"}],
              "Default": "Long"}
    soon = task(calls("ssm", "get_parameter", Name="/soon"), Next="Bad")
    with call_held(owner, "ssm", "GetParameter", "/soon"):
        run = Run(owner, ("Each", each(
            ("Which", choice), ("Soon", soon), ("Bad", FAIL),
            ("Long", {"Type": "Wait", "Seconds": 600, "Next": "More"}), ("More", PASS))), given=["bad", "good"])
        assert run.has_entered("Long")
    assert run.failure() == ("AsAsked", "why")
    *_, entered, failed, aborted, state, over, end = run.steps()
    assert [e[2] for e in (entered, failed, aborted, state, over, end)] == [
        "FailStateEntered", "MapIterationFailed", "MapIterationAborted", "WaitStateAborted", "MapStateFailed",
        "ExecutionFailed"]
    assert {e[1] for e in (failed, aborted, state, over)} == {entered[0]} and end[1] == over[0]


def test_a_parallel(owner):
    """ParallelStateSucceeded and ParallelStateExited name the latest event of a branch; variables stay in theirs."""
    branches = [{"StartAt": f"S{i}", "States": {f"S{i}": {"Type": "Pass", "Assign": {"own": i}, "Next": f"E{i}"},
                                                f"E{i}": {**PASS, "Output": "{% $own %}"}}} for i in (1, 2)]
    run = Run(owner, ("Both", {"Type": "Parallel", "Branches": branches, "End": True}))
    assert run.output() == [1, 2]
    steps = run.steps()
    assert steps[2] == (3, 2, "ParallelStateStarted")
    assert steps[-3:] == [(12, 11, "ParallelStateSucceeded"), (13, 11, "ParallelStateExited"),
                          (14, 13, "ExecutionSucceeded")]


def test_a_stopped_execution_records_nothing_more(owner):
    """ExecutionAborted is its last event; what was under way is not seen any more."""
    call = task(calls("ssm", "get_parameter", Name="/held"), Next="More")
    with call_held(owner, "ssm", "GetParameter", "/held") as hits:
        run = Run(owner, ("Each", each(("Call", call), ("More", PASS))), given=[1, 2])
        until(lambda: hits() == 2, what="both calls")
        owner.sfn.stop_execution(executionArn=run.arn, error="Enough")
        before = run.steps()
        assert before[-1][1:] == (0, "ExecutionAborted")
    # Both functions answer now. That nothing comes of it can only be seen for a while.
    time.sleep(0.5)
    assert run.steps() == before and run.ended()["status"] == "ABORTED"


def test_a_failed_execution_has_an_error_and_a_cause_and_no_output(owner):
    """API_DescribeExecution: output "is set only if the execution succeeds"."""
    run = Run(owner, ("Fails", FAIL))
    assert run.failure() == ("AsAsked", "why") and "output" not in run.ended()


def test_assigned_variables_are_in_the_exit(owner):
    """API_StateExitedEventDetails: "Map of variable name and value as a serialized JSON representation"."""
    run = Run(owner, ("Set", {"Type": "Pass", "Assign": {"a": [1], "b": "{% $string(2) %}"}, "Next": "Rest"}),
              ("Rest", PASS))
    run.ended()
    first, last = (event["stateExitedEventDetails"] for event in run.events() if event["type"] == "PassStateExited")
    assert first["assignedVariables"] == {"a": "[1]", "b": '"2"'}
    assert first["assignedVariablesDetails"] == {"truncated": False}
    assert "assignedVariables" not in last


def test_a_succeed_state_has_an_output_of_its_own(owner):
    """Step Functions developer guide, "Succeed workflow state": Output (JSONata)."""
    run = Run(owner, ("Succeeds", {"Type": "Succeed", "Output": {"first": "{% $states.input[0] %}"}}), given=[1, 2])
    assert run.output() == {"first": 1}


def test_a_full_history_ends_the_execution(owner):
    """loads/ardere#86; developer guide, "Starting new executions to avoid reaching the history quota": 25,000 events,
    the last of which is ExecutionFailed; no Catch of the Map or of the state around sees it."""
    loop = (("Ping", {"Type": "Pass", "Next": "Pong"}), ("Pong", {"Type": "Pass", "Next": "Ping"}))
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}, {"ErrorEquals": ["States.Runtime"], "Next": "Caught"}]
    run = Run(owner, ("Each", each(*loop, Next="Caught", Catch=caught)), ("Caught", PASS), given=["x", "y"])
    assert run.failure() == (
        "States.Runtime", "The execution reached the maximum number of history events (25000).")
    last, before = owner.sfn.get_execution_history(
        executionArn=run.arn, reverseOrder=True, maxResults=2)["events"]
    assert (last["id"], last["type"], before["id"]) == (25000, "ExecutionFailed", 24999)
