"""What EventBridge tells of executions, and what the queue of the failed ones is good for."""

import json

import pytest

from conftest import REGION, until
from scenario import create, inbox, queue
from workflow import Run

DONE = {"Type": "Pass", "End": True}
CHANGES = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]}


def _told(aws, *states, status, given=None, **machine):
    """The event of that status of an execution of these states."""
    events = inbox(aws, {**CHANGES, "detail": {"status": [status]}})
    run = Run(aws, *states, given=given, **machine)
    event = until(events, what=f"an event of {status}")[0]
    assert event["resources"] == [run.arn] and (event["source"], event["region"]) == ("aws.states", REGION)
    return run, event["detail"]


def test_an_execution_succeeds(aws):
    """ "Automating Step Functions event delivery": the detail has all members; what is not there is null."""
    run, detail = _told(aws, ("Done", DONE), status="SUCCEEDED", given={"a": 1})
    found = aws.sfn.describe_execution(executionArn=run.arn)
    assert detail == {
        "executionArn": run.arn, "stateMachineArn": found["stateMachineArn"], "name": found["name"],
        "status": "SUCCEEDED", "startDate": round(found["startDate"].timestamp() * 1000),
        "stopDate": round(found["stopDate"].timestamp() * 1000), "input": '{"a": 1}',
        "inputDetails": {"included": True}, "output": '{"a":1}', "outputDetails": {"included": True},
        "stateMachineVersionArn": None, "stateMachineAliasArn": None, "redriveCount": 0, "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
        "error": None, "cause": None}


def test_an_execution_starts(aws):
    """RUNNING, without an end."""
    _, detail = _told(aws, ("Done", DONE), status="RUNNING")
    assert (detail["stopDate"], detail["output"], detail["outputDetails"]) == (None, None, None)
    assert detail["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"


def test_an_execution_fails(aws):
    """Error and cause, and the input to run it again with."""
    fail = ("Fails", {"Type": "Fail", "Error": "Bad", "Cause": "why"})
    _, detail = _told(aws, fail, status="FAILED", given={"a": 1})
    assert (detail["error"], detail["cause"], detail["input"]) == ("Bad", "why", '{"a": 1}')
    assert (detail["redriveStatus"], detail["redriveStatusReason"], detail["output"]) == ("REDRIVABLE", None, None)


def test_an_execution_runs_out_of_time(aws):
    """TIMED_OUT has no error and no cause; only the history names States.Timeout (floci-io/floci#2733)."""
    wait = ("Wait", {"Type": "Wait", "Seconds": 30, "End": True})
    run, detail = _told(aws, wait, status="TIMED_OUT", TimeoutSeconds=1)
    assert (detail["error"], detail["cause"], detail["redriveStatus"]) == (None, None, "REDRIVABLE")
    assert not {"error", "cause", "output"} & run.ended().keys()
    last = run.events()[-1]
    assert (last["type"], last["previousEventId"]) == ("ExecutionTimedOut", 0)
    assert last["executionTimedOutEventDetails"] == {"error": "States.Timeout"}


@pytest.mark.parametrize(("size", "is_input_there", "is_output_there"), [(100_000, True, True), (200_000, False, True)])
def test_large_data_is_left_out(aws, size, is_input_there, is_output_there):
    """Above 248 KiB of both, the input is left out."""
    _, detail = _told(aws, ("Done", DONE), status="SUCCEEDED", given="x" * size)
    assert (detail["inputDetails"], detail["outputDetails"]) == (
        {"included": is_input_there}, {"included": is_output_there})
    assert (detail["input"] is not None, detail["output"] is not None) == (is_input_there, is_output_there)


def _stack(machine, topic=""):
    """A rule for one machine's failures, its queue, and the queue's alarm, which may have an action."""
    of_machine = {**CHANGES, "detail": {"stateMachineArn": [machine], "status": ["FAILED", "TIMED_OUT", "ABORTED"]}}
    return json.dumps({
        "Parameters": {"Topic": {"Type": "String", "Default": topic}},
        "Conditions": {"HasTopic": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Topic"}, ""]}]}},
        "Resources": {
        "Failed": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 1209600,
                                                             "SqsManagedSseEnabled": True}},
        "Rule": {"Type": "AWS::Events::Rule", "Properties": {
            "EventPattern": of_machine, "Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": ["Failed", "Arn"]}}]}},
        "Policy": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Failed"}], "PolicyDocument": {
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": {"Fn::GetAtt": ["Failed", "Arn"]},
                "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}}}]}}},
        "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {
            "Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Statistic": "Maximum",
            "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Failed", "QueueName"]}}],
            "Period": 60, "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0,
            "TreatMissingData": "notBreaching",
            "AlarmActions": {"Fn::If": ["HasTopic", [{"Ref": "Topic"}], {"Ref": "AWS::NoValue"}]}}}},
        "Outputs": {"Url": {"Value": {"Ref": "Failed"}}, "Name": {"Value": {"Fn::GetAtt": ["Failed", "QueueName"]}},
                    "Alarm": {"Value": {"Ref": "Alarm"}}}})


