"""The history of an execution: linked events, also inside a Map, and no output of a failed one."""

import json

from conftest import until

TRUST = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}}]}
CALL = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "nobody", "Payload": {}},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]}
EACH = {"Type": "Map", "Items": "{% $states.input.items %}", "ItemProcessor": {
    "ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "First",
    "States": {"First": {"Type": "Pass", "Next": "Call"},
               "Call": {**CALL, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}], "Next": "Last"},
               "Last": {"Type": "Pass", "End": True}}}, "Next": "Fails"}


FAILS = {"StartAt": "Each", "States": {
    "Each": EACH, "Fails": {"Type": "Fail", "Error": "AsAsked", "Cause": "why"}}}
SUCCEEDS = {"StartAt": "Succeeds", "States": {
    "Succeeds": {"Type": "Succeed", "Output": {"first": "{% $states.input.items[0] %}"}}}}


def _run(aws, machine):
    definition = {"QueryLanguage": "JSONata", **machine}
    role = aws.iam.create_role(RoleName="machine", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    machine = aws.sfn.create_state_machine(name="m", definition=json.dumps(definition), roleArn=role)
    arn = aws.sfn.start_execution(stateMachineArn=machine["stateMachineArn"],
                                  input=json.dumps({"items": [1, 2, 3]}))["executionArn"]

    def ended():
        found = aws.sfn.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else None
    return until(ended), aws.sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]


def test_events_are_numbered_in_order_and_linked_within_their_branch(aws):
    """API_HistoryEvent: id, previousEventId; API_MapIterationEventDetails."""
    _, events = _run(aws, FAILS)
    assert [e["id"] for e in events] == list(range(1, len(events) + 1))
    by_id = {e["id"]: e for e in events}

    def branch(event):
        # MapStateExited names the last iteration's latest event, and is outside of it.
        while event and not event["type"].startswith(("MapIterationStarted", "MapState")):
            event = by_id.get(event.get("previousEventId"))
        return event["mapIterationStartedEventDetails"]["index"] if event and "Iteration" in event["type"] else None
    for index in range(3):
        of_this = [e for e in events if branch(e) == index]
        entered = [e["stateEnteredEventDetails"]["name"] for e in of_this if e["type"].endswith("StateEntered")]
        assert entered == ["First", "Call", "Last"]
        assert sum(e["type"] == "TaskFailed" for e in of_this) == 2, "one retry"
        assert of_this[-1]["type"] == "MapIterationSucceeded"
    outside = [e["stateEnteredEventDetails"]["name"] for e in events
               if e["type"].endswith("StateEntered") and branch(e) is None]
    assert outside == ["Each", "Fails"]


def test_a_failed_execution_has_an_error_and_a_cause_and_no_output(aws):
    """API_DescribeExecution: output "is set only if the execution succeeds"."""
    ended, _ = _run(aws, FAILS)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "AsAsked", "why")
    assert "output" not in ended


def test_a_succeed_state_has_an_output_of_its_own(aws):
    """Step Functions developer guide, "Succeed workflow state": Output (JSONata)."""
    ended, _ = _run(aws, SUCCEEDS)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"first": 1})
