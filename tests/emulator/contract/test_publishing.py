"""What a state machine tells others: `events:putEvents` and `sns:publish`."""

import json

from conftest import until
from scenario import inbox, queue
from workflow import Run, allow, role


def _put(**entry):
    return {"Type": "Task", "Resource": "arn:aws:states:::events:putEvents", "End": True,
            "Arguments": {"Entries": [{"Source": "test", "DetailType": "Told", "Detail": "{% $states.input %}",
                                       "Resources": ["arn:aws:ec2:us-east-1::image/ami-1"], **entry}]}}


def _publish(topic):
    return {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": True,
            "Arguments": {"TopicArn": topic, "Subject": "what", "Message": "{% $states.input.text %}"}}


def test_an_event_has_an_object_and_the_resources_of_its_execution(aws):
    """Developer guide, "Add EventBridge events with Step Functions"."""
    events = inbox(aws, {"source": ["test"]})
    role(aws, "states")
    allow(aws, "states", "events:PutEvents")
    run = Run(aws, ("Put", _put()), given={"a": [1]})
    assert run.output()["FailedEntryCount"] == 0
    event = until(events, what="the event")[0]
    assert (event["source"], event["detail-type"], event["detail"]) == ("test", "Told", {"a": [1]})
    machine = aws.sfn.describe_execution(executionArn=run.arn)["stateMachineArn"]
    assert event["resources"] == ["arn:aws:ec2:us-east-1::image/ami-1", run.arn, machine]
    scheduled = run.events()[2]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"]) == ("events", "putEvents")


def test_a_refused_entry_fails_the_task(aws):
    """The same: a FailedEntryCount that is not zero is EventBridge.FailedEntry."""
    role(aws, "states")
    allow(aws, "states", "events:PutEvents")
    assert Run(aws, ("Put", _put(Source="aws.ec2")), given={}).failure()[0] == "EventBridge.FailedEntry"


def test_a_message_reaches_the_topic(aws):
    """Developer guide, "Publish messages to an Amazon SNS topic"."""
    url, arn = queue(aws, "mails", {"Principal": {"Service": "sns.amazonaws.com"}})
    topic = aws.sns.create_topic(Name="mails")["TopicArn"]
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    role(aws, "states")
    allow(aws, "states", "sns:Publish")
    assert Run(aws, ("Tell", _publish(topic)), given={"text": "a\nb"}).output()["MessageId"]
    found = until(lambda: aws.sqs.receive_message(QueueUrl=url).get("Messages"), what="the message")
    message = json.loads(found[0]["Body"])
    assert (message["Subject"], message["Message"]) == ("what", "a\nb")
    assert Run(aws, ("Tell", _publish(f"{topic}-none")), given={"text": "a"}).failure()[0].startswith("SNS.")


def test_the_role_must_be_allowed(aws):
    """Developer guide, "IAM policies for calling EventBridge" and "IAM policies for calling Amazon SNS"."""
    topic = aws.sns.create_topic(Name="mails")["TopicArn"]
    role(aws, "states")
    for state, action in ((_put(), "events:PutEvents"), (_publish(topic), "sns:Publish")):
        _, cause = Run(aws, ("Tell", state), given={"text": "a"}).failure()
        assert action in cause and "is not authorized" in cause


def test_an_express_execution_has_no_event(aws):
    """Developer guide, "Automating Step Functions event delivery with EventBridge": standard workflows only."""
    changes = inbox(aws, {"source": ["aws.states"]})
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    for kind in ("EXPRESS", "STANDARD"):
        machine = aws.sfn.create_state_machine(
            name=kind, roleArn=role(aws, "states"), type=kind, definition=definition)["stateMachineArn"]
        aws.sfn.start_execution(stateMachineArn=machine)
    assert until(changes, what="a change")[0]["detail"]["stateMachineArn"].endswith("STANDARD")
