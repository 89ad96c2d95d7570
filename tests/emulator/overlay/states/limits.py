"""Owns what the API of Step Functions refuses because it is too long, or no name.

AWS facts:
* What a request has must have the length that the service's model gives it: an execution's name 80 characters, its
  input 262,144, the error and the cause of a stopped execution 256 and 32,768, a definition 1,048,576 (botocore's
  model; the text: wolfeidau/buildkite-serverless-agent#37; that a value which the model calls sensitive is not
  repeated: irothschild/stefuna#8).
* A name has no white space, no brackets, no wildcards, none of `"#%\\^|~`$&,;:/` and no control character, else
  InvalidName (quotas, "General quotas").
Unlike AWS:
* What CloudFormation creates, and what an execution starts, is not looked at by the model, only its own call is.
"""

import re

import botocore.session
from ministack.core.responses import error_response_json
from ministack.services import stepfunctions

from overlay import patching

#: The calls that are looked at, each with the function that answers it.
_CALLS = {"CreateStateMachine": "_create_state_machine", "UpdateStateMachine": "_update_state_machine",
          "StartExecution": "_start_execution", "StopExecution": "_stop_execution"}
_NO_NAME = re.compile(r"""[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]""")


def _members(call):
    """The texts of a request: the member, its shape."""
    model = botocore.session.get_session().get_service_model("stepfunctions")
    members = model.operation_model(call).input_shape.members
    return {name: shape for name, shape in members.items() if shape.type_name == "string"}


def _problem(name, value, shape):
    shortest, longest = shape.metadata.get("min", 0), shape.metadata.get("max")
    if longest is not None and len(value) > longest:
        limit = f"less than or equal to {longest}"
    elif len(value) < shortest:
        limit = f"greater than or equal to {shortest}"
    else:
        return None
    shown = "" if shape.metadata.get("sensitive") else f" '{value}'"
    return f"Value{shown} at '{name}' failed to satisfy constraint: Member must have length {limit}"


def _looked_at(call):
    members = _members(call)

    def make(original):
        def answer(data):
            given = {name: data[name] for name in members if isinstance(data.get(name), str)}
            found = [_problem(name, value, members[name]) for name, value in given.items()]
            problems = [problem for problem in found if problem]
            if problems:
                count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
                return error_response_json("ValidationException", f"{count}: {'; '.join(problems)}", 400)
            if _NO_NAME.search(given.get("name", "")):
                return error_response_json("InvalidName", f"Invalid Name: '{given['name']}'", 400)
            return original(data)
        return answer
    return make


def install():
    for call, function in _CALLS.items():
        patching.attribute(stepfunctions, function, _looked_at(call))
