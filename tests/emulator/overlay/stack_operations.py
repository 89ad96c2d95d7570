"""Owns that stack operations take time, exclude each other, and end in a cleanup phase.

AWS facts:
* While an operation runs, another is refused: `Stack:ARN is in X_IN_PROGRESS state and
  can not be updated.` (UpdateStack; e.g. amplify-cli#5343), `Stack [ARN] cannot be
  deleted while in status X` (DeleteStack).
* A successful update passes UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, in which the stack is
  not updatable yet (CloudFormation user guide, "Stack status codes").
* A stack remembers the service role of its last operation, which later operations use
  (API_UpdateStack, RoleARN). DescribeStacks shows it.
* A created stack has no LastUpdatedTime until it is updated first.
"""

import asyncio
import contextvars
import re

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, provisioners, stacks
from ministack.services.cloudformation.helpers import _error, _esc, _p

from . import patching, permissions, stack_parameters, stack_resources
from .settings import SETTINGS

_STACK = "AWS::CloudFormation::Stack"
_FINAL = {"UPDATE_COMPLETE": "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
          "UPDATE_ROLLBACK_COMPLETE": "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"}
_UPDATABLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE",
                        "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED"})
#: Statuses from which MiniStack's own handler starts an update.
_ACCEPTED = _UPDATABLE - {"UPDATE_FAILED", "CREATE_FAILED"}

#: The final status that is being held back for the cleanup phase, in a list of one.
_HELD = contextvars.ContextVar("overlay_held_status", default=None)


def _hold_final_event(original):
    """In place of UPDATE_COMPLETE the stack gets its cleanup status first."""
    def add(stack_id, stack_name, logical_id, resource_type, status, *args, **kwargs):
        held = _HELD.get()
        if held is not None and resource_type == _STACK and logical_id == stack_name and status in _FINAL:
            cleanup = _FINAL[status]
            stack = cloudformation._stacks.get(stack_name)
            shown = any(e["ResourceStatus"] == cleanup
                        for e in cloudformation._stack_events.get(stack_id, [])[held.get("from", 0):])
            held["status"] = status
            stack["StackStatus"] = cleanup
            if not shown:
                original(stack_id, stack_name, logical_id, resource_type, cleanup, physical_id=stack_id)
            return
        original(stack_id, stack_name, logical_id, resource_type, status, *args, **kwargs)
    return add


async def _settle(stack_name, stack_id, add_event, work):
    """Run an operation, then its cleanup phase, then set the status it ended in."""
    held = {"from": len(cloudformation._stack_events.get(stack_id, []))}
    token = _HELD.set(held)
    try:
        await work()
    finally:
        _HELD.reset(token)
    if "status" in held:
        await asyncio.sleep(SETTINGS.cleanup)
        stack = cloudformation._stacks.get(stack_name)
        if stack and stack["StackStatus"] == _FINAL[held["status"]]:
            stack["StackStatus"] = held["status"]
            add_event(stack_id, stack_name, stack_name, _STACK, held["status"], physical_id=stack_id)


def _slow_deploy(add_event):
    def make(original):
        async def deploy(stack_name, stack_id, template, param_values, *args, **kwargs):
            stack_resources.OPERATION.set((template, param_values))
            permissions.ROLE.set((cloudformation._stacks.get(stack_name) or {}).get("_role_arn", ""))

            async def work():
                await asyncio.sleep(SETTINGS.stack)
                stack = cloudformation._stacks.get(stack_name) or {}
                reason = stack_parameters.rejected(template, param_values)
                if reason:
                    await stack_parameters.roll_back(
                        stack_name, stack_id, stack, template, param_values,
                        kwargs.get("is_update", False), kwargs.get("previous_stack"), reason)
                else:
                    await original(stack_name, stack_id, template, param_values, *args, **kwargs)
            await _settle(stack_name, stack_id, add_event, work)
        return deploy
    return make


def _slow_delete(original):
    async def delete(stack_name, stack_id, *args, **kwargs):
        stack = cloudformation._stacks.get(stack_name)
        if stack:
            stack["StackStatus"] = "DELETE_IN_PROGRESS"
        await asyncio.sleep(SETTINGS.stack / 2)
        await original(stack_name, stack_id, *args, **kwargs)
    return delete


def _previous_policies(original):
    """A rollback goes by the UpdatePolicy of the template that it rolls back to."""
    async def roll_back(stack_name, stack_id, stack, operation, *args, **kwargs):
        previous = operation.get("previous_stack") or {}
        token = stack_resources.OPERATION.set(
            (previous.get("_template") or {}, previous.get("_resolved_params") or {}))
        try:
            await original(stack_name, stack_id, stack, operation, *args, **kwargs)
        finally:
            stack_resources.OPERATION.reset(token)
    return roll_back


def _settled(add_event):
    """For the rollbacks that the API starts by itself, outside of a deployment."""
    def make(original):
        async def run(stack_name, stack_id, *args, **kwargs):
            async def work():
                await asyncio.sleep(SETTINGS.stack)
                await original(stack_name, stack_id, *args, **kwargs)
            await _settle(stack_name, stack_id, add_event, work)
        return run
    return make


