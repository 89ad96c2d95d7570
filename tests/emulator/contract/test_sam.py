"""A SAM template with every construct a product may use deploys, and behaves.

What is deployed is what `aws cloudformation package` writes: CodeUri and DefinitionUri
uploaded to a bucket, the transform left to the (local) service.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import REGION, until
from scenario import keyed, reasons, settled

HERE = pathlib.Path(__file__).resolve().parent
ACCOUNT = "111122223333"


def _cli(server, *arguments):
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"),
                   "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION,
                   # `package` makes an S3 client of its own, which ignores --endpoint-url.
                   "AWS_ENDPOINT_URL": server.url}
    done = subprocess.run([sys.executable, "-m", "awscli", *arguments],
                          env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def owner(server):
    return server.session(ACCOUNT)


@pytest.fixture(scope="module")
def app(server, owner, tmp_path_factory):
    """The deployed stack's outputs."""
    owner.s3.create_bucket(Bucket="artifacts")
    packaged = tmp_path_factory.mktemp("sam") / "packaged.yaml"
    _cli(server, "cloudformation", "package", "--template-file", str(HERE / "sam" / "template.yaml"),
         "--s3-bucket", "artifacts", "--output-template-file", str(packaged))
    owner.cfn.create_stack(StackName="app", TemplateBody=packaged.read_text(),
                           Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    found = settled(owner, "app")
    assert found["StackStatus"] == "CREATE_COMPLETE", reasons(owner, "app")
    owner.ssm.put_parameter(Name="/ami/web", Value="ami-0abcdef1234567890", Type="String")
    owner.ssm.put_parameter(Name="/other", Value="x", Type="String")
    return {o["OutputKey"]: o["OutputValue"] for o in found["Outputs"]}


def _run(owner, app, payload):
    execution = owner.sfn.start_execution(stateMachineArn=app["MachineArn"], input=json.dumps(payload))

    def look():
        found = owner.sfn.describe_execution(executionArn=execution["executionArn"])
        return found if found["status"] != "RUNNING" else None
    return until(look, what="the execution ended")


def _call(owner, app, service, method, **arguments):
    answer = owner.lambda_.invoke(FunctionName=app["FunctionName"], Payload=json.dumps(
        {"call": {"service": service, "method": method, "arguments": arguments}}))
    return json.loads(answer["Payload"].read())


def test_the_function_answers(owner, app):
    """provided.al2023 with a bootstrap, through a JSONata machine."""
    ended = _run(owner, app, {"hello": 1})
    assert ended["status"] == "SUCCEEDED" and json.loads(ended["output"]) == {"hello": 1}, ended


def test_an_error_type_reaches_catch_verbatim(owner, app):
    """Step Functions developer guide, "Handling errors": a custom runtime's errorType is the error name."""
    ended = _run(owner, app, {"fail": "ImageRejected"})
    output = json.loads(ended["output"])
    assert output["caught"] == "ImageRejected"
    assert json.loads(output["cause"])["errorMessage"] == "as asked"


def test_an_uncaught_error_type_is_the_executions_error(owner, app):
    """Retried as named, then the execution fails with that name."""
    ended = _run(owner, app, {"fail": "StackBusy"})
    assert (ended["status"], ended["error"]) == ("FAILED", "StackBusy")
    history = owner.sfn.get_execution_history(executionArn=ended["executionArn"])["events"]
    assert sum(e["type"] == "TaskFailed" for e in history) == 2, "one retry"


def test_a_task_times_out(owner, app):
    """ASL, TimeoutSeconds of a Task: States.Timeout."""
    ended = _run(owner, app, {"sleep": 20, "limit": 1})
    assert (ended["status"], ended["error"]) == ("FAILED", "TooSlow")


def test_a_function_that_dies(owner, app):
    """Lambda reports Runtime.ExitError when the process ends without an answer."""
    answer = owner.lambda_.invoke(FunctionName=app["FunctionName"], Payload=b'{"die": 1}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.ExitError"


def test_the_functions_role_is_enforced(owner, app):
    """IAM: allowed actions work, everything else is AccessDenied in the service's words."""
    assert _call(owner, app, "ssm", "get_parameter", Name="/ami/web")["answer"]["Parameter"]["Value"]
    assert _call(owner, app, "ec2", "describe_images", Owners=["self"])["answer"]["Images"] == []
    denied = _call(owner, app, "ssm", "get_parameter", Name="/other")
    assert denied["error"] == "AccessDeniedException"
    assert (f"is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:{REGION}:{ACCOUNT}:"
            "parameter/other because no identity-based policy allows the ssm:GetParameter action") in denied["message"]
    assert _call(owner, app, "ssm", "put_parameter", Name="/ami/web", Value="x",
                 Overwrite=True)["error"] == "AccessDeniedException"
    assert _call(owner, app, "ec2", "describe_instances")["error"] == "UnauthorizedOperation"
    assert _call(owner, app, "cloudformation", "describe_stacks", StackName="app")["error"] == "AccessDenied"


def test_an_event_starts_the_machine(owner, app):
    """EventBridgeRule event of a state machine: the rule's role starts it with the event as input."""
    def runs():
        return owner.sfn.list_executions(stateMachineArn=app["MachineArn"])["executions"]
    before = len(runs())
    owner.control("POST", "events", [{
        "Source": "aws.backup", "DetailType": "Backup Job State Change",
        "Detail": {"state": "COMPLETED", "resourceType": "EC2"}}])
    until(lambda: len(runs()) == before + 1, what="an execution")
    owner.control("POST", "events", [{
        "Source": "aws.backup", "DetailType": "Backup Job State Change",
        "Detail": {"state": "COMPLETED", "resourceType": "EBS"}}])
    rule = owner.events.describe_rule(Name=app["RuleName"])
    assert rule["State"] == "ENABLED"
    target = owner.events.list_targets_by_rule(Rule=app["RuleName"])["Targets"][0]
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    assert target["DeadLetterConfig"]["Arn"]
    assert len(runs()) == before + 1


def test_a_parameter_switches_the_rule_and_the_policy(owner, app):
    """!If in an event's State and in a policy statement, through an update."""
    owner.cfn.update_stack(StackName="app", UsePreviousTemplate=True, Parameters=keyed(
        {"EventsEnabled": "false", "AllowWrites": "true", "ParameterPrefix": None, "Schedule": None}),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    assert settled(owner, "app")["StackStatus"] == "UPDATE_COMPLETE", reasons(owner, "app")
    assert owner.events.describe_rule(Name=app["RuleName"])["State"] == "DISABLED"
    assert "answer" in _call(owner, app, "ssm", "put_parameter", Name="/ami/web", Value="x", Overwrite=True)


def _update(owner, **parameters):
    owner.cfn.update_stack(StackName="app", UsePreviousTemplate=True, Parameters=keyed(
        {"EventsEnabled": None, "AllowWrites": None, "ParameterPrefix": None, "Schedule": None, **parameters}),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    return settled(owner, "app")["StackStatus"]


def test_schedules_start_the_machine_with_their_input(owner, app):
    """Schedule and ScheduleV2 events of a state machine: State by condition, Input as the execution's input."""
    def inputs():
        return [json.loads(owner.sfn.describe_execution(executionArn=e["executionArn"])["input"])
                for e in owner.sfn.list_executions(stateMachineArn=app["MachineArn"])["executions"]]

    def fire(name):
        return owner.control("POST", f"schedules/{app[name]}")["fired"]
    assert owner.events.describe_rule(Name=app["NightlyName"])["State"] == "DISABLED"
    assert owner.scheduler.get_schedule(Name=app["ReconcileName"])["State"] == "DISABLED"
    assert not fire("NightlyName") and not fire("ReconcileName")
    assert _update(owner, Schedule="rate(2 hours)") == "UPDATE_COMPLETE", reasons(owner, "app")
    found = owner.events.describe_rule(Name=app["NightlyName"])
    assert (found["State"], found["ScheduleExpression"]) == ("ENABLED", "rate(2 hours)")
    assert owner.scheduler.get_schedule(Name=app["ReconcileName"])["ScheduleExpression"] == "rate(2 hours)"
    # They may have been due by themselves already.
    wanted = {"NightlyName": {"nightly": True}, "ReconcileName": {"reconcile": True}}
    before = {name: inputs().count(given) for name, given in wanted.items()}
    assert fire("NightlyName") and fire("ReconcileName")
    until(lambda: all(inputs().count(given) > before[name] for name, given in wanted.items()), what="both executions")


def test_a_schedule_has_to_be_valid(owner, app):
    """API_PutRule, ScheduleExpression; aws-cloudformation/cfn-lint#2141."""
    assert _update(owner, Schedule="rate(1 days)") == "UPDATE_ROLLBACK_COMPLETE"
    assert "Parameter ScheduleExpression is not valid." in reasons(owner, "app")["MachineNightly UPDATE_FAILED"]


def test_logs_go_where_the_template_says(owner, app):
    """AWS::Lambda::Function LoggingConfig, AWS::Logs::LogGroup RetentionInDays."""
    groups = {g["logGroupName"]: g for g in owner.logs.describe_log_groups()["logGroups"]}
    assert groups[app["LogGroup"]]["retentionInDays"] == 30

    def lines():
        return [e["message"] for e in owner.logs.filter_log_events(logGroupName=app["LogGroup"])["events"]]
    _run(owner, app, {"seen": 1})
    until(lambda: any('"invoked"' in line for line in lines()), what="a log line")
