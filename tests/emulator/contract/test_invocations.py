"""How an invocation of a function fails, and what a state machine makes of it."""

import json
import re

import pytest

from workflow import Run, calls, each, function, task

REPEATED = calls("ssm", "put_parameter", Name="/runs", Value="v", Type="String", Overwrite=True)
PAYLOAD = "{% $states.result.Payload %}"


@pytest.fixture
def owner(aws):
    function(aws, allowed=["ssm:PutParameter"])
    return aws


@pytest.fixture
def faults(owner):
    yield lambda **fault: owner.control("POST", "faults", [{"service": "lambda", "action": "Invoke", **fault}])
    owner.control("DELETE", "faults")


def _runs(owner):
    """How often the function has done its work."""
    found = owner.ssm.get_parameters(Names=["/runs"])["Parameters"]
    return found[0]["Version"] if found else 0


def _errors(run):
    return [e["taskFailedEventDetails"]["error"] for e in run.events() if e["type"] == "TaskFailed"]


# --- Lambda ----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("fault", "error", "runs"), [
    ({"kind": "throttle"}, "Lambda.TooManyRequestsException", 1),
    ({"kind": "5xx"}, "Lambda.ServiceException", 1),
    ({"kind": "error", "code": "AWSLambdaException"}, "Lambda.AWSLambdaException", 1),
    ({"kind": "cut-after"}, "Lambda.SdkClientException", 2)])
def test_lambda_itself_fails(owner, faults, hundred_times_faster, fault, error, runs):
    """ "Handle transient Lambda service exceptions": each has a name for Retry; an answer may be lost."""
    faults(**fault)
    retry = [{"ErrorEquals": [error], "IntervalSeconds": 1, "MaxAttempts": 1}]
    run = Run(owner, ("Call", task(REPEATED, Retry=retry, Output=PAYLOAD)))
    assert run.output()["answer"]["Version"] == runs
    assert _errors(run) == [error]


def test_lambda_itself_fails_an_invocation(owner, faults):
    """API_Invoke: TooManyRequestsException is a 429, ServiceException a 500."""
    for kind, code, status in (("throttle", "TooManyRequestsException", 429), ("5xx", "ServiceException", 500)):
        faults(kind=kind, function="step")
        with pytest.raises(owner.lambda_.exceptions.ClientError) as caught:
            owner.lambda_.invoke(FunctionName="step", Payload=b"{}")
        answer = caught.value.response
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_a_function_without_capacity(owner):
    """PutFunctionConcurrency: 0 reserved executions throttle every invocation."""
    owner.lambda_.put_function_concurrency(FunctionName="step", ReservedConcurrentExecutions=0)
    assert Run(owner, ("Call", task({}))).failure()[0] == "Lambda.TooManyRequestsException"


# --- the function ----------------------------------------------------------------------------------

def test_a_function_runs_out_of_time(aws):
    """Lambda, "Troubleshooting invocation": Sandbox.Timedout is the payload's errorType, and so the error."""
    function(aws, timeout=1)
    error, cause = Run(aws, ("Call", task({"sleep": 3}))).failure()
    assert error == "Sandbox.Timedout" and "Task timed out after 1.00 seconds" in json.loads(cause)["errorMessage"]


@pytest.mark.parametrize(("fault", "error", "cause"), [
    ({"kind": "function-error", "errorType": "Bad", "errorMessage": "why"}, "Bad",
     r'{"errorType": ?"Bad", "errorMessage": ?"why"}'),
    ({"kind": "function-error", "errorMessage": "why"}, "Lambda.Unknown",
     ("The cause could not be determined because Lambda did not return an error type. "
      r'Returned payload: {"errorMessage": ?"why"}')),
    ({"kind": "timeout"}, "Sandbox.Timedout",
     r".*RequestId: [0-9a-f-]{36} Error: Task timed out after 60.00 seconds.*"),
    ({"kind": "out-of-memory"}, "Runtime.ExitError",
     ".*RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: killed.*")])
def test_what_happens_in_a_functions_place(owner, faults, fault, error, cause):
    """Texts on record (awslabs/amazon-s3-find-and-forget#283); the function has done nothing."""
    faults(**fault)
    found = Run(owner, ("Call", task(REPEATED))).failure()
    assert found[0] == error and re.fullmatch(cause, found[1]), found
    assert _runs(owner) == 0


@pytest.mark.parametrize("kind", ["timeout", "out-of-memory"])
def test_a_function_may_have_done_its_work_before_it_was_killed(owner, faults, kind):
    """`runs`: nobody undoes what a killed function did."""
    faults(kind=kind, runs=True)
    Run(owner, ("Call", task(REPEATED))).failure()
    assert _runs(owner) == 1


def test_a_function_is_run_twice(owner, faults):
    """Lambda, "Retries": a function has to expect the same event again; here the second answer counts."""
    faults(kind="twice")
    run = Run(owner, ("Call", task(REPEATED, Output=PAYLOAD)))
    assert run.output()["answer"]["Version"] == 2 and _errors(run) == []
    assert Run(owner, ("Call", task(REPEATED, Output=PAYLOAD))).output()["answer"]["Version"] == 3


def test_a_client_sees_a_functions_failure(owner, faults):
    """API_Invoke: 200 with FunctionError, the error as the payload."""
    faults(kind="function-error", errorType="Bad", errorMessage="why")
    answer = owner.lambda_.invoke(FunctionName="step", Payload=b"{}")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read()) == {"errorType": "Bad", "errorMessage": "why"}
    assert json.loads(owner.lambda_.invoke(FunctionName="step", Payload=b"{}")["Payload"].read()) == {}


# --- which of them ---------------------------------------------------------------------------------

def test_one_iteration_of_one_function_is_struck(owner, faults):
    """`match` is sought in the payload, `function` in the name, `caller` in the state machine's role."""
    function(owner, "other")
    bad = {"kind": "function-error", "errorType": "Bad", "count": 9}
    faults(**bad, match="ami-2", function="step", caller="assumed-role/states/")
    faults(**bad, caller="assumed-role/lambda/")
    catch = [{"ErrorEquals": ["Bad"], "Output": "struck", "Next": "Last"}]
    first = task("{% $states.input %}", "other", Output="{% $states.input %}", Next="Second")
    second = task("{% $states.input %}", Output=PAYLOAD, Catch=catch, Next="Last")
    images = [{"image": f"ami-{n}"} for n in (1, 2, 3)]
    run = Run(owner, ("Each", each(("First", first), ("Second", second), ("Last", {"Type": "Pass", "End": True}))),
              given=images)
    assert run.output() == [images[0], "struck", images[2]]
