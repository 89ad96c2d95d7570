"""What becomes of an event that cannot be delivered to a state machine."""

import json

import pytest
from conftest import until

EVENT = [{"Source": "aws.backup", "DetailType": "Backup Job State Change", "Detail": {"state": "COMPLETED"}}]
MACHINE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


@pytest.fixture
def wired(aws):
    """A machine, a rule, a role that may start it, and a dead-letter queue."""
    def role(name, service, *statements):
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service},
                                                    "Action": "sts:AssumeRole"}]}))
        aws.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": list(statements)}))
        return f"arn:aws:iam::{aws.id}:role/{name}"
    machine = aws.sfn.create_state_machine(
        name="m", definition=json.dumps(MACHINE),
        roleArn=role("machine", "states.amazonaws.com", {"Effect": "Allow", "Action": "x:y", "Resource": "*"}),
    )["stateMachineArn"]
    url = aws.sqs.create_queue(QueueName="dead")["QueueUrl"]
    queue = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": queue}]})})
    rule = aws.events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.backup"]}))["RuleArn"]
    may = role("rule", "events.amazonaws.com",
               {"Effect": "Allow", "Action": "states:StartExecution", "Resource": machine})

    def aim(arn=machine, role_arn=may):
        aws.events.put_targets(Rule="r", Targets=[{
            "Id": "t", "Arn": arn, "RoleArn": role_arn, "DeadLetterConfig": {"Arn": queue},
            "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}}])
        aws.control("POST", "events", EVENT)

    def dead():
        return aws.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
    yield {"aim": aim, "dead": dead, "machine": machine, "rule": rule, "role": role}
    aws.control("DELETE", "faults")


def _attributes(message):
    return {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}


def _runs(aws, wired):
    return aws.sfn.list_executions(stateMachineArn=wired["machine"])["executions"]


def test_it_is_retried(aws, wired):
    """EventBridge user guide, "How EventBridge retries delivering events"."""
    aws.control("POST", "faults", [{"service": "states", "action": "StartExecution", "kind": "throttle", "count": 2}])
    wired["aim"]()
    until(lambda: len(_runs(aws, wired)) == 1, what="one execution")
    assert not wired["dead"]()


def test_it_is_a_dead_letter_after_the_retries(aws, wired):
    """"Using dead-letter queues to process undelivered events": the event, and why, as attributes."""
    aws.control("POST", "faults", [{"service": "states", "action": "StartExecution", "kind": "throttle", "count": 99}])
    wired["aim"]()
    message = until(wired["dead"], what="a dead letter")[0]
    assert json.loads(message["Body"])["detail"] == {"state": "COMPLETED"}
    assert _attributes(message) == {
        "RULE_ARN": wired["rule"], "TARGET_ARN": wired["machine"], "ERROR_CODE": "RATE_EXCEEDED",
        "ERROR_MESSAGE": "Rate exceeded", "RETRY_ATTEMPTS": "2",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"}
    assert _runs(aws, wired) == []


def test_a_missing_machine_is_not_retried(aws, wired):
    """A target that does not exist goes to the queue without retries."""
    wired["role"]("any", "events.amazonaws.com", {"Effect": "Allow", "Action": "states:*", "Resource": "*"})
    wired["aim"](wired["machine"] + "x", f"arn:aws:iam::{aws.id}:role/any")
    found = _attributes(until(wired["dead"])[0])
    assert (found["ERROR_CODE"], found["RETRY_ATTEMPTS"]) == ("NO_RESOURCE", "0")


def test_a_role_that_may_not_start_it(aws, wired):
    """The rule's role is what starts the machine."""
    wired["aim"](role_arn=wired["role"]("none", "events.amazonaws.com",
                                        {"Effect": "Allow", "Action": "x:y", "Resource": "*"}))
    assert _attributes(until(wired["dead"])[0])["ERROR_CODE"] == "NO_PERMISSIONS"
