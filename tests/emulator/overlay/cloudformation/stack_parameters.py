"""Owns how CloudFormation checks the parameters of a request.

AWS facts:
* `Parameters: [A, B] must have values` (openedx-unsupported/configuration#1993), `Parameters: [A] do not exist in the
  template` (aws-samples/amazon-ec2-image-builder-samples#18).
* UsePreviousValue is refused for a key that the previous template did not have.
* A parameter of type AWS::SSM::Parameter::Value<…> whose parameter is missing: `Unable to fetch parameters […] from
  parameter store for this account.`
* A value of type AWS::EC2::Image::Id must exist. CloudFormation checks it after it has accepted the call: the *stack*
  rolls back with `Parameter validation failed: parameter value … for parameter name … does not exist.`, and no resource
  has failed.
* Every operation fetches a parameter of type AWS::SSM::Parameter::Value<…> again, with UsePreviousValue too (user
  guide, "SSM parameter types"). Systems Manager's own permissions apply, see `iam.permissions`.
"""

import contextvars
from collections.abc import Callable

from ministack.services import ssm
from ministack.services.cloudformation import changesets, engine, handlers, stacks

from overlay import patching
from overlay.ec2 import images

#: Called with the name of a parameter that a typed value is about to be fetched from.
on_fetch: list[Callable[[str], None]] = []

#: Whether the operation takes a processed template, in which parameters are resolved already.
FROZEN = contextvars.ContextVar("overlay_frozen_parameters", default=False)

_IMAGE_TYPES = ("AWS::EC2::Image::Id", "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>")


class Fetched(str):
    """A value from the parameter store, which knows whose value it is."""

    name = ""


def _fetched(resolved):
    for value in resolved.values():
        if value.get("SsmName"):
            value["Value"] = Fetched(value["Value"])
            value["Value"].name = value["SsmName"]
    return resolved


def _checked(original):
    def resolve(template, provided_params, previous_params=None):
        declared = template.get("Parameters") or {}
        given = {p["Key"]: p for p in provided_params if "Key" in p}
        if given and not declared:
            raise ValueError("Parameter values specified for a template which does not require them.")
        unknown = [k for k in given if k not in declared]
        if unknown:
            raise ValueError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
        for key, parameter in given.items():
            if parameter.get("UsePreviousValue") and key not in (previous_params or {}):
                raise ValueError(f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as "
                                 "true for a parameter key not in the previous template")
        missing = [k for k, d in declared.items() if k not in given and "Default" not in d]
        if missing:
            raise ValueError(f"Parameters: [{', '.join(missing)}] must have values")
        absent = []
        for key, definition in declared.items():
            if not str(definition.get("Type", "")).startswith("AWS::SSM::Parameter::Value<"):
                continue
            parameter = given.get(key) or {}
            name = parameter.get("Value") or definition.get("Default", "")
            if parameter.get("UsePreviousValue"):
                name = (previous_params or {}).get(key, {}).get("SsmName", name)
            for check in on_fetch:
                check(name)
            if ssm.resolve_parameter_value(name) is None:
                absent.append(name)
        if absent:
            raise ValueError(f"Unable to fetch parameters [{','.join(absent)}] from parameter store "
                             "for this account.")
        resolved = _fetched(original(template, provided_params, previous_params))
        if FROZEN.get():
            resolved.update({k: v for k, v in (previous_params or {}).items() if k in resolved})
        return resolved
    return resolve


def rejected(template, values):
    """Why the operation must not begin: a typed value that does not exist; '' if none."""
    for key, definition in (template.get("Parameters") or {}).items():
        value = (values.get(key) or {}).get("Value", "")
        if definition.get("Type") in _IMAGE_TYPES and not images.seen(value):
            return (f"Parameter validation failed: parameter value {value} for parameter name {key} "
                    "does not exist")
    return ""


async def roll_back(stack_name, stack_id, stack, template, values, is_update, previous, reason):
    """End an operation that never began, with the reason on the stack itself."""
    operation = stacks._failed_operation(is_update, previous, [], None, None, [], False, template, values,
                                         False, stack.get("Tags") or [], (previous or {}).get("Tags") or [])
    await stacks._roll_back_operation(stack_name, stack_id, stack, operation,
                                      reason_override=f"{reason}. Rollback requested by user.")


def install():
    patching.requires(stacks, "_failed_operation", "_roll_back_operation")
    for module in (engine, handlers, changesets):
        patching.attribute(module, "_resolve_parameters", _checked)
