"""Executions that an execution starts: `states:startExecution.sync:2`, and the pages of a Distributed Map."""

import json

import pytest

from conftest import until
from workflow import Run, allow, each, function, role, task

PASS = {"Type": "Pass", "End": True}
FAIL = {"Type": "Fail", "Error": "Broken", "Cause": "why"}
WAIT = {"Type": "Wait", "Seconds": 100000, "Next": "Done"}
EVENTS = ("events:PutRule", "events:PutTargets", "events:DescribeRule")
NESTED = ("states:StartExecution", "states:DescribeExecution", "states:StopExecution", *EVENTS)


@pytest.fixture
def owner(aws):
    role(aws, "states")
    allow(aws, "states", "lambda:InvokeFunction", *NESTED)
    return aws


def _machine(aws, name, *states):
    return aws.sfn.create_state_machine(
        name=name, roleArn=role(aws, "states"), definition=json.dumps(
            {"QueryLanguage": "JSONata", "StartAt": states[0][0], "States": dict(states)}))["stateMachineArn"]


def _start(machine, name="child", given="{% $states.input %}", **fields):
    return {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": machine, "Name": name, "Input": given},
            **({} if "Next" in fields else {"End": True}), **fields}


# --- startExecution.sync:2 -------------------------------------------------------------------------

def test_an_execution_waits_for_the_one_that_it_starts(owner):
    """floci-io/floci, AslExecutorNestedStartExecutionTest, measured on AWS: the events and the result."""
    child = _machine(owner, "child", ("Done", PASS))
    run = Run(owner, ("Start", _start(child)), given={"a": [1]})
    found = run.output()
    arn = child.replace(":stateMachine:", ":execution:") + ":child"
    assert (found["ExecutionArn"], found["Name"], found["Status"]) == (arn, "child", "SUCCEEDED")
    assert found["Input"] == found["Output"] == {"a": [1]}
    assert [e["type"] for e in run.events()] == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
        "TaskStateExited", "ExecutionSucceeded"]
    submitted = run.events()[4]["taskSubmittedEventDetails"]
    assert (submitted["resourceType"], submitted["resource"]) == ("states", "startExecution.sync:2")
    assert json.loads(submitted["output"])["ExecutionArn"] == arn


def test_one_that_fails_is_a_failed_task(owner):
    """The same: States.TaskFailed, and the cause is what DescribeExecution answers."""
    run = Run(owner, ("Start", _start(_machine(owner, "child", ("Done", FAIL)))), given={})
    error, cause = run.failure()
    found = json.loads(cause)
    assert error == "States.TaskFailed"
    assert (found["Status"], found["Error"], found["Cause"]) == ("FAILED", "Broken", "why")


def test_a_name_is_used_once(owner):
    """API_StartExecution: idempotent while it runs, ExecutionAlreadyExists afterwards; the error's name as in floci."""
    waiting = _machine(owner, "waiting", ("Wait", WAIT), ("Done", PASS))
    first = owner.sfn.start_execution(stateMachineArn=waiting, name="once", input='{"a":1}')["executionArn"]
    again = owner.sfn.start_execution(stateMachineArn=waiting, name="once", input='{"a":1}')["executionArn"]
    assert first == again
    with pytest.raises(owner.sfn.exceptions.ExecutionAlreadyExists):
        owner.sfn.start_execution(stateMachineArn=waiting, name="once", input='{"a":2}')
    owner.sfn.stop_execution(executionArn=first)
    run = Run(owner, ("Start", _start(waiting, "once")), given={"a": 1})
    assert run.failure()[0] == "StepFunctions.ExecutionAlreadyExistsException"


def test_one_that_is_stopped_stops_what_it_waits_for(owner):
    """Developer guide, "Run a job (.sync)"."""
    waiting = _machine(owner, "waiting", ("Wait", WAIT), ("Done", PASS))
    run = Run(owner, ("Start", _start(waiting)), given={})
    arn = waiting.replace(":stateMachine:", ":execution:") + ":child"
    until(lambda: any(e["type"] == "TaskSubmitted" for e in run.events()), what="its start")
    owner.sfn.stop_execution(executionArn=run.arn)
    status = until(lambda: (found := owner.sfn.describe_execution(executionArn=arn)["status"]) != "RUNNING" and found,
                   what="its end")
    assert status == "ABORTED"


def test_the_role_must_be_allowed(owner):
    """Developer guide, "Start workflow executions"; nasa/cumulus#2693 has the refusal of the managed rule."""
    child = _machine(owner, "child", ("Done", PASS))
    allow(owner, "states", *EVENTS)
    error, cause = Run(owner, ("Start", _start(child)), given={}).failure()
    assert error == "StepFunctions.AWSStepFunctionsException" and "states:StartExecution" in cause
    for missing in EVENTS:
        allow(owner, "states", *(action for action in NESTED if action != missing))
        with pytest.raises(owner.sfn.exceptions.ClientError, match="is not authorized to create managed-rule"):
            _machine(owner, "parent", ("Start", _start(child)))


# --- Distributed Map -------------------------------------------------------------------------------

