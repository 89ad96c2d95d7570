"""What the API of Step Functions refuses: lengths as in botocore's model of the service."""

import json

import pytest
from botocore.exceptions import ClientError

from workflow import role

TOO_LONG = ("1 validation error detected: {} failed to satisfy constraint: Member must have length less than or "
            "equal to {}")
DEFINITION = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}


@pytest.fixture(scope="module")
def owner(server):
    return server.session("333344446666")


@pytest.fixture(scope="module")
def machine(owner):
    made = owner.sfn.create_state_machine(
        name="limits", roleArn=role(owner, "states"), definition=json.dumps(DEFINITION))
    return made["stateMachineArn"]


def _refusal(call, **arguments):
    """The error's code and message. botocore itself checks shortest lengths only."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_executions_name_is_too_long(owner, machine):
    """wolfeidau/buildkite-serverless-agent#37."""
    name = "n" * 81
    assert _refusal(owner.sfn.start_execution, stateMachineArn=machine, name=name) == (
        "ValidationException", TOO_LONG.format(f"Value '{name}' at 'name'", 80))
    assert owner.sfn.start_execution(stateMachineArn=machine, name="n" * 80)


@pytest.mark.parametrize("name", ["a b", "a/b", "a:b", "a,b", "a&b", "a<b", "a*", "a\x07"])
def test_a_name_has_other_characters(owner, machine, name):
    """Quotas, "General quotas"."""
    assert _refusal(owner.sfn.start_execution, stateMachineArn=machine, name=name) == (
        "InvalidName", f"Invalid Name: '{name}'")


def test_an_input_is_too_long(owner, machine):
    """API_StartExecution, input: 262,144. A value that the model calls sensitive is not repeated."""
    text = json.dumps("x" * 262_143)
    assert _refusal(owner.sfn.start_execution, stateMachineArn=machine, input=text) == (
        "ValidationException", TOO_LONG.format("Value at 'input'", 262_144))
    assert owner.sfn.start_execution(stateMachineArn=machine, input=json.dumps("x" * 262_142))


@pytest.mark.parametrize(("field", "longest"), [("error", 256), ("cause", 32_768)])
def test_what_stops_an_execution_is_too_long(owner, machine, field, longest):
    """irothschild/stefuna#8 has the text, of SendTaskFailure."""
    arn = owner.sfn.start_execution(stateMachineArn=machine)["executionArn"]
    assert _refusal(owner.sfn.stop_execution, executionArn=arn, **{field: "x" * (longest + 1)}) == (
        "ValidationException", TOO_LONG.format(f"Value at '{field}'", longest))


def test_a_definition_is_too_long(owner, machine):
    """API_CreateStateMachine, definition: 1,048,576."""
    long = json.dumps({**DEFINITION, "Comment": "x" * 1_048_576})
    for call, given in ((owner.sfn.create_state_machine, {"name": "long", "roleArn": role(owner, "states")}),
                        (owner.sfn.update_state_machine, {"stateMachineArn": machine})):
        code, message = _refusal(call, definition=long, **given)
        assert code == "ValidationException" and message.endswith("less than or equal to 1048576")
