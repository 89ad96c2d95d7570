"""Owns change sets: they take time, list what an update would change, and refuse what AWS refuses.

AWS facts:
* CREATE_PENDING, CREATE_IN_PROGRESS, then CREATE_COMPLETE or FAILED (API_CreateChangeSet). Until then a change set can
  neither be executed (saksdirect/nova#10) nor deleted (aws/aws-cdk#26182).
* Nothing to change is FAILED with "The submitted information didn't contain changes. Submit different information to
  create a change set."; with a transform in the template of the request it is "No updates are to be performed."
  (aws/aws-cdk#10650, takomo-io/takomo#112).
* A name belongs to the stack as long as the change set exists. The same request again returns the same change set;
  another request is AlreadyExistsException, "ChangeSet NAME cannot be created due to a mismatch with existing attribute
  ClientToken" (awslabs/landing-zone-accelerator-on-aws#442; `Template` in saksdirect/nova#10, `Parameters` in
  aws-actions/aws-cloudformation-github-deploy#122).
* A stack that cannot be updated is refused as in UpdateStack (realestate-com-au/stackup#48).
* Omitted tags are removed, unlike in UpdateStack (guardian/riff-raff#1379).
* A nested stack is always listed, as `Automatic` (API_ResourceChangeDetail; coverage-roadmap#142).
* A resource whose condition is false is not listed.
* Which properties replace a resource, or may: the type's schema (`registry`). A group whose LaunchTemplate,
  MixedInstancesPolicy or VPCZoneIdentifier changes is Replacement Conditional, RequiresRecreation Conditionally,
  Evaluation Dynamic (real output in code-dot-org#13322).
Unlike AWS:
* Change sets have no before and after values, and no changes inside nested stacks.
Unsure:
* The order in which attributes are compared.
* A typed image that does not exist fails the change set and not the call.
"""

import re

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, provisioners
from ministack.services.cloudformation.helpers import _error, _esc, _extract_members, _extract_string_members, _p, _xml

from overlay import patching
from overlay.background import later
from overlay.cloudformation import registry, stack_operations, stack_parameters, stack_views, transforms
from overlay.control.settings import SETTINGS

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_NO_UPDATES = "No updates are to be performed."
_UNFINISHED = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
#: AWS pages at 1 MB; a client that ignores NextToken must be found out with fewer resources.
_PAGE = 20


def _request(params):
    """What a repeated request is compared by."""
    return {"ClientToken": _p(params, "ClientToken"),
            "Template": _p(params, "TemplateBody") or _p(params, "TemplateURL"),
            "Parameters": _extract_members(params, "Parameters"), "Tags": _extract_members(params, "Tags"),
            "Capabilities": _extract_string_members(params, "Capabilities")}


def _repeated(params, stack):
    """The answer to a name that the stack has already; None if it is new."""
    name = _p(params, "ChangeSetName")
    _, known = changesets._find_change_set(name, stack["StackName"])
    if known is None:
        return None
    then, now = known["_request"], _request(params)
    other = next((key for key in then if then[key] != now[key]), None)
    if other:
        return _error("AlreadyExistsException",
                      f"ChangeSet {name} cannot be created due to a mismatch with existing attribute {other}")
    return _xml(200, "CreateChangeSetResponse",
                f"<CreateChangeSetResult><Id>{known['ChangeSetId']}</Id><StackId>{known['StackId']}</StackId>"
                "</CreateChangeSetResult>")


def _refused(params, stack):
    """Why an UPDATE change set cannot be begun; None if it can."""
    if _p(params, "UsePreviousTemplate").lower() != "true" and not _request(params)["Template"]:
        return _error("ValidationError", "Either Template URL or Template Body must be specified.")
    if stack is None or stack["StackStatus"] == "DELETE_COMPLETE":
        return None
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return _error("ValidationError", f"Stack [{_p(params, 'StackName')}] does not exist")
    return stack_operations.refuse_update(stack) or stack_operations.refuse_role(stack, params)


def _create(original):
    def handle(params):
        stack = handlers._resolve_stack(_p(params, "StackName"))
        if stack and (answer := _repeated(params, stack)):
            return answer
        if _p(params, "ChangeSetType", "UPDATE") == "UPDATE":
            if answer := _refused(params, stack):
                return answer
            params = {"Tags": [""], **params}
        answer = original(params)
        if answer[0] == 200:
            _begin(answer[2].partition(b"<Id>")[2].partition(b"</Id>")[0].decode(), params)
        return answer
    return handle


def _begin(change_set_id, params):
    """Take back what MiniStack has computed at once, and show it later."""
    change_set = cloudformation._change_sets[change_set_id]
    change_set["_request"] = _request(params)
    final = {key: change_set[key] for key in ("Status", "ExecutionStatus", "StatusReason", "Changes")}
    reason = stack_parameters.rejected(change_set["_template"], change_set["_resolved_params"])
    if reason:
        final.update(Status="FAILED", ExecutionStatus="UNAVAILABLE", StatusReason=reason, Changes=[])
    elif final["StatusReason"] == _NO_CHANGES and transforms.GIVEN.get():
        final["StatusReason"] = _NO_UPDATES
    change_set.update(Status="CREATE_PENDING", ExecutionStatus="UNAVAILABLE", StatusReason="", Changes=[])
    of = "change_set", (change_set["ChangeSetName"], change_set_id, change_set["StackName"], change_set["StackId"])

    def begin():
        change_set["Status"] = "CREATE_IN_PROGRESS"
        later(SETTINGS.change_set / 2, change_set.update, final, of=of)
    later(SETTINGS.change_set / 2, begin, of=of)


