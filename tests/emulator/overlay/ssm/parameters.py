"""Owns PutParameter: `aws:ec2:image` values are validated after the answer, 100 versions are kept; and parameter tags.

AWS facts:
* `aws:ec2:image` is validated asynchronously: the call answers 200 with a version. The value appears later, or never if
  the image does not exist or the caller may not ec2:DescribeImages; then a "Parameter Store Change" event says "Unable
  to Describe Resource" (API_PutParameter; user guide, "Using native parameter support ... for AMI IDs" and its
  troubleshooting page).
* The data type of a parameter cannot be changed to or from aws:ec2:image (user guide, "Parameter data types";
  bottlerocket-os/twoliter#495, terraform-provider-aws#35959).
* 100 versions are kept; when the oldest carries a label the call is refused (user guide, "Working with parameter
  versions").
* While a parameter is being created, a second creation of it is TooManyUpdates with an empty message, and not
  ParameterAlreadyExists (hashicorp/terraform-provider-aws#1082, airbnb/streamalert#682).
* Tags of a parameter that does not exist are InvalidResourceId, without a message (getmoto/moto#4360, recorded). Tags
  are the parameter's, not its version's: an overwrite keeps them.
Unsure:
* An overwrite without DataType keeps the data type (done here); the text of the refusal to change it.
"""

import copy
import json

from ministack.core.responses import error_response_json, json_response
from ministack.services import eventbridge, ssm

from overlay import patching
from overlay.background import later
from overlay.control import calls
from overlay.control.settings import SETTINGS
from overlay.ec2 import images
from overlay.iam import permissions

_IMAGE = "aws:ec2:image"
_VERSIONS = 100


#: The latest creation of each (account, region, name).
_CREATIONS: dict[tuple[str, str, str], calls.Call] = {}


def _put(original):
    def put(data):
        name = data.get("Name") or ""
        existing = ssm._parameters.get(name)
        kind = data.get("DataType") or (existing or {}).get("DataType") or "text"
        if existing and kind != existing["DataType"] and _IMAGE in (kind, existing["DataType"]):
            return error_response_json(
                "ValidationException", f"The data type of parameter {name} cannot be changed from "
                                       f"{existing['DataType']} to {kind}.", 400)
        history = ssm._parameter_history.get(name) or []
        if existing and data.get("Overwrite") and len(history) >= _VERSIONS:
            if history[0].get("Labels"):
                return error_response_json(
                    "ParameterMaxVersionLimitExceeded",
                    f"You attempted to create a new version of {name} by calling the PutParameter API with "
                    f"the overwrite flag. Version {history[0]['Version']}, the oldest version, can't be "
                    "deleted because it has a label associated with it. Move the label to another version "
                    "of the parameter, and try again.", 400)
            del history[0]
        data = {**data, "DataType": kind}
        if kind != _IMAGE:
            return original(data)
        before = (copy.deepcopy(existing), copy.deepcopy(history))
        answer = original(data)
        if answer[0] == 200:
            _restore(name, *before)
            later(SETTINGS.parameter, _validate, original, data, "Update" if existing else "Create",
                  of=("parameter", (name, permissions.parameter_arn(name))))
        return answer
    return put


async def _one_creation_at_a_time(call, request):
    if (call.service, call.action) != ("ssm", "PutParameter"):
        return None
    try:
        name = str(json.loads(request.body).get("Name"))
    except (ValueError, AttributeError):
        return None
    if name in ssm._parameters:
        return None
    earlier = _CREATIONS.setdefault((call.account, call.region, name), call)
    if earlier is not call and not earlier.status:
        return error_response_json("TooManyUpdates", "", 400)
    _CREATIONS[call.account, call.region, name] = call
    return None


def _of_existing(original):
    def tags(data):
        if data.get("ResourceType") == "Parameter" and not ssm._lookup_parameter(data.get("ResourceId") or "")[1]:
            return json_response({"__type": "InvalidResourceId"}, 400)
        return original(data)
    return tags


def _restore(name, record, history):
    if record is None:
        ssm._parameters.pop(name, None)
        ssm._parameter_history.pop(name, None)
    else:
        ssm._parameters[name] = record
        ssm._parameter_history[name] = history


def _validate(original, data, operation):
    if images.seen(data["Value"]) and permissions.allowed("ec2:DescribeImages", "*"):
        original(data)
        return
    eventbridge._put_events({"Entries": [{
        "Source": "aws.ssm", "DetailType": "Parameter Store Change",
        "Resources": [permissions.parameter_arn(data["Name"])],
        "Detail": json.dumps({"exception": "Unable to Describe Resource", "dataType": _IMAGE,
                              "name": data["Name"], "type": "String", "operation": operation})}]},
        allow_aws_source=True)


def install():
    calls.before.append(_one_creation_at_a_time)
    patching.requires(ssm, "_parameters", "_parameter_history", "_lookup_parameter")
    # The dispatch table is built per request from the module's names.
    patching.attribute(ssm, "_put_parameter", _put)
    for name in ("_add_tags_to_resource", "_remove_tags_from_resource", "_list_tags_for_resource"):
        patching.attribute(ssm, name, _of_existing)
