"""Owns the versions of a function: what a stack publishes and keeps, and what a state machine invokes by them.

AWS facts:
* A version is "a snapshot of your function code and configuration that doesn't change" (API_PublishVersion). Its
  environment variables are part of it, its role's policies are not.
* PublishVersion publishes no version if the function has not been updated since the last one; whether the update has
  changed anything does not matter (same page; getmoto/moto#8379, verified against AWS). A stack's version then fails:
  "A version for this Lambda function exists" (aws/serverless-application-model#3281).
* Everything that a stack's version has is create-only, its description included: another one is a replacement
  (registry schema of AWS::Lambda::Version). A description has 256 characters (same schema).
* A version that is replaced, or that the template no longer has, is deleted unless UpdateReplacePolicy or
  DeletionPolicy retains it (user guide, "Resource attribute reference"). SAM retains the latter only. Deleting the
  function deletes all of them (API_DeleteFunction).
* SAM publishes a version when the text of the function's properties changes. A parameter's value is not in the text
  (aws/serverless-application-model#1640, #3820).
* `lambda:invoke` of a version that is gone fails with Lambda.ResourceNotFoundException.
Unsure:
* The text of a description that is too long.
"""

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from overlay import patching
from overlay.cloudformation import registry, stack_resources

_VERSION = "AWS::Lambda::Version"


def _require(logical_id, props):
    description = str(props.get("Description") or "")
    longest = registry.schema(_VERSION)["properties"]["Description"]["maxLength"]
    if len(description) > longest:
        raise stack_resources.ResourceFailure(
            f"Properties validation failed for resource {logical_id} with message:\n"
            f"[#/Description: expected maxLength: {longest}, actual: {len(description)}]")


def _create(original):
    def create(logical_id, props, stack_name):
        _require(logical_id, props)
        return original(logical_id, props, stack_name)
    return create


def _update(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        _require(logical_id, new_props)
        return original(physical_id, old_props, new_props, stack_name, logical_id)
    return update


def install():
    patching.requires(lambda_svc, "_publish_version", "_effective_func_record_for_qualifier")
    handlers = provisioners._RESOURCE_HANDLERS.get(_VERSION, {})
    for key, make in (("create", _create), ("update", _update)):
        patching.entry(handlers, key, make, where=f"provisioners._RESOURCE_HANDLERS[{_VERSION!r}]")
