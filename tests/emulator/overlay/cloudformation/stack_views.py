"""Owns how CloudFormation describes a stack: its parents, its parameters, the stack that a resource belongs to.

AWS facts:
* A member without a value is absent, not empty. A stack that was never updated has no LastUpdatedTime.
* A nested stack has ParentId and RootId (API_Stack).
* A parameter of type AWS::SSM::Parameter::Value<…> shows the parameter's name as its value and the fetched value as its
  ResolvedValue; one with NoEcho shows **** (API_Parameter).
* DescribeStackResources finds the stack that a physical id belongs to, and gives *all* resources of it ("the associated
  resources of the stack that the resource belongs to are returned"). It takes either that or a stack, not both
  (API_DescribeStackResources).
Unsure:
* The texts for a physical id of no stack ("Stack for ID does not exist") and for both.
* Whether it is not just the one resource (coverage-roadmap#998 shows one).
"""

import re

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers
from ministack.services.cloudformation.helpers import _error, _esc, _p

from overlay import patching

_EMPTY = re.compile(r"<(StackStatusReason|Description|ResourceStatusReason|PhysicalResourceId)></\1>")
_PARAMETERS = re.compile(r"<Parameters>.*?</Parameters>", re.DOTALL)


def with_parameters(text, parameters, resolved):
    """`text` with its first list of parameters as AWS shows these."""
    members = ""
    for parameter in parameters:
        key, value = parameter["ParameterKey"], parameter["ParameterValue"]
        known = resolved.get(key) or {}
        name = getattr(value, "name", None)
        fetched = f"<ResolvedValue>{_esc(value)}</ResolvedValue>" if name else ""
        shown = "****" if known.get("NoEcho") or parameter.get("NoEcho") else _esc(str(name or value))
        members += (f"<member><ParameterKey>{_esc(key)}</ParameterKey><ParameterValue>{shown}</ParameterValue>"
                    f"{fetched}</member>")
    return _PARAMETERS.sub(lambda _: f"<Parameters>{members}</Parameters>", text, count=1)


def _root(stack):
    """The id of the stack at the top."""
    by_id = {other["StackId"]: other for other in cloudformation._stacks.values()}
    while stack.get("ParentId") in by_id:
        stack = by_id[stack["ParentId"]]
    return stack["StackId"]


def _as_aws_tells(stack, text):
    """`text`, which begins with this stack's StackId, as AWS would say it."""
    if not stack.get("_updated"):
        text = re.sub(r"<LastUpdatedTime>[^<]*</LastUpdatedTime>", "", text, count=1)
    text = with_parameters(text, stack.get("Parameters", []), {})
    more = f"<RoleARN>{_esc(stack['_role_arn'])}</RoleARN>" if stack.get("_role_arn") else ""
    if stack.get("ParentId"):
        more += f"<ParentId>{_esc(stack['ParentId'])}</ParentId><RootId>{_esc(_root(stack))}</RootId>"
    return text.replace("</StackId>", f"</StackId>{more}", 1)


def _describe_stacks(original):
    def handle(params):
        status, headers, body = original(params)
        if status != 200:
            return status, headers, body
        text = _EMPTY.sub("", body.decode())
        for stack in list(cloudformation._stacks.values()):
            at = text.find(f"<StackId>{_esc(stack['StackId'])}</StackId>")
            if at >= 0:
                text = text[:at] + _as_aws_tells(stack, text[at:])
        return status, headers, text.encode()
    return handle


def _describe_events(original):
    def handle(params):
        status, headers, body = original(params)
        return status, headers, _EMPTY.sub("", body.decode()).encode()
    return handle


def _owner(physical_id):
    """The stack that a physical id is a resource of."""
    for stack in cloudformation._stacks.values():
        if stack["StackStatus"] != "DELETE_COMPLETE" and any(
                resource.get("PhysicalResourceId") == physical_id
                for resource in stack.get("_resources", {}).values()):
            return stack
    return None


def _describe_stack_resources(original):
    def handle(params):
        physical_id, stack_name = _p(params, "PhysicalResourceId"), _p(params, "StackName")
        if physical_id and stack_name:
            return _error("ValidationError", "You cannot specify both StackName and PhysicalResourceId")
        if not physical_id:
            return original(params)
        stack = _owner(physical_id)
        if stack is None:
            return _error("ValidationError", f"Stack for {physical_id} does not exist")
        return original({**params, "StackName": [stack["StackId"]]})
    return handle


def install():
    patching.requires(cloudformation, "_stacks")
    where, table = "cloudformation.handlers._ACTION_HANDLERS", handlers._ACTION_HANDLERS
    for action, make in (("DescribeStacks", _describe_stacks), ("DescribeStackEvents", _describe_events),
                         ("DescribeStackResources", _describe_stack_resources)):
        patching.entry(table, action, make, where=where)