def test_failures_are_collected_in_a_queue_and_run_again_from_there(aws):
    """The whole way: rule and queue policy by CloudFormation; receive, start again, delete; the queue is empty."""
    fail = ("Fails", {"Type": "Fail", "Error": "Bad"})
    first = Run(aws, fail, given={"n": 0})
    machine = aws.sfn.describe_execution(executionArn=first.arn)["stateMachineArn"]
    out = create(aws, _stack(machine), stack="failures")
    url = out["Url"]
    run = aws.sfn.start_execution(stateMachineArn=machine, input='{"n": 1}')["executionArn"]
    until(lambda: _waiting(aws, url) == (1, 0), what="one message")
    message = aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)["Messages"][0]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["executionArn"], detail["status"], json.loads(detail["input"])) == (run, "FAILED", {"n": 1})
    assert _waiting(aws, url) == (0, 1) and "Messages" not in aws.sqs.receive_message(QueueUrl=url)
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert _waiting(aws, url) == (0, 0)


@pytest.mark.parametrize("topic", ["", "arn:aws:sns:us-east-1:123456789012:failures"])
def test_an_alarm_is_as_declared(aws, topic):
    """AWS::CloudWatch::Alarm: what the template says, with the queue's real name; AWS::NoValue is no action."""
    machine = aws.sfn.describe_execution(executionArn=Run(aws, ("Done", DONE)).arn)["stateMachineArn"]
    out = create(aws, _stack(machine, topic), stack="failures")
    alarm = aws.cloudwatch.describe_alarms(AlarmNames=[out["Alarm"]])["MetricAlarms"][0]
    assert out["Url"].endswith("/" + out["Name"])
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": out["Name"]}]
    assert {name: alarm[name] for name in ("Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods",
                                           "ComparisonOperator", "Threshold", "TreatMissingData", "AlarmActions")} == {
        "Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Statistic": "Maximum",
        "Period": 60, "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0.0,
        "TreatMissingData": "notBreaching", "AlarmActions": [topic] if topic else []}


def test_every_way_to_fail_is_told_once(aws):
    """FAILED, TIMED_OUT and ABORTED go to the queue with the execution's input, one message each; success does not."""
    ways = {"Type": "Choice", "Default": "Done", "Choices": [
        {"Condition": "{% $states.input.way = 'FAILED' %}", "Next": "Fails"},
        {"Condition": "{% $states.input.way in ['TIMED_OUT', 'ABORTED'] %}", "Next": "Wait"}]}
    wait = {"Type": "Wait", "Seconds": 30, "Next": "Done"}
    first = Run(aws, ("Ways", ways), ("Fails", {"Type": "Fail", "Error": "Bad"}), ("Wait", wait), ("Done", DONE),
                given={})
    machine = aws.sfn.describe_execution(executionArn=first.arn)["stateMachineArn"]
    url = create(aws, _stack(machine), stack="failures")["Url"]


    def start(way):
        return aws.sfn.start_execution(stateMachineArn=machine, input=json.dumps({"way": way}))["executionArn"]
    runs = {way: start(way) for way in ("FAILED", "ABORTED", "SUCCEEDED")}
    for _ in range(2):
        aws.sfn.stop_execution(executionArn=runs["ABORTED"])
    # From here on time runs out, for those that start now.
    definition = json.loads(aws.sfn.describe_state_machine(stateMachineArn=machine)["definition"])
    aws.sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps({**definition, "TimeoutSeconds": 1}))
    runs["TIMED_OUT"] = start("TIMED_OUT")
    for arn in runs.values():
        aws.control("GET", "executions", arn=arn, ended=1, timeout=20)
    until(lambda: _waiting(aws, url) == (3, 0), what="three messages")
    bodies = [json.loads(m["Body"])["detail"] for m in aws.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    assert sorted((d["status"], d["executionArn"], json.loads(d["input"])["way"]) for d in bodies) == [
        (way, runs[way], way) for way in ("ABORTED", "FAILED", "TIMED_OUT")]
    assert _waiting(aws, url) == (0, 3)


def _waiting(aws, url):
    """(visible, in flight)."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(found[name]) for name in names)


def test_a_message_that_is_not_deleted_comes_again(aws):
    """SQS, "Visibility timeout"."""
    url, _ = queue(aws, "work", {"Principal": "*"})
    aws.sqs.send_message(QueueUrl=url, MessageBody="again")
    for times in ("1", "2"):
        message = aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0,
                                          MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"][0]
        assert message["Attributes"]["ApproximateReceiveCount"] == times
