"""Versions of functions in a stack, as SAM publishes them: what an execution invokes while the stack is updated."""

import io
import json
import zipfile

import pytest

from conftest import until
from scenario import keyed, reasons, settled
from workflow import role

#: Answers with its generation, its environment and its event.
BOOTSTRAP = """#!/usr/bin/env python3
import json, os, urllib.request as http
invocations = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with http.urlopen(f"{invocations}/next") as invocation:
        request = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    answer = {"code": "GENERATION", "mode": os.environ["MODE"], "version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"]}
    http.urlopen(http.Request(f"{invocations}/{request}/response", json.dumps(answer).encode(), method="POST"))
"""
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


class App:
    """A stack with a function and a machine that invokes its version, and once more when it is `released`."""

    def __init__(self, aws, retained=True, described=True):
        self.aws, self.retained, self.described = aws, retained, described
        self.code, self.mode, self.outputs = "one", "a", {}
        self.bucket = f"code-{aws.id}"
        aws.s3.create_bucket(Bucket=self.bucket)
        self.queue = aws.sqs.create_queue(QueueName="held")["QueueUrl"]
        role(aws, "lambda")
        role(aws, "states")

    def template(self):
        key = f"{self.code}.zip"
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as made:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            made.writestr(entry, BOOTSTRAP.replace("GENERATION", self.code))
        self.aws.s3.put_object(Bucket=self.bucket, Key=key, Body=archive.getvalue())
        function = {
            "Type": "AWS::Serverless::Function",
            **({"UpdateReplacePolicy": "Retain"} if self.retained else {}),
            "Properties": {
                "CodeUri": f"s3://{self.bucket}/{key}", "Runtime": "provided.al2023", "Handler": "bootstrap",
                "Role": role(self.aws, "lambda"), "AutoPublishAlias": "live", "AutoPublishAliasAllProperties": True,
                **({"VersionDescription": {"Ref": "Mode"}} if self.described else {}),
                "Environment": {"Variables": {"MODE": {"Ref": "Mode"}}}}}
        call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "${Step}"},
                "Output": {"calls": "{% $append($states.input.calls, $states.result.Payload) %}"}}
        hold = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Arguments": {
            "QueueUrl": self.queue, "MessageBody": "{% $states.context.Task.Token %}"}, "Output": "{% $states.input %}"}
        states = {"First": {**call, "Next": "Hold"}, "Hold": {**hold, "Next": "Second"},
                  "Second": {**call, "End": True}}
        machine = {"Type": "AWS::Serverless::StateMachine", "Properties": {
            "Role": role(self.aws, "states"), "DefinitionSubstitutions": {"Step": {"Ref": "Step.Version"}},
            "Definition": {"QueryLanguage": "JSONata", "StartAt": "First", "States": states}}}
        return json.dumps({
            "Transform": "AWS::Serverless-2016-10-31", "Parameters": {"Mode": {"Type": "String"}},
            "Resources": {"Step": function, "Machine": machine},
            "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}, "Step": {"Value": {"Ref": "Step"}}}})

    def deploy(self, **changed):
        """The status that creating or updating the stack ends in."""
        for name, value in changed.items():
            setattr(self, name, value)
        return self.update(self.template())

    def update(self, template):
        make = self.aws.cfn.update_stack if self.outputs else self.aws.cfn.create_stack
        make(StackName="app", TemplateBody=template, Parameters=keyed({"Mode": self.mode}), Capabilities=CAPABILITIES)
        found = settled(self.aws, "app")
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
        return found["StackStatus"]

    def start(self):
        """An execution that has made its first call."""
        started = self.aws.sfn.start_execution(stateMachineArn=self.outputs["Machine"], input='{"calls": []}')
        found = until(lambda: self.aws.sqs.receive_message(QueueUrl=self.queue).get("Messages"), what="the token")
        return started["executionArn"], found[0]["Body"]

    def released(self, started):
        """How an execution ends that makes its second call now."""
        arn, token = started
        self.aws.sfn.send_task_success(taskToken=token, output="{}")

        def found():
            now = self.aws.sfn.describe_execution(executionArn=arn)
            return now if now["status"] != "RUNNING" else None
        return until(found, what="the end of the execution")

    def calls(self, started):
        """What its calls met: code, setting, version."""
        ended = self.released(started)
        assert ended["status"] == "SUCCEEDED", ended
        return [(c["code"], c["mode"], c["version"]) for c in json.loads(ended["output"])["calls"]]

    def versions(self):
        listed = self.aws.lambda_.list_versions_by_function(FunctionName=self.outputs["Step"])["Versions"]
        return [v["Version"] for v in listed if v["Version"] != "$LATEST"]


def test_an_execution_keeps_the_version_that_it_began_with(aws):
    """API_UpdateStateMachine: "Running executions will continue to use the previous definition"; API_PublishVersion."""
    app = App(aws)
    assert app.deploy() == "CREATE_COMPLETE", reasons(aws, "app")
    first = app.start()
    assert app.deploy(code="two") == "UPDATE_COMPLETE", reasons(aws, "app")
    second = app.start()
    assert app.deploy(mode="b") == "UPDATE_COMPLETE", reasons(aws, "app")
    assert app.calls(app.start()) == [("two", "b", "3")] * 2
    assert app.calls(second) == [("two", "a", "2")] * 2
    assert app.calls(first) == [("one", "a", "1")] * 2


def test_going_back_publishes_another_version(aws):
    """getmoto/moto#8379: an update of the function is enough, whether or not it changes anything."""
    app = App(aws)
    for code in ("one", "two", "one"):
        assert app.deploy(code=code).endswith("E_COMPLETE"), reasons(aws, "app")
    assert app.versions() == ["1", "2", "3"]
    assert app.calls(app.start()) == [("one", "a", "3")] * 2


def test_a_parameter_of_the_environment_publishes_no_version(aws):
    """aws/serverless-application-model#1640, #3820: the setting is the function's, and not its version's."""
    app = App(aws, described=False)
    app.deploy()
    assert app.deploy(mode="b") == "UPDATE_COMPLETE"
    assert app.versions() == ["1"]
    assert app.calls(app.start()) == [("one", "a", "1")] * 2


def test_a_version_that_is_replaced_is_deleted_unless_it_is_retained(aws):
    """Registry schema of AWS::Lambda::Version, createOnlyProperties; user guide, "UpdateReplacePolicy attribute"."""
    app = App(aws, retained=False)
    app.deploy()
    started = app.start()
    assert app.deploy(mode="b") == "UPDATE_COMPLETE", reasons(aws, "app")
    assert app.versions() == ["2"]
    ended = app.released(started)
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.ResourceNotFoundException")


def test_a_version_of_what_has_not_changed_cannot_be_made(aws):
    """aws/serverless-application-model#3281."""
    app = App(aws)
    app.deploy()
    template = json.loads(app.template())
    template["Resources"]["Step"]["Properties"]["VersionDescription"] = "another"
    assert app.update(json.dumps(template)) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("A version for this Lambda function exists" in reason for reason in reasons(aws, "app").values())
    assert app.calls(app.start()) == [("one", "a", "1")] * 2


def test_a_description_has_256_characters(aws):
    """Registry schema of AWS::Lambda::Version."""
    app = App(aws)
    assert app.deploy(mode="a" * 256) == "CREATE_COMPLETE", reasons(aws, "app")
    assert app.deploy(mode="a" * 257) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("expected maxLength: 256, actual: 257" in reason for reason in reasons(aws, "app").values())


def test_the_versions_go_with_the_function(aws):
    """API_DeleteFunction: without a qualifier, all versions."""
    app = App(aws)
    app.deploy()
    app.deploy(code="two")
    aws.cfn.delete_stack(StackName="app")
    until(lambda: not aws.lambda_.list_functions()["Functions"], what="no function")
    with pytest.raises(aws.lambda_.exceptions.ResourceNotFoundException):
        aws.lambda_.get_function(FunctionName=app.outputs["Step"], Qualifier="1")
