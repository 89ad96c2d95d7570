"""Owns what tests of state machines need: a function, a machine of a few states, its run and its history."""

import io
import json
import pathlib
import zipfile

from conftest import until

BOOTSTRAP = pathlib.Path(__file__).resolve().parent / "sam" / "function" / "bootstrap"


def role(aws, service):
    """The role of that name that the service may assume; a state machine's may invoke every function."""
    try:
        return aws.iam.get_role(RoleName=service)["Role"]["Arn"]
    except aws.iam.exceptions.NoSuchEntityException:
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}]}
        arn = aws.iam.create_role(RoleName=service, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        if service == "states":
            allow(aws, service, "lambda:InvokeFunction")
        return arn


def allow(aws, name, *actions, resource="*"):
    """Make this the role's policy."""
    aws.iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}]}))


def function(aws, name="step", timeout=60, allowed=None, acting_as=None):
    """The function of the SAM application: answers its event, sleeps, fails by name, makes allowed calls."""
    arn = acting_as or role(aws, "lambda")
    if allowed:
        allow(aws, "lambda", *allowed)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, BOOTSTRAP.read_bytes())
    aws.lambda_.create_function(
        FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Timeout=timeout,
        Role=arn, Code={"ZipFile": code.getvalue()})


def calls(service, method, **arguments):
    """The event that makes the function call AWS."""
    return {"call": {"service": service, "method": method, "arguments": arguments}}


def _ending(state):
    return state if "Next" in state else {**state, "End": True}


def task(payload, name="step", **fields):
    return _ending({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                    "Arguments": {"FunctionName": name, "Payload": payload}, **fields})


def each(*states, **fields):
    """A Map over the input, whose iterations go through `states`, of which each is (name, definition)."""
    return _ending({"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": {
        "ProcessorConfig": {"Mode": "INLINE"}, "StartAt": states[0][0], "States": dict(states)}, **fields})


class Run:
    """An execution of a machine of these states, from the first."""

    def __init__(self, aws, *states, given=None, **machine):
        self.aws = aws
        arn = aws.sfn.create_state_machine(
            name=f"m{len(aws.sfn.list_state_machines()['stateMachines'])}", roleArn=role(aws, "states"),
            definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": states[0][0], "States": dict(states),
                                   **machine}))["stateMachineArn"]
        self.arn = aws.sfn.start_execution(stateMachineArn=arn, input=json.dumps(given))["executionArn"]

    def ended(self):
        def found():
            now = self.aws.sfn.describe_execution(executionArn=self.arn)
            return now if now["status"] != "RUNNING" else None
        return until(found, what="the end of the execution")

    def output(self):
        ended = self.ended()
        assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"))
        return json.loads(ended["output"])

    def failure(self):
        ended = self.ended()
        assert ended["status"] == "FAILED", ended
        return ended.get("error"), ended.get("cause")

    def has_entered(self, state):
        """Wait until it has; whether it has, or has ended without it."""
        return self.aws.control("GET", "executions", arn=self.arn, entered=state, timeout=20)["done"]

    def events(self):
        return self.aws.sfn.get_execution_history(executionArn=self.arn, maxResults=1000)["events"]

    def steps(self):
        """The history as (number, the one before, type)."""
        return [(e["id"], e["previousEventId"], e["type"]) for e in self.events()]
