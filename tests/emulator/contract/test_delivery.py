"""What becomes of an event that cannot be delivered to a state machine or a queue."""

import datetime
import json

import pytest

from conftest import until
from scenario import queue

EVENT = [{"Source": "aws.backup", "DetailType": "Backup Job State Change", "Detail": {"state": "COMPLETED"}}]
MACHINE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
SENDER = {"Principal": {"Service": "events.amazonaws.com"}}


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
    url, dead_arn = queue(aws, "dead", SENDER)
    rule = aws.events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.backup"]}))["RuleArn"]
    may = role("rule", "events.amazonaws.com",
               {"Effect": "Allow", "Action": "states:StartExecution", "Resource": machine})

    def aim(arn=machine, role_arn=may):
        aws.events.put_targets(Rule="r", Targets=[{
            "Id": "t", "Arn": arn, **({"RoleArn": role_arn} if role_arn else {}), "DeadLetterConfig": {"Arn": dead_arn},
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


def test_it_arrives_twice_when_the_answer_was_lost(aws, wired):
    """ "at least once": a delivery that was not acknowledged is made again."""
    aws.control("POST", "faults", [{"service": "states", "action": "StartExecution", "kind": "cut-after"}])
    wired["aim"]()
    until(lambda: len(_runs(aws, wired)) == 2, what="two executions")
    assert not wired["dead"]()


def test_one_delivery_is_struck_and_another_is_late(aws, wired):
    """The event is what `match` is sought in, the rule's role is the caller."""
    start = {"service": "states", "action": "StartExecution", "caller": "assumed-role/rule/"}
    aws.control("POST", "faults", [{**start, "kind": "5xx", "match": "COMPLETED", "count": 99},
                                   {**start, "kind": "latency", "latencyMs": 300, "match": "LATE"}])
    wired["aim"]()
    put = datetime.datetime.now(datetime.timezone.utc)
    aws.control("POST", "events", [{**EVENT[0], "Detail": {"state": "LATE"}}])
    run, = until(lambda: _runs(aws, wired), what="one execution")
    # Both clocks tell milliseconds.
    assert run["startDate"] - put >= datetime.timedelta(milliseconds=299)
    assert _attributes(until(wired["dead"])[0])["ERROR_CODE"] == "ERROR_FROM_TARGET"


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


def _policy(**statement):
    return {**SENDER, **statement}


@pytest.mark.parametrize("condition", [None, "ArnEquals", "ArnLike"])
def test_a_queue_takes_what_its_policy_lets_the_rule_send(aws, wired, condition):
    """ "Amazon SQS permissions": the service as principal, the rule as aws:SourceArn."""
    of_rule = {"Condition": {condition: {"aws:SourceArn": wired["rule"]}}} if condition else {}
    url, arn = queue(aws, "inbox", _policy(**of_rule))
    wired["aim"](arn, None)
    message = until(lambda: aws.sqs.receive_message(QueueUrl=url).get("Messages"))[0]
    assert json.loads(message["Body"])["detail"] == {"state": "COMPLETED"}


@pytest.mark.parametrize("statement", [
    {"Principal": {"Service": "sns.amazonaws.com"}}, {"Effect": "Deny"}, {"Action": "sqs:ReceiveMessage"},
    {"Resource": "arn:aws:sqs:us-east-1:111111111111:other"},
    {"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:111111111111:rule/other"}}}])
def test_a_queue_that_may_not_be_sent_to(aws, wired, statement):
    """Nothing arrives; the rule's own dead-letter queue has the event and why."""
    url, arn = queue(aws, "inbox", _policy(**statement))
    wired["aim"](arn, None)
    found = _attributes(until(wired["dead"])[0])
    assert (found["ERROR_CODE"], found["TARGET_ARN"], found["RETRY_ATTEMPTS"]) == ("NO_PERMISSIONS", arn, "0")
    assert "Messages" not in aws.sqs.receive_message(QueueUrl=url)


def test_a_dead_letter_queue_needs_a_policy_too(aws, wired):
    """ "Granting permissions to the dead-letter queue": else the event is lost."""
    for of_rule, is_there in (("arn:aws:events:us-east-1:111111111111:rule/other", False), (wired["rule"], True)):
        queue(aws, "dead", _policy(Condition={"ArnEquals": {"aws:SourceArn": of_rule}}))
        wired["aim"](f"arn:aws:sqs:us-east-1:{aws.id}:missing", None)
        assert bool(wired["dead"]()) is is_there
