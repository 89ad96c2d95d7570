"""What a state machine's own role has to allow: its functions and its logs; and when a policy counts."""

import json
import re

from conftest import REGION, refused
from scenario import create, keyed, reasons, settled
from workflow import Run, allow, calls, function, role, task

DELIVERING = [f"logs:{name}" for name in (
    "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
    "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")]
NO_ACCESS = "The state machine IAM Role is not authorized to access the Log Destination"
DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}})


# --- functions -------------------------------------------------------------------------------------

def test_a_function_is_invoked_with_the_machines_role(aws):
    """awslabs/aws-deployment-framework#460: Lambda.AWSLambdaException, the cause is Lambda's refusal."""
    function(aws)
    role(aws, "states")
    of = f"arn:aws:lambda:{REGION}:{aws.id}:function:step"
    for resource, name in ((f"{of}-2", "step"), (of, f"{of}:$LATEST"), (of, "absent")):
        allow(aws, "states", "lambda:InvokeFunction", resource=resource)
        run = Run(aws, ("Call", task({}, name)))
        error, cause = run.failure()
        arn = name if name.startswith("arn:") else f"arn:aws:lambda:{REGION}:{aws.id}:function:{name}"
        assert error == "Lambda.AWSLambdaException" and re.fullmatch(re.escape(
            f"User: arn:aws:sts::{aws.id}:assumed-role/states/{run.arn.rsplit(':', 1)[-1]} is not authorized to "
            f"perform: lambda:InvokeFunction on resource: {arn} because no identity-based policy allows the "
            "lambda:InvokeFunction action (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; "
            "Request ID: ") + r"[0-9a-f-]{36}; Proxy: null\)", cause), cause
    allow(aws, "states", "lambda:InvokeFunction", resource=of)
    for name in ("step", of):
        assert Run(aws, ("Call", task({}, name, TimeoutSeconds=9))).ended()["status"] == "SUCCEEDED"


def test_a_denied_invocation_can_be_caught(aws):
    """ "Handling errors": it is an error of the task as any other."""
    function(aws)
    role(aws, "states")
    allow(aws, "states", "x:y")
    catch = [{"ErrorEquals": ["Lambda.AWSLambdaException"], "Output": "caught", "Next": "Last"}]
    last = ("Last", {"Type": "Pass", "End": True})
    assert Run(aws, ("Call", task({}, Catch=catch, Next="Last")), last).output() == "caught"


