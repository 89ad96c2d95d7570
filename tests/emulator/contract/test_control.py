"""The control API: AWS's own hand, and the observer's eye."""

import concurrent.futures
import json
import urllib.error

import pytest

from conftest import refused, until
from scenario import image, inbox
from workflow import Run, each

BACKUP = {"Source": "aws.backup", "DetailType": "Backup Job State Change",
          "Resources": ["arn:aws:ec2:us-east-1::image/ami-0aaaaaaaaaaaaaaa0"],
          "Detail": {"state": "COMPLETED", "resourceType": "EC2"}, "Time": "2026-01-02T03:04:05Z"}


def test_the_service_puts_its_own_events_and_users_cannot(aws):
    """API_PutEvents: NotAuthorizedForSourceException for a source that begins with aws."""
    events = inbox(aws, {"source": ["aws.backup"], "detail": {"state": ["COMPLETED"]}})
    answer = aws.events.put_events(Entries=[{
        "Source": "aws.backup", "DetailType": BACKUP["DetailType"], "Detail": json.dumps(BACKUP["Detail"])}])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert events() == []
    aws.control("POST", "events", [BACKUP])
    event = until(events)[0]
    assert (event["source"], event["account"], event["region"]) == ("aws.backup", aws.id, "us-east-1")
    assert event["time"] == "2026-01-02T03:04:05Z"
    assert event["resources"] == BACKUP["Resources"] and event["detail"] == BACKUP["Detail"]


def test_the_call_log(aws, server):
    """Every call of the account with its caller and outcome; reads and writes can be counted."""
    server.session(f"9{aws.id[1:]}").ssm.describe_parameters()
    aws.ssm.put_parameter(Name="/p", Value="v", Type="String")
    refused("ParameterNotFound", aws.ssm.get_parameter, Name="/nope")
    refused("ValidationError", aws.cfn.describe_stacks, StackName="nope")
    mine = aws.control("GET", "calls")["calls"]
    assert [(c["service"], c["action"], c["status"], c["error"]) for c in mine] == [
        ("ssm", "PutParameter", 200, ""), ("ssm", "GetParameter", 400, "ParameterNotFound"),
        ("cloudformation", "DescribeStacks", 400, "ValidationError")]
    assert {(c["caller"], c["account"], c["region"]) for c in mine} == {
        (f"arn:aws:iam::{aws.id}:root", aws.id, "us-east-1")}
    assert aws.control("GET", "calls", action="GetParameter", caller=aws.id)["calls"] == mine[1:2]
    aws.control("DELETE", "calls")
    assert aws.control("GET", "calls")["calls"] == []


def test_settings_are_of_one_account(aws, server):
    """What one test slows down is not slow for the others."""
    other = server.session(f"9{aws.id[1:]}")
    before = other.control("GET", "settings")
    assert aws.control("POST", "settings", {"image_pending": 1e6}) == {**before, "image_pending": 1e6}
    assert other.control("GET", "settings") == before
    assert server.control("GET", "settings", account=aws.id, region="eu-west-1") == before
    source = aws.ec2.register_image(Name="slow", Architecture="x86_64", RootDeviceName="/dev/xvda")["ImageId"]
    image(other)
    assert aws.ec2.describe_images(ImageIds=[source])["Images"][0]["State"] == "pending"
    assert aws.control("DELETE", "settings") == before


@pytest.mark.parametrize("body", [{"stak": 1}, {"stack": -1}, {"stack": "soon"}])
def test_unknown_settings_are_refused(aws, body):
    with pytest.raises(urllib.error.HTTPError) as caught:
        aws.control("POST", "settings", {"drift": 7, **body})
    assert caught.value.code == 400 and aws.control("GET", "settings")["drift"] != 7


def test_nonsense_is_refused(aws):
    """A typo in a test must not go unnoticed."""
    for path, body in (("images/ami-0aaaaaaaaaaaaaaa0", {"State": "failed"}), ("nope", {})):
        with pytest.raises(urllib.error.HTTPError) as caught:
            aws.control("POST", path, body)
        assert caught.value.code in (400, 404)


# --- executions ------------------------------------------------------------------------------------

def _reached(aws, arn, timeout=20, **what):
    return aws.control("GET", "executions", arn=arn, timeout=timeout, **what)


def _two_waits(aws):
    states = [(name, {"Type": "Wait", "Seconds": 2, "Next": after}) for name, after in (("A", "B"), ("B", "C"))]
    return Run(aws, *states, ("C", {"Type": "Pass", "End": True})).arn


def test_a_state_and_the_end_are_waited_for(aws):
    """The answer comes with the event, from threads of a Map too; what is over already is answered at once."""
    arn = _two_waits(aws)
    assert _reached(aws, arn, 0, entered="B") == {"status": "RUNNING", "done": False}
    assert _reached(aws, arn, entered="B") == {"status": "RUNNING", "done": True}
    assert _reached(aws, arn, 0, ended=1) == {"status": "RUNNING", "done": False}
    assert _reached(aws, arn, ended=1) == {"status": "SUCCEEDED", "done": True}
    for what, done in (({"ended": 1}, True), ({"entered": "B"}, True), ({"entered": "Never"}, False)):
        assert _reached(aws, arn, **what) == {"status": "SUCCEEDED", "done": done}


def test_a_state_that_is_never_entered_is_waited_for_until_the_end(aws):
    """Also a state within a Map, also an execution that is stopped."""
    inner = each(("Inner", {"Type": "Wait", "Seconds": 30, "Next": "Never"}), ("Never", {"Type": "Pass", "End": True}))
    arn = Run(aws, ("Each", inner), given=[1, 2]).arn
    assert _reached(aws, arn, entered="Inner") == {"status": "RUNNING", "done": True}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = pool.submit(_reached, aws, arn, entered="Never")
        aws.sfn.stop_execution(executionArn=arn)
        assert found.result() == {"status": "ABORTED", "done": False}


@pytest.mark.parametrize(("query", "status"), [
    ({"arn": "arn:aws:states:us-east-1:1:execution:m:e", "ended": 1}, 404), ({"arn": "a"}, 400),
    ({"arn": "a", "ended": 1, "entered": "A"}, 400), ({"arn": "a", "ended": 1, "timeout": "soon"}, 400)])
def test_a_question_that_makes_no_sense(aws, query, status):
    with pytest.raises(urllib.error.HTTPError) as caught:
        aws.control("GET", "executions", **query)
    assert caught.value.code == status