def _distributed(*states, **fields):
    mapped = each(*states, Label="Pages", **fields)
    mapped["ItemProcessor"]["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return mapped


def test_the_events_of_a_distributed_map(owner):
    """localstack, test_map_state_config_distributed_items_path_from_previous, recorded on AWS."""
    run = Run(owner, ("Before", {"Type": "Pass", "Next": "Map"}), ("Map", _distributed(("Done", PASS))),
              given=["a"])
    assert run.output() == ["a"]
    assert [(e["id"], e["previousEventId"], e["type"]) for e in run.events()] == [
        (1, 0, "ExecutionStarted"), (2, 0, "PassStateEntered"), (3, 2, "PassStateExited"), (4, 3, "MapStateEntered"),
        (5, 4, "MapStateStarted"), (6, 5, "MapRunStarted"), (7, 6, "MapRunSucceeded"), (8, 7, "MapStateSucceeded"),
        (9, 6, "MapStateExited"), (10, 9, "ExecutionSucceeded")]
    assert run.events()[4]["mapStateStartedEventDetails"] == {"length": 1}


def test_a_batch_is_an_execution_with_a_history_of_its_own(owner):
    """localstack, test_map_item_batching_base_json_max_per_batch_jsonata, recorded on AWS: its input."""
    run = Run(owner, ("Map", _distributed(("Done", PASS), ItemBatcher={"MaxItemsPerBatch": 2})), given=[1, 2, 3])
    assert run.output() == [{"Items": [1, 2]}, {"Items": [3]}]
    of = next(e for e in run.events() if e["type"] == "MapRunStarted")["mapRunStartedEventDetails"]["mapRunArn"]
    children = owner.sfn.list_executions(mapRunArn=of)["executions"]
    assert len(children) == 2
    counts = owner.sfn.describe_map_run(mapRunArn=of)
    assert [counts[of_what]["succeeded"] for of_what in ("itemCounts", "executionCounts")] == [3, 2]
    for child in children:
        assert child["stateMachineArn"].endswith("/Pages")
        events = owner.sfn.get_execution_history(executionArn=child["executionArn"])["events"]
        assert [e["type"] for e in events] == [
            "ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]


def test_variables_end_at_a_distributed_map(owner):
    """Developer guide, "Passing data between states with variables": they cannot be read in there."""
    reads = {"Type": "Pass", "Output": "{% $outer %}", "End": True}
    run = Run(owner, ("Set", {"Type": "Pass", "Assign": {"outer": 1}, "Next": "Map"}),
              ("Map", _distributed(("Read", reads))), given=[1])
    assert run.failure()[0] == "States.ExceedToleratedFailureThreshold"


def test_how_many_failures_are_tolerated(owner):
    """Developer guide, "Setting failure thresholds for Distributed Map states"."""
    choice = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 1 %}", "Next": "Fail"}],
              "Default": "Done"}
    states = ("Choose", choice), ("Fail", FAIL), ("Done", PASS)
    assert Run(owner, ("Map", _distributed(*states)), given=[1, 2]).failure()[0] == (
        "States.ExceedToleratedFailureThreshold")
    assert Run(owner, ("Map", _distributed(*states, ToleratedFailurePercentage=50)), given=[1, 2]).output() == [2]
    assert Run(owner, ("Map", _distributed(*states, ToleratedFailurePercentage=49)), given=[1, 2]).failure()


def test_a_stopped_execution_stops_its_batches_and_what_they_wait_for(owner):
    """Developer guide, "Using Map state in Distributed mode"."""
    waiting = _machine(owner, "waiting", ("Wait", WAIT), ("Done", PASS))
    run = Run(owner, ("Map", _distributed(("Start", _start(waiting, "{% $states.input %}")))), given=["a", "b"])

    def started():
        return len(owner.sfn.list_executions(stateMachineArn=waiting)["executions"]) == 2
    until(started, what="both starts")
    owner.sfn.stop_execution(executionArn=run.arn)

    def ended():
        return {e["status"] for e in owner.sfn.list_executions(stateMachineArn=waiting)["executions"]} == {"ABORTED"}
    until(ended, what="both ends")


def test_the_role_must_be_allowed_to_run_batches(owner):
    """Developer guide, "IAM policies for using Distributed Map states"."""
    function(owner)
    allow(owner, "states", "lambda:InvokeFunction")
    mapped = _distributed(("Call", task("{% $states.input %}")))
    run = Run(owner, ("Map", mapped), given=[{}])
    error, cause = run.failure()
    assert error == "States.Permissions" and "states:StartExecution" in cause
    assert [e["type"] for e in run.events()][-4:] == ["MapRunStarted", "MapRunFailed", "MapStateFailed",
                                                      "ExecutionFailed"]
    allow(owner, "states", "lambda:InvokeFunction", "states:StartExecution", "states:DescribeExecution")
    assert len(Run(owner, ("Map", mapped), given=[{}]).output()) == 1
    # A batch invokes functions with the same role.
    allow(owner, "states", "states:StartExecution", "states:DescribeExecution")
    error, _ = Run(owner, ("Map", mapped), given=[{}]).failure()
    assert error == "States.ExceedToleratedFailureThreshold"