def _refuse_update(stack):
    return _error("ValidationError",
                  f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated.")


def _update_stack(original):
    def handle(params):
        stack = handlers._resolve_stack(_p(params, "StackName"))
        if stack and stack["StackStatus"] not in ("DELETE_COMPLETE", *_ACCEPTED):
            return _refuse_update(stack)
        _remember_role(stack, params)
        answer = original(params)
        if answer[0] == 200 and stack:
            stack["_updated"] = True
        return answer
    return handle


def _create_stack(original):
    def handle(params):
        answer = original(params)
        if answer[0] == 200:
            _remember_role(handlers._resolve_stack(_p(params, "StackName")), params)
        return answer
    return handle


def _remember_role(stack, params):
    role = _p(params, "RoleARN")
    if stack and role:
        stack["_role_arn"] = role


def _delete_stack(original):
    def handle(params):
        stack = handlers._resolve_stack(_p(params, "StackName"))
        status = (stack or {}).get("StackStatus", "")
        # A create may be deleted while it runs; a running delete is repeated harmlessly.
        if status == "DELETE_IN_PROGRESS":
            return handlers._xml(200, "DeleteStackResponse", "")
        if status.endswith("_IN_PROGRESS") and status not in ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"):
            return _error("ValidationError",
                          f"Stack [{stack['StackId']}] cannot be deleted while in status {status}")
        _remember_role(stack, params)
        return original(params)
    return handle


def _execute_change_set(original):
    def handle(params):
        _, change_set = changesets._find_change_set(_p(params, "ChangeSetName"), _p(params, "StackName"))
        stack = cloudformation._stacks.get((change_set or {}).get("StackName", ""))
        if stack and stack["StackStatus"].endswith("_IN_PROGRESS") and \
                stack["StackStatus"] != "REVIEW_IN_PROGRESS":
            return _refuse_update(stack)
        answer = original(params)
        if answer[0] == 200 and stack:
            stack["_updated"] = True
        return answer
    return handle


_EMPTY = re.compile(r"<(StackStatusReason|Description|ResourceStatusReason|PhysicalResourceId)></\1>")


def _describe_events(original):
    def handle(params):
        status, headers, body = original(params)
        return status, headers, _EMPTY.sub("", body.decode()).encode()
    return handle


def _describe_stacks(original):
    def handle(params):
        status, headers, body = original(params)
        if status != 200:
            return status, headers, body
        # An absent member is absent on AWS, not empty.
        text = _EMPTY.sub("", body.decode())
        for stack in cloudformation._stacks.values():
            marker = f"<StackId>{_esc(stack['StackId'])}</StackId>"
            at = text.find(marker)
            if at < 0:
                continue
            if not stack.get("_updated"):
                text = text[:at] + re.sub(r"<LastUpdatedTime>[^<]*</LastUpdatedTime>", "", text[at:], count=1)
            if stack.get("_role_arn"):
                text = text.replace(marker, f"{marker}<RoleARN>{_esc(stack['_role_arn'])}</RoleARN>", 1)
        return status, headers, text.encode()
    return handle


def _no_replacement():
    """Change sets: which properties of our two types replace the resource.

    aws-resource-ec2-launchtemplate and aws-resource-autoscaling-autoscalinggroup,
    "Update requires"; MiniStack answers Conditional for a type it does not list.
    """
    table, where = provisioners._REPLACING_PROPERTIES, "provisioners._REPLACING_PROPERTIES"
    patching.new_entry(table, "AWS::EC2::LaunchTemplate", ("LaunchTemplateName",), where=where)
    patching.new_entry(table, stack_resources.GROUP, ("AutoScalingGroupName", "InstanceId"), where=where)


def install():
    _no_replacement()
    patching.requires(cloudformation, "_stacks", "_stack_events")
    patching.requires(handlers, "_resolve_stack", "_xml")
    patching.requires(changesets, "_find_change_set")
    add_event = stacks._add_event if hasattr(stacks, "_add_event") else None
    patching.attribute(stacks, "_add_event", _hold_final_event)
    deploy = _slow_deploy(add_event)
    patching.attribute(handlers, "_deploy_stack_async", deploy)
    patching.attribute(changesets, "_deploy_stack_async", deploy)
    patching.attribute(handlers, "_delete_stack_async", _slow_delete)
    patching.attribute(stacks, "_delete_stack_async", _slow_delete)
    patching.attribute(stacks, "_roll_back_operation", _previous_policies)
    patching.attribute(handlers, "_roll_back_operation", lambda original: _settled(add_event)(
        _previous_policies(original)))
    patching.attribute(handlers, "_continue_update_rollback_async", _settled(add_event))
    where, table = "cloudformation.handlers._ACTION_HANDLERS", handlers._ACTION_HANDLERS
    for action, make in (("UpdateStack", _update_stack), ("CreateStack", _create_stack),
                         ("DeleteStack", _delete_stack), ("ExecuteChangeSet", _execute_change_set),
                         ("DescribeStacks", _describe_stacks), ("DescribeStackEvents", _describe_events)):
        patching.entry(table, action, make, where=where)