def _named(params):
    """The parameters with the stack's name in place of its ARN, the change set, or the error."""
    name, stack_name = _p(params, "ChangeSetName"), _p(params, "StackName")
    if not stack_name and not name.startswith("arn:"):
        return params, None, _error("ValidationError",
                                    "StackName must be specified if ChangeSetName is not specified as an ARN.")
    stack = handlers._resolve_stack(stack_name)
    if stack:
        params = {**params, "StackName": [stack["StackName"]]}
    return params, changesets._find_change_set(name, _p(params, "StackName"))[1], None


_EMPTY = re.compile(r"<(StatusReason|Description)></\1>")


def _describe(original):
    def handle(params):
        params, change_set, error = _named(params)
        if error or change_set is None:
            return error or original(params)
        everything = change_set["Changes"]
        page, token, error = changesets._page(everything, params, "DescribeChangeSet", _PAGE)
        if error:
            return error
        change_set["Changes"] = page
        try:
            status, headers, body = original(params)
        finally:
            change_set["Changes"] = everything
        text = _EMPTY.sub("", body.decode())
        text = stack_views.with_parameters(text, change_set["Parameters"], change_set["_resolved_params"])
        return status, headers, text.replace("</DescribeChangeSetResult>",
                                             f"{token}</DescribeChangeSetResult>").encode()
    return handle


def _delete(original):
    def handle(params):
        params, change_set, error = _named(params)
        if error:
            return error
        if change_set and change_set["Status"] in _UNFINISHED:
            return _error("InvalidChangeSetStatus", "An operation on this ChangeSet is currently in progress.")
        return original(params)
    return handle


def _execute(original):
    def handle(params):
        params, change_set, error = _named(params)
        if error:
            return error
        stack = cloudformation._stacks.get((change_set or {}).get("StackName", ""))
        if change_set and change_set["Status"] != "CREATE_COMPLETE":
            return _error("InvalidChangeSetStatus",
                          f"ChangeSet [{_esc(change_set['ChangeSetId'])}] cannot be executed in its current status "
                          f"of [{change_set['Status']}]")
        is_made = stack and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
        if is_made and (answer := stack_operations.refuse_update(stack)):
            return answer
        answer = original(params)
        if answer[0] == 200 and stack:
            stack["_updated"] = True
        return answer
    return handle


def _list(original):
    return lambda params: original(_named({"ChangeSetName": ["arn:"], **params})[0])


def _existing(original):
    """Only resources whose condition holds are compared."""
    def resolve(template, params, *args):
        resolved = original(template, params, *args)
        if not resolved:
            return resolved
        conditions = engine._evaluate_conditions(template, params)
        return {"Resources": {logical_id: resource for logical_id, resource in resolved["Resources"].items()
                              if conditions.get(resource.get("Condition"), True)}}
    return resolve


def _as_published(change):
    """What the type's schema says of the changed properties, in place of MiniStack's table."""
    found = change["ResourceChange"]
    if found["Action"] != "Modify" or found["ResourceType"] == stack_operations.STACK:
        return change
    answers = set()
    for detail in found.get("Details") or []:
        target = detail.get("Target", {})
        if target.get("Attribute") == "Properties" and target.get("Name"):
            target["RequiresRecreation"] = registry.recreation(found["ResourceType"], target["Name"])
            answers.add(target["RequiresRecreation"])
            if target["RequiresRecreation"] == "Conditionally":
                detail["Evaluation"] = "Dynamic"
    if answers:
        found["Replacement"] = ("True" if "Always" in answers else
                                "Conditional" if "Conditionally" in answers else "False")
    return change


def _nested(original):
    """Nested stacks that the comparison left out, in the place that their names have."""
    def diff(old, new, resources=None, *args):
        changes = original(old, new, resources, *args)
        listed = {change["ResourceChange"]["LogicalResourceId"] for change in changes}
        for logical_id in sorted(old.get("Resources", {}).keys() & new.get("Resources", {}).keys() - listed):
            if new["Resources"][logical_id].get("Type") == stack_operations.STACK:
                physical_id = (resources or {}).get(logical_id, {}).get("PhysicalResourceId", "")
                changes.append({"ResourceChange": {
                    "Action": "Modify", "LogicalResourceId": logical_id, "PhysicalResourceId": physical_id,
                    "ResourceType": stack_operations.STACK, "Replacement": "False", "Scope": ["Properties"],
                    "Details": [{"Target": {"Attribute": "Properties", "RequiresRecreation": "Never"},
                                 "Evaluation": "Dynamic", "ChangeSource": "Automatic"}]}})
        changes = [_as_published(change) for change in changes]
        return sorted(changes, key=lambda change: change["ResourceChange"]["LogicalResourceId"])
    return diff


def install():
    table, where = provisioners._REPLACING_PROPERTIES, "provisioners._REPLACING_PROPERTIES"
    for kind in ("AWS::EC2::LaunchTemplate", "AWS::AutoScaling::AutoScalingGroup"):
        patching.new_entry(table, kind, registry.replacing(kind), where=where)
    patching.requires(cloudformation, "_change_sets")
    patching.requires(changesets, "_find_change_set", "_page")
    patching.attribute(changesets, "_resolve_props_for_diff", _existing)
    patching.attribute(changesets, "_diff_resources", _nested)
    where, table = "cloudformation.handlers._ACTION_HANDLERS", handlers._ACTION_HANDLERS
    for action, make in (("CreateChangeSet", _create), ("DescribeChangeSet", _describe), ("ListChangeSets", _list),
                         ("DeleteChangeSet", _delete), ("ExecuteChangeSet", _execute)):
        patching.entry(table, action, make, where=where)
