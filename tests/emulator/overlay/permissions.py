"""Owns with whose permissions CloudFormation acts, and what it needs them for.

AWS facts:
* An operation runs with the stack's service role, else with the permissions of the
  caller (API_UpdateStack, RoleARN). What they may not do fails the resource.
* A group's launch template needs `ec2:RunInstances` of whoever sets it, else "You are
  not authorized to use launch template: lt-…" (Auto Scaling user guide, "Control Amazon
  EC2 launch template usage"); a parameter image needs `ssm:GetParameters` as well.
* A typed parameter whose existence may not be checked counts as not existing.
* Drift detection reads with the caller's permissions.
Enforced for AWS::EC2::LaunchTemplate, AWS::AutoScaling::AutoScalingGroup, SSM- and
image-typed parameters, and drift of these plus AWS::SSM::Parameter. Other resource
types are made without asking. iam:PassRole is never asked for.
"""

import contextvars

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam

from . import calls, drift, groups, launch_templates, patching, stack_parameters, stack_resources
from .wire import ApiError

#: The service role that the running stack operation assumed; "" for the caller's own.
ROLE = contextvars.ContextVar("overlay_service_role", default="")

_TEMPLATE = "AWS::EC2::LaunchTemplate"


def parameter_arn(name, region="", account=""):
    if name.startswith("arn:"):
        return name
    return (f"arn:aws:ssm:{region or get_region()}:{account or get_account_id()}:"
            f"parameter/{name.split(':')[0].lstrip('/')}")


def denial(principal, action, resource, explicit=False):
    why = ("with an explicit deny in an identity-based policy" if explicit
           else f"because no identity-based policy allows the {action} action")
    where = "" if resource == "*" else f" on resource: {resource}"
    return f"User: {principal} is not authorized to perform: {action}{where} {why}"


def _principal():
    """(arn, policies, limits, keys) of whoever acts; policies None for root."""
    role = ROLE.get()
    if role:
        name = role.rsplit("/", 1)[-1]
        arn = f"arn:aws:sts::{get_account_id()}:assumed-role/{name}/AWSCloudFormation"
        return arn, iam_evaluator._gather_role_policies(name, get_account_id()), [], {}
    found = iam_evaluator.resolve_principal(calls.ACCESS_KEY.get(), get_account_id())
    if isinstance(found, iam_evaluator.AuthError):
        return "anonymous", [], [], {}
    return found.arn, found.policies, found.limits, found.keys


def caller():
    return _principal()[0]


def allowed(action, resource):
    if not app.AUTH or not (ROLE.get() or calls.ACCESS_KEY.get()):
        return True
    arn, policies, limits, keys = _principal()
    if policies is None:
        return True
    context = iam_evaluator.EvalContext(
        principal_arn=arn, principal_type="AssumedRole", principal_account=get_account_id(), action=action,
        resource_arn=resource, region=get_region(), principal_keys=keys, service_context={
            "aws:tagkeys": None, "aws:calledvia": ["cloudformation.amazonaws.com"],
            "aws:calledviafirst": "cloudformation.amazonaws.com",
            "aws:calledvialast": "cloudformation.amazonaws.com", "aws:viaawsservice": "true"})
    return iam_evaluator.evaluate(context, policies, *limits).decision == "Allow"


def role_refusal(role_arn, principal, action, resource):
    """Why a role that a service has assumed as `principal` may not do this; "" if it may."""
    if not app.AUTH:
        return ""
    name = role_arn.rsplit("/", 1)[-1]
    context = iam_evaluator.EvalContext(
        principal_arn=principal, principal_type="AssumedRole", principal_account=get_account_id(), action=action,
        resource_arn=resource, region=get_region())
    decision = iam_evaluator.evaluate(
        context, iam_evaluator._gather_role_policies(name, get_account_id()),
        *iam_evaluator._permissions_boundary(iam._roles, name, get_account_id())).decision
    return "" if decision == "Allow" else denial(principal, action, resource, explicit=decision == "Deny")


def _require(service, action, *resources):
    for resource in resources:
        if not allowed(action, resource):
            raise stack_resources.failure(
                ApiError("AccessDenied", denial(caller(), action, resource), 403), service, "AccessDenied")


def _arn(kind, name):
    return f"arn:aws:ec2:{get_region()}:{get_account_id()}:{kind}/{name}"