def test_a_policy_counts_at_once(aws):
    """IAM: also for a function that is warm, and for a role that CloudFormation made (on AWS within seconds)."""
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    statement = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}
    reading = {"Version": "2012-10-17", "Statement": [statement]}
    out = create(aws, json.dumps({
        "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {
            "AssumeRolePolicyDocument": trust, "Policies": [{"PolicyName": "read", "PolicyDocument": reading}]}}},
        "Outputs": {"Name": {"Value": {"Ref": "Role"}}, "Arn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}}}))
    function(aws, acting_as=out["Arn"])

    def call(method, **arguments):
        answer = json.loads(aws.lambda_.invoke(FunctionName="step", Payload=json.dumps(
            calls("ssm", method, Name="/a", **arguments)))["Payload"].read())
        return answer.get("error", "done")

    def write():
        return call("put_parameter", Value="v", Type="String", Overwrite=True)
    assert (write(), call("get_parameter")) == ("AccessDeniedException", "ParameterNotFound")
    allow(aws, out["Name"], "ssm:PutParameter")
    assert (write(), call("get_parameter")) == ("done", "done")
    aws.iam.delete_role_policy(RoleName=out["Name"], PolicyName="allowed")
    assert (write(), call("get_parameter")) == ("AccessDeniedException", "done")
    aws.iam.put_role_policy(RoleName=out["Name"], PolicyName="read", PolicyDocument=json.dumps(
        {**reading, "Statement": [{**statement, "Effect": "Deny"}]}))
    assert call("get_parameter") == "AccessDeniedException"


# --- logs ------------------------------------------------------------------------------------------

def test_logs_need_the_delivery_actions(aws):
    """ "Using CloudWatch Logs to log execution history": CreateStateMachine and UpdateStateMachine ask for them."""
    arn = role(aws, "states")
    logging = {"level": "ERROR", "includeExecutionData": False, "destinations": [{"cloudWatchLogsLogGroup": {
        "logGroupArn": f"arn:aws:logs:{REGION}:{aws.id}:log-group:g:*"}}]}

    def make(name, **fields):
        return aws.sfn.create_state_machine(name=name, roleArn=arn, definition=DEFINITION, **fields)["stateMachineArn"]
    quiet = make("quiet", loggingConfiguration={"level": "OFF"})
    for missing in (DELIVERING, DELIVERING[-1:]):
        allow(aws, "states", *(set(DELIVERING) - set(missing) or ["x:y"]))
        assert refused("AccessDeniedException", make, "logging", loggingConfiguration=logging) == NO_ACCESS
        assert refused("AccessDeniedException", aws.sfn.update_state_machine, stateMachineArn=quiet,
                       loggingConfiguration=logging) == NO_ACCESS
    assert len(aws.sfn.list_state_machines()["stateMachines"]) == 1
    assert aws.sfn.describe_state_machine(stateMachineArn=quiet)["loggingConfiguration"]["level"] == "OFF"
    allow(aws, "states", *DELIVERING)
    make("logging", loggingConfiguration=logging)
    aws.sfn.update_state_machine(stateMachineArn=quiet, loggingConfiguration=logging)
    assert aws.sfn.describe_state_machine(stateMachineArn=quiet)["loggingConfiguration"] == logging


def _stack(*actions, level="ALL"):
    def of(service, *allowed):
        return {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}]},
            "Policies": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": allowed, "Resource": "*"}]}}]}
    return json.dumps({"Resources": {
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": of("states", *actions)},
        "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {
            "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "DefinitionString": DEFINITION,
            "LoggingConfiguration": {"Level": level, "IncludeExecutionData": True, "Destinations": [
                {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["Logs", "Arn"]}}}]}}}},
        "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}, "Logs": {"Value": {"Fn::GetAtt": ["Logs", "Arn"]}}}})


def _is_refusal(text):
    return re.fullmatch(
        rf'Resource handler returned message: "{NO_ACCESS} \(Service: AWSStepFunctions; Status Code: 400; Error Code: '
        r'AccessDeniedException; Request ID: [0-9a-f-]+; Proxy: null\)" \(RequestToken: [0-9a-f-]+, '
        r'HandlerErrorCode: AccessDenied\)', text)


def test_a_stack_whose_machine_may_not_log_fails(aws):
    """aws/aws-cdk#26432: the resource's reason; nothing of it is left."""
    aws.cfn.create_stack(StackName="web", TemplateBody=_stack("x:y"), Capabilities=["CAPABILITY_IAM"])
    assert settled(aws, "web")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert _is_refusal(reasons(aws)["Machine CREATE_FAILED"]), reasons(aws)
    assert aws.sfn.list_state_machines()["stateMachines"] == []
    assert create(aws, _stack("x:y", level="OFF"), stack="quiet")


def test_an_update_that_starts_logging_needs_them_too(aws):
    """The role's own change comes first, as the machine depends on it; a refused update leaves the machine."""
    out = create(aws, _stack(*DELIVERING))
    logging = {"level": "ALL", "includeExecutionData": True,
               "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": out["Logs"]}}]}

    def found():
        return aws.sfn.describe_state_machine(stateMachineArn=out["Machine"])["loggingConfiguration"]
    assert found() == logging
    for body, status in ((_stack("x:y", level="ERROR"), "UPDATE_ROLLBACK_COMPLETE"),
                         (_stack("x:y", level="OFF"), "UPDATE_COMPLETE"),
                         (_stack("logs:*", level="ERROR"), "UPDATE_COMPLETE")):
        aws.cfn.update_stack(StackName="web", TemplateBody=body, Parameters=keyed({}), Capabilities=["CAPABILITY_IAM"])
        assert settled(aws, "web")["StackStatus"] == status, reasons(aws)
        if status == "UPDATE_ROLLBACK_COMPLETE":
            assert _is_refusal(reasons(aws)["Machine UPDATE_FAILED"]) and found() == logging
    assert found() == {**logging, "level": "ERROR"}
