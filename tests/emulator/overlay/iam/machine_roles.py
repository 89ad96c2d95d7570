"""Owns what a state machine's own role must allow: its functions and its logs.

AWS facts:
* `lambda:invoke` needs lambda:InvokeFunction on the function as it is named: a qualified name is another ARN. Without
  it the task fails with Lambda.AWSLambdaException, whether the function exists or not, and Lambda's
  AccessDeniedException is the cause (awslabs/aws-deployment-framework#460, recorded). Every attempt is checked again.
* Logs of a level but OFF need the log delivery actions, on `*` (developer guide, "Using CloudWatch Logs to log
  execution history"). Without them CreateStateMachine and UpdateStateMachine fail with AccessDeniedException, which is
  the resource's reason in a stack (aws/aws-cdk#26432).
* A definition that waits for executions which it starts needs events:PutRule, PutTargets and DescribeRule on a rule of
  Step Functions' own, else it cannot be created: "is not authorized to create managed-rule" (developer guide, "Start
  workflow executions"; nasa/cumulus#2693 has the text).
* DescribeStateMachine shows a stack's LoggingConfiguration in the API's spelling.
Unlike AWS:
* The function's own policy, which could allow the call too, does not count. Integrations that have no module of their
  own need no permission.
* The destination of a machine's logs need not exist, and gets nothing.
Unsure:
* Each of the eight actions is necessary.
* What a call without a loggingConfiguration needs (here nothing).
* A function as a task's resource, without `lambda:invoke`, fails by the same name.
"""

import json

from ministack.core.responses import error_response_json, get_account_id, get_region, new_uuid
from ministack.services import stepfunctions
from ministack.services.cloudformation import provisioners

from overlay import patching
from overlay.cloudformation import stack_resources
from overlay.iam import permissions

_MACHINE = "AWS::StepFunctions::StateMachine"
_DELIVERING = tuple(f"logs:{name}" for name in (
    "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
    "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"))
_MANAGING = ("events:PutRule", "events:PutTargets", "events:DescribeRule")
_RULE = "StepFunctionsGetEventsForStepFunctionsExecutionRule"
_NO_ACCESS = "The state machine IAM Role is not authorized to access the Log Destination"


def may_not_invoke(machine, principal, function):
    """Why the machine's role may not invoke the function; "" if it may."""
    arn = function if function.startswith("arn:") else (
        f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{function}")
    return permissions.role_refusal(machine.get("roleArn", ""), principal, "lambda:InvokeFunction", arn)


def _may_log(role, logging):
    return (logging or {}).get("level", "OFF") == "OFF" or not any(
        permissions.role_refusal(role or "", role or "", action, "*") for action in _DELIVERING)


def _refusal(role, logging, definition):
    """Why the role does not suffice for a state machine; "" if it does."""
    if not _may_log(role, logging):
        return _NO_ACCESS
    rule = f"arn:aws:events:{get_region()}:{get_account_id()}:rule/{_RULE}"
    waits = "states:startExecution.sync" in definition
    if waits and any(permissions.role_refusal(role or "", role or "", action, rule) for action in _MANAGING):
        return f"'{role}' is not authorized to create managed-rule."
    return ""


def _create(original):
    def create(data):
        refusal = _refusal(data.get("roleArn"), data.get("loggingConfiguration"), data.get("definition", ""))
        if refusal:
            return error_response_json("AccessDeniedException", refusal, 400)
        return original(data)
    return create


def _update(original):
    def update(data):
        machine = stepfunctions._state_machines.get(data.get("stateMachineArn")) or {}
        data = {**data, **({"loggingConfiguration": _of_api(data["loggingConfiguration"])}
                           if "loggingConfiguration" in data else {})}
        refusal = machine and _refusal(data.get("roleArn", machine.get("roleArn")), data.get("loggingConfiguration"),
                                       data.get("definition", machine.get("definition", "")))
        if refusal:
            return error_response_json("AccessDeniedException", refusal, 400)
        return original(data)
    return update


def _of_api(value):
    """A template's LoggingConfiguration as the API spells it."""
    if isinstance(value, dict):
        return {k[:1].lower() + k[1:]: _of_api(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_of_api(v) for v in value]
    return {"true": True, "false": False}.get(value, value)


def _require(props):
    refusal = _refusal(props.get("RoleArn"), _of_api(props.get("LoggingConfiguration")), json.dumps(props, default=str))
    if refusal:
        raise stack_resources.ResourceFailure(
            f'Resource handler returned message: "{refusal} (Service: AWSStepFunctions; Status Code: 400; Error '
            f'Code: AccessDeniedException; Request ID: {new_uuid()}; Proxy: null)" (RequestToken: {new_uuid()}, '
            "HandlerErrorCode: AccessDenied)")


def _stack_create(original):
    def create(logical_id, props, stack_name):
        _require(props)
        arn, attributes = original(logical_id, props, stack_name)
        machine = stepfunctions._state_machines[arn]
        machine["loggingConfiguration"] = _of_api(machine["loggingConfiguration"])
        return arn, attributes
    return create


def _stack_update(original):
    def update(physical_id, old_props, new_props, *args):
        _require(new_props)
        return original(physical_id, old_props, new_props, *args)
    return update


def install():
    patching.requires(stepfunctions, "_state_machines")
    patching.attribute(stepfunctions, "_create_state_machine", _create)
    patching.attribute(stepfunctions, "_update_state_machine", _update)
    handlers = provisioners._RESOURCE_HANDLERS.get(_MACHINE, {})
    for key, make in (("create", _stack_create), ("update", _stack_update)):
        patching.entry(handlers, key, make, where=f"provisioners._RESOURCE_HANDLERS[{_MACHINE!r}]")