def _may_launch(version):
    """The dry run of a group's launch template, with the permissions of whoever sets it."""
    data = version["LaunchTemplateData"]
    image_id = launch_templates.resolve_image(data["ImageId"])
    resources = [f"arn:aws:ec2:{get_region()}::image/{image_id}", _arn("launch-template", version["LaunchTemplateId"]),
                 *(_arn(kind, "*") for kind in ("instance", "volume", "network-interface"))]
    reading = ([("ssm:GetParameters", parameter_arn(data["ImageId"].split("resolve:ssm:")[1]))]
               if launch_templates.is_alias(data["ImageId"]) else [])
    for action, resource in [("ec2:RunInstances", r) for r in resources] + reading:
        if not allowed(action, resource):
            raise ApiError("AccessDenied",
                           f"You are not authorized to use launch template: {version['LaunchTemplateId']}", 403)


def _template_create(original):
    def create(logical_id, props, stack_name):
        _require("Ec2", "ec2:CreateLaunchTemplate", _arn("launch-template", "*"))
        return original(logical_id, props, stack_name)
    return create


def _template_update(original):
    def update(physical_id, *args):
        _require("Ec2", "ec2:CreateLaunchTemplateVersion", _arn("launch-template", physical_id))
        _require("Ec2", "ec2:DescribeLaunchTemplates", "*")
        return original(physical_id, *args)
    return update


def _group_create(original):
    def create(*args):
        _require("AutoScaling", "autoscaling:CreateAutoScalingGroup", "*")
        _require("AutoScaling", "autoscaling:DescribeAutoScalingGroups", "*")
        return original(*args)
    return create


def _group_update(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        group = groups.autoscaling._asgs.get(physical_id)
        arn = group["AutoScalingGroupARN"] if group else "*"
        try:
            _require("AutoScaling", "autoscaling:UpdateAutoScalingGroup", arn)
            _require("AutoScaling", "autoscaling:DescribeAutoScalingGroups", "*")
            if "AutoScalingInstanceRefresh" in stack_resources.update_policy(logical_id, stack_name):
                _require("AutoScaling", "autoscaling:StartInstanceRefresh", arn)
                _require("AutoScaling", "autoscaling:DescribeInstanceRefreshes", "*")
        except stack_resources.ResourceFailure:
            if group is not None and group.get("_refused") != old_props:
                group["_refused"] = new_props
                raise
            # The rollback of what was never changed needs no permission.
        return original(physical_id, old_props, new_props, stack_name, logical_id)
    return update


def _typed_parameters(original):
    def rejected(template, values):
        if any(d.get("Type") in stack_parameters._IMAGE_TYPES for d in (template.get("Parameters") or {}).values()) \
                and not allowed("ec2:DescribeImages", "*"):
            key, value = next((k, values[k]["Value"]) for k, d in template["Parameters"].items()
                              if d.get("Type") in stack_parameters._IMAGE_TYPES)
            return (f"Parameter validation failed: parameter value {value} for parameter name {key} "
                    "does not exist")
        return original(template, values)
    return rejected


def _readable(stack, record):
    needs = {"AWS::AutoScaling::AutoScalingGroup": ("autoscaling:DescribeAutoScalingGroups", "*"),
             _TEMPLATE: ("ec2:DescribeLaunchTemplates", "*"),
             "AWS::SSM::Parameter": ("ssm:GetParameters", parameter_arn(record.get("PhysicalResourceId", "")))}
    action, resource = needs.get(record["ResourceType"], ("", ""))
    if action and not allowed(action, resource):
        raise PermissionError(denial(caller(), action, resource))


def _fetchable(name):
    if not allowed("ssm:GetParameters", parameter_arn(name)):
        # A ValidationError, as recorded in aws/aws-cdk#20959.
        raise ValueError("AccessDenied. User doesn't have permission to call ssm:GetParameters")


def install():
    patching.requires(iam_evaluator, "resolve_principal", "evaluate", "EvalContext", "AuthError",
                      "_gather_role_policies", "_permissions_boundary")
    patching.requires(iam, "_roles")
    provisioners = stack_resources.provisioners._RESOURCE_HANDLERS
    if _TEMPLATE not in provisioners:
        raise patching.PatchError(f"provisioners._RESOURCE_HANDLERS has no entry {_TEMPLATE!r} any more")
    for kind, key, make in ((_TEMPLATE, "create", _template_create), (_TEMPLATE, "update", _template_update),
                            (stack_resources.GROUP, "create", _group_create),
                            (stack_resources.GROUP, "update", _group_update)):
        patching.entry(provisioners[kind], key, make, where=f"provisioners._RESOURCE_HANDLERS[{kind!r}]")
    patching.attribute(stack_parameters, "rejected", _typed_parameters)
    groups.on_validate.append(_may_launch)
    drift.on_read.append(_readable)
    stack_parameters.on_fetch.append(_fetchable)
