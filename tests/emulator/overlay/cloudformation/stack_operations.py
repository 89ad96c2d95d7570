"""Owns stack operations: they take time, exclude each other, and end in a cleanup phase.

AWS facts:
* While an operation runs, another is refused: `Stack:ARN is in X_IN_PROGRESS state and can not be updated.`
  (UpdateStack; e.g. amplify-cli#5343), `Stack [ARN] cannot be deleted while in status X` (DeleteStack).
* A successful update passes UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, in which the stack cannot be updated yet
  (CloudFormation user guide, "Stack status codes").
* A stack remembers the service role of its last operation, and later operations use it (API_UpdateStack, RoleARN).
  DescribeStacks shows it.
* An update whose service role is gone, or does not trust CloudFormation, is refused: "Role ARN is invalid or cannot be
  assumed" (ValidationError; aws-amplify/amplify-backend#2325).
* Every event of an operation carries its ClientRequestToken. A stack accepts a token only once: "The client request
  token … has already been used for this stack. Retry the request with a different client request token"
  (banzaicloud/pipeline#3016). The same request may be sent again with the same token ("if you plan to retry requests",
  API_UpdateStack).
Unlike AWS:
* Nested stacks have no cleanup phase.
* Stack policies are kept, not enforced.
Unsure:
* A retry of an update that is over is refused here; AWS may answer it as it answered the first call.
"""

import contextvars
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks
from ministack.services.cloudformation.helpers import _error, _p, _xml

from overlay import patching
from overlay.background import pause
from overlay.cloudformation import stack_parameters, stack_resources
from overlay.control.settings import SETTINGS
from overlay.iam import permissions

STACK = "AWS::CloudFormation::Stack"
_FINAL = {"UPDATE_COMPLETE": "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
          "UPDATE_ROLLBACK_COMPLETE": "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"}
_UPDATABLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE",
                        "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED"})
#: Statuses from which MiniStack's own handler starts an update.
_ACCEPTED = _UPDATABLE - {"UPDATE_FAILED", "CREATE_FAILED"}

#: The stack, and the final status that is being held back for its cleanup phase.
_HELD: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("overlay_held_status", default=None)


def _hold_final_event(original):
    """In place of UPDATE_COMPLETE the stack gets its cleanup status first."""
    def add(stack_id, stack_name, logical_id, resource_type, status, *args, **kwargs):
        held = _HELD.get()
        # A nested stack ends within the operation of its root, without a phase of its own.
        if (held is not None and held["stack"] == logical_id == stack_name
                and resource_type == STACK and status in _FINAL):
            cleanup = _FINAL[status]
            stack = cloudformation._stacks.get(stack_name)
            shown = any(e["ResourceStatus"] == cleanup
                        for e in cloudformation._stack_events.get(stack_id, [])[held["from"]:])
            held["status"] = status
            stack["StackStatus"] = cleanup
            if not shown:
                original(stack_id, stack_name, logical_id, resource_type, cleanup, physical_id=stack_id)
            return
        original(stack_id, stack_name, logical_id, resource_type, status, *args, **kwargs)
    return add


def _of(stack_name, stack_id):
    return "stack", (stack_name, stack_id)


async def _settle(stack_name, stack_id, add_event, work):
    """Run an operation, then its cleanup phase, then set the status it ended in."""
    held = {"stack": stack_name, "from": len(cloudformation._stack_events.get(stack_id, []))}
    token = _HELD.set(held)
    try:
        await work()
    finally:
        _HELD.reset(token)
    if "status" in held:
        await pause(SETTINGS.cleanup, _of(stack_name, stack_id))
        stack = cloudformation._stacks.get(stack_name)
        if stack and stack["StackStatus"] == _FINAL[held["status"]]:
            stack["StackStatus"] = held["status"]
            add_event(stack_id, stack_name, stack_name, STACK, held["status"], physical_id=stack_id)


def _slow_deploy(add_event):
    def make(original):
        async def deploy(stack_name, stack_id, template, param_values, *args, **kwargs):
            stack_resources.OPERATION.set((template, param_values))
            permissions.ROLE.set((cloudformation._stacks.get(stack_name) or {}).get("_role_arn", ""))

            async def work():
                await pause(SETTINGS.stack, _of(stack_name, stack_id))
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
        await pause(SETTINGS.stack / 2, _of(stack_name, stack_id))
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
                await pause(SETTINGS.stack, _of(stack_name, stack_id))
                await original(stack_name, stack_id, *args, **kwargs)
            await _settle(stack_name, stack_id, add_event, work)
        return run
    return make


def refuse_update(stack):
    """The refusal to begin an update of a stack in its present state; None if it may begin."""
    if stack is None or stack["StackStatus"] in ("DELETE_COMPLETE", *_ACCEPTED):
        return None
    return _error("ValidationError",
                  f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated.")


def refuse_role(stack, params):
    """The refusal of an operation whose service role cannot be assumed; None if it can, or there is none."""
    role = _p(params, "RoleARN") or (stack or {}).get("_role_arn", "")
    if not role or permissions.may_be_assumed(role):
        return None
    return _error("ValidationError", f"Role {role} is invalid or cannot be assumed")


def _used_before(stack, params):
    """The answer to a request token that the stack knows; None if it is new."""
    token = _p(params, "ClientRequestToken")
    if not stack or not token or token not in stack.get("_tokens", {}):
        return None
    if stack["_tokens"][token] == params and stack["StackStatus"].endswith("_IN_PROGRESS"):
        return _xml(200, "UpdateStackResponse",
                    f"<UpdateStackResult><StackId>{stack['StackId']}</StackId></UpdateStackResult>")
    return _error("TokenAlreadyExistsException",
                  f"The client request token {token} has already been used for this stack. "
                  "Retry the request with a different client request token")


def _update_stack(original):
    def handle(params):
        stack = handlers._resolve_stack(_p(params, "StackName"))
        if answer := _used_before(stack, params) or refuse_update(stack) or refuse_role(stack, params):
            return answer
        answer = original(params)
        if answer[0] == 200 and stack:
            _remember_role(stack, params)
            stack["_updated"] = True
            stack.setdefault("_tokens", {})[_p(params, "ClientRequestToken")] = params
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


def install():
    patching.requires(cloudformation, "_stacks", "_stack_events")
    patching.requires(handlers, "_resolve_stack", "_xml")
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
                         ("DeleteStack", _delete_stack)):
        patching.entry(table, action, make, where=where)
