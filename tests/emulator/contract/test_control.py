"""The control API: AWS's own hand, and the observer's eye."""

import json
import urllib.error

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError
from conftest import refused, until

BACKUP = {"Source": "aws.backup", "DetailType": "Backup Job State Change",
          "Resources": ["arn:aws:ec2:us-east-1::image/ami-0aaaaaaaaaaaaaaa0"],
          "Detail": {"state": "COMPLETED", "resourceType": "EC2"}, "Time": "2026-01-02T03:04:05Z"}


@pytest.fixture
def inbox(aws):
    """A queue that a rule for AWS Backup's events feeds."""
    url = aws.sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage",
                                                "Resource": arn}]})})
    aws.events.put_rule(Name="backup", EventPattern=json.dumps({
        "source": ["aws.backup"], "detail": {"state": ["COMPLETED"]}}))
    aws.events.put_targets(Rule="backup", Targets=[{"Id": "q", "Arn": arn}])
    return url


def _received(aws, url):
    return [json.loads(m["Body"]) for m in aws.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]


def test_the_service_puts_its_own_events_and_users_cannot(aws, inbox):
    """API_PutEvents: NotAuthorizedForSourceException for a source that begins with aws."""
    answer = aws.events.put_events(Entries=[{
        "Source": "aws.backup", "DetailType": BACKUP["DetailType"], "Detail": json.dumps(BACKUP["Detail"])}])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert _received(aws, inbox) == []
    aws.control("POST", "events", [BACKUP])
    event = until(lambda: _received(aws, inbox))[0]
    assert (event["source"], event["account"], event["region"]) == ("aws.backup", aws.id, "us-east-1")
    assert event["time"] == "2026-01-02T03:04:05Z"
    assert event["resources"] == BACKUP["Resources"] and event["detail"] == BACKUP["Detail"]


def test_the_call_log(aws):
    """Every call with its caller and outcome; reads and writes can be counted."""
    aws.ssm.put_parameter(Name="/p", Value="v", Type="String")
    refused("ParameterNotFound", aws.ssm.get_parameter, Name="/nope")
    refused("ValidationError", aws.cfn.describe_stacks, StackName="nope")
    mine = [c for c in aws.control("GET", "calls")["calls"] if c["account"] == aws.id]
    assert [(c["service"], c["action"], c["status"], c["error"]) for c in mine] == [
        ("ssm", "PutParameter", 200, ""), ("ssm", "GetParameter", 400, "ParameterNotFound"),
        ("cloudformation", "DescribeStacks", 400, "ValidationError")]
    assert {c["caller"] for c in mine} == {f"arn:aws:iam::{aws.id}:root"}
    aws.control("DELETE", "calls")
    assert aws.control("GET", "calls")["calls"] == []


@pytest.fixture
def faults(aws):
    yield lambda *wanted: aws.control("POST", "faults", list(wanted))
    aws.control("DELETE", "faults")


def test_throttling_speaks_each_services_language(aws, faults):
    """RequestLimitExceeded (EC2, 503), Throttling (query services), ThrottlingException (SSM)."""
    faults({"service": "ec2", "action": "DescribeImages", "kind": "throttle"},
           {"service": "cloudformation", "action": "DescribeStacks", "kind": "throttle"},
           {"service": "ssm", "action": "GetParameter", "kind": "throttle", "after": 1})
    with pytest.raises(ClientError) as caught:
        aws.ec2.describe_images()
    assert caught.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert aws.ec2.describe_images(), "only the first call"
    assert refused("Throttling", aws.cfn.describe_stacks) == "Rate exceeded"
    refused("ParameterNotFound", aws.ssm.get_parameter, Name="/nope")
    assert refused("ThrottlingException", aws.ssm.get_parameter, Name="/nope") == "Rate exceeded"


def test_an_answer_can_get_lost_after_the_effect(aws, faults):
    """What an SDK cannot know: whether a write that was not answered happened."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "cut-after"})
    with pytest.raises((HTTPClientError, ConnectionClosedError)):
        aws.ssm.put_parameter(Name="/p", Value="v", Type="String")
    assert aws.ssm.get_parameter(Name="/p")["Parameter"]["Value"] == "v"


def test_a_server_error(aws, faults):
    """A 500 without effect."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "5xx"})
    refused("InternalServerError", aws.ssm.put_parameter, Name="/p", Value="v", Type="String")
    refused("ParameterNotFound", aws.ssm.get_parameter, Name="/p")


def test_any_error_by_name(aws, faults):
    """For the ones that are hard to bring about, e.g. TooManyUpdates (API_PutParameter)."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "error", "code": "TooManyUpdates",
            "message": "There are concurrent updates"})
    assert refused("TooManyUpdates", aws.ssm.put_parameter, Name="/p", Value="v", Type="String") == \
        "There are concurrent updates"


def test_nonsense_is_refused(aws):
    """A typo in a test's fault must not go unnoticed."""
    for path, body in (("faults", [{"service": "ssm", "action": "x", "kind": "thorttle"}]),
                       ("images/ami-0aaaaaaaaaaaaaaa0", {"State": "failed"}), ("nope", {})):
        with pytest.raises(urllib.error.HTTPError) as caught:
            aws.control("POST", path, body)
        assert caught.value.code in (400, 404)
