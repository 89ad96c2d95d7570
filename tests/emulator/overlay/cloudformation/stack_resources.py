"""Owns how CloudFormation creates, updates and deletes Auto Scaling groups.

AWS facts:
* CloudFormation calls the service, and the service's refusal is the resource's reason: `Resource handler returned
  message: "… (Service: AutoScaling, Status Code: 400, Request ID: …)" (RequestToken: …, HandlerErrorCode:
  InvalidRequest)`.
* A group is complete when its instances are in service; else "Group did not stabilize".
* Without an UpdatePolicy an update changes the group and leaves running instances as they are.
  AutoScalingRollingUpdate and AutoScalingInstanceRefresh replace them when the launch template, the VPC zones or the
  mixed instances policy change (aws-attribute-updatepolicy). MinInstancesInService must be less than MaxSize.
* AutoScalingReplacingUpdate with WillReplace makes a new group of another name, and deletes the old one in the cleanup
  phase (aws-attribute-updatepolicy; buildkite/elastic-ci-stack-for-aws#764, coverage-roadmap#1475).
* When the update of a group fails, CloudFormation restores its previous properties.
"""

import contextvars
import copy
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import autoscaling, cloudformation
from ministack.services.cloudformation import engine, provisioners, stacks

from overlay import patching
from overlay.autoscaling import groups, groups_api, refresh
from overlay.background import on_loop, wait_for
from overlay.control.settings import SETTINGS
from overlay.wire import ApiError

GROUP = "AWS::AutoScaling::AutoScalingGroup"
#: What an UpdatePolicy watches.
_REPLACING = ("LaunchTemplate", "LaunchConfigurationName", "MixedInstancesPolicy",
              "VPCZoneIdentifier", "AvailabilityZones")

#: The template that the running stack operation applies, and its parameters: an UpdatePolicy is an
#: attribute of the resource, and provisioners only see properties.
OPERATION: contextvars.ContextVar[tuple[dict[str, Any], dict[str, Any]] | None] = contextvars.ContextVar(
    "overlay_stack_operation", default=None)


class ResourceFailure(ValueError):
    """A resource that could not be made or changed, in CloudFormation's words."""


def failure(error, service="AutoScaling", code="InvalidRequest"):
    if error.code == "AccessDenied":
        code = "AccessDenied"
    return ResourceFailure(
        f'Resource handler returned message: "{error.message} (Service: {service}, Status Code: '
        f'{error.status}, Request ID: {new_uuid()})" (RequestToken: {new_uuid()}, HandlerErrorCode: {code})')


def _stuck(message):
    return ResourceFailure(
        f'Resource handler returned message: "{message}" (RequestToken: {new_uuid()}, '
        "HandlerErrorCode: NotStabilized)")


def _source(props):
    """The properties' launch source, with ids and names as the service keeps them."""
    mixed = copy.deepcopy(props.get("MixedInstancesPolicy") or {})
    if mixed:
        inner = mixed.get("LaunchTemplate") or {}
        inner["LaunchTemplateSpecification"] = groups.normalize_spec(
            inner.get("LaunchTemplateSpecification"))
    spec = props.get("LaunchTemplate") or {}
    if spec and str(spec.get("Version", "")) in ("", "$Latest", "$Default"):
        # aws-properties-autoscaling-autoscalinggroup-launchtemplatespecification: the
        # version must be a number (coverage-roadmap#295).
        raise ApiError("ValidationError",
                       "CloudFormation requires a launch template version number; "
                       "$Latest and $Default are not supported")
    return {"LaunchTemplate": groups.normalize_spec(spec), "MixedInstancesPolicy": mixed}


def _check(props, previous=None):
    """Everything the service would refuse, before anything is changed."""
    source = _source(props)
    groups.validate_spec(groups.template_spec(source))
    low, high = int(props.get("MinSize", 0)), int(props.get("MaxSize", 0))
    desired = _desired(props, previous)
    groups.validate_sizes(low, high, desired)
    return source, desired


def _desired(props, previous):
    if props.get("DesiredCapacity") not in (None, ""):
        return int(props["DesiredCapacity"])
    low, high = int(props.get("MinSize", 0)), int(props.get("MaxSize", 0))
    return low if previous is None else min(max(previous, low), high)


def _extras(props):
    return {k: int(props[k]) for k in ("DefaultInstanceWarmup", "MaxInstanceLifetime") if k in props}


def _create(original):
    def create(logical_id, props, stack_name):
        def make():
            source, desired = _check(props)
            name, attributes = original(logical_id, {**props, "DesiredCapacity": desired}, stack_name)
            autoscaling._asgs[name].update({**source, **_extras(props)})
            groups.nudge(name)
            return name, attributes
        try:
            name, attributes = on_loop(make)
        except ApiError as error:
            raise failure(error) from None
        try:
            _stabilize(name)
        except ResourceFailure:
            on_loop(groups_api.drop, name)
            raise
        return name, attributes
    return create


def _stabilize(name):
    def settled():
        group = autoscaling._asgs[name]
        return len(groups.in_service(group)) >= group["DesiredCapacity"]
    if not wait_for(settled, SETTINGS.stabilize, lambda: groups.pending(autoscaling._asgs[name])):
        group = autoscaling._asgs[name]
        message = (f"Group did not stabilize. {{current/minSize/group}} size = "
                   f"{{{len(groups.in_service(group))}/{group['MinSize']}/{group['DesiredCapacity']}}}.")
        failed = next((a for a in group.get("Activities", []) if a["StatusCode"] == "Failed"), None)
        if failed:
            message += f" Failed Scaling Activity: {failed['StatusMessage']}."
        raise _stuck(message)


def update_policy(logical_id, stack_name):
    """The resolved UpdatePolicy of the operation's template for a resource; {} if none."""
    operation = OPERATION.get()
    if not operation or not logical_id:
        return {}
    stack = cloudformation._stacks.get(stack_name) or {}
    template, params = operation
    policy = (template.get("Resources", {}).get(logical_id) or {}).get("UpdatePolicy")
    if not policy:
        return {}
    return engine._resolve_refs(
        copy.deepcopy(policy), stack.get("_resources", {}), params,
        engine._evaluate_conditions(template, params), template.get("Mappings", {}), stack_name,
        stack.get("StackId", ""))


def _update(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        policy = update_policy(logical_id, stack_name)
        rolling = policy.get("AutoScalingRollingUpdate")
        refreshing = policy.get("AutoScalingInstanceRefresh")
        replacing = any(old_props.get(k) != new_props.get(k) for k in _REPLACING)
        group = autoscaling._asgs.get(physical_id) or {}
        if group.pop("_refused", None) == old_props:
            # The rollback of an update that was refused before it changed anything.
            return physical_id, {}
        if (rolling is not None and replacing and int(rolling.get("MinInstancesInService", 0) or 0)
                >= int(new_props.get("MaxSize", 0))):
            group["_refused"] = new_props
            raise ResourceFailure("MinInstancesInService must be less than the autoscaling group's MaxSize")
        if replacing and _is_true((policy.get("AutoScalingReplacingUpdate") or {}).get("WillReplace")):
            return _replace(group, new_props, stack_name, logical_id)

        def change():
            group = autoscaling._asgs.get(physical_id)
            before = group["DesiredCapacity"] if group else None
            source, desired = _check(new_props, before)
            if group:
                groups_api.check_refresh_allows(
                    group, old_props.get("LaunchTemplate") != new_props.get("LaunchTemplate"))
            answer = original(physical_id, old_props, {**new_props, "DesiredCapacity": desired},
                              stack_name, logical_id)
            autoscaling._asgs[answer[0]].update({**source, **_extras(new_props)})
            groups.nudge(answer[0])
            return answer
        try:
            name, attributes = on_loop(change)
        except ApiError as error:
            group["_refused"] = new_props
            raise failure(error) from None
        if name == physical_id and replacing and refreshing is not None:
            _instance_refresh(name, refreshing)
        elif name == physical_id and replacing and rolling is not None:
            _rolling_update(name, rolling)
        else:
            _stabilize(name)
        return name, attributes
    return update


def _is_true(value):
    return str(value).lower() == "true"


def _replace(group, new_props, stack_name, logical_id):
    """The new group; the stack deletes the old one in its cleanup phase, as another physical id is another resource."""
    create = provisioners._RESOURCE_HANDLERS[GROUP]["create"]
    try:
        return provisioners._seeded_create(create, logical_id, new_props, stack_name)
    except ResourceFailure:
        group["_refused"] = new_props
        raise


def _instance_refresh(name, policy):
    """UpdatePolicy AutoScalingInstanceRefresh: CloudFormation starts one and waits."""
    preferences = {k: v for k, v in (policy.get("Preferences") or policy).items()
                   if k in ("MinHealthyPercentage", "MaxHealthyPercentage", "InstanceWarmup", "SkipMatching")}
    try:
        # SkipMatching defaults to true here, unlike in the API (aws-attribute-updatepolicy).
        record = on_loop(refresh.begin, autoscaling._asgs[name], {"SkipMatching": True, **preferences}, {},
                         "Started by CloudFormation.")
    except ApiError as error:
        raise failure(error) from None
    # Whatever it comes to, it ends.
    wait_for(lambda: record["Status"] not in refresh.ACTIVE, 0, lambda: True)
    if record["Status"] != "Successful":
        raise _stuck(f"Instance refresh {record['InstanceRefreshId']} {record['Status']}. "
                     f"{record['StatusReason']}")


def _rolling_update(name, policy):
    """UpdatePolicy AutoScalingRollingUpdate: batches, terminate first, then wait."""
    batch = max(1, int(policy.get("MaxBatchSize", 1) or 1))
    group = autoscaling._asgs[name]
    queue = on_loop(groups.active, group)
    while queue:
        now, queue = queue[:batch], queue[batch:]

        def swap(members=now):
            for member in members:
                groups.retire(group, member, "Rolling update initiated by CloudFormation.")
            groups.reconcile(name)
        on_loop(swap)
        _stabilize(name)


def _delete(original):
    def delete(physical_id, props):
        def begin():
            group = autoscaling._asgs.get(physical_id)
            if group is not None:
                group.update(_deleting=True, DesiredCapacity=0)
                groups.reconcile(physical_id)
        on_loop(begin)
        wait_for(lambda: not (autoscaling._asgs.get(physical_id) or {}).get("Instances"),
                 SETTINGS.stabilize)
        on_loop(original, physical_id, props)
    return delete


def install():
    patching.requires(engine, "_resolve_refs", "_evaluate_conditions")
    handlers = provisioners._RESOURCE_HANDLERS.get(GROUP)
    if handlers is None or not handlers.get("update_with_logical_id"):
        raise patching.PatchError(f"provisioners._RESOURCE_HANDLERS[{GROUP!r}] has changed its form")
    where = f"provisioners._RESOURCE_HANDLERS[{GROUP!r}]"
    for key, make in (("create", _create), ("update", _update), ("delete", _delete)):
        patching.entry(handlers, key, make, where=where)
    # A replacement calls the module's functions, not the table's.
    patching.requires(provisioners, "_asg_create", "_asg_update", "_asg_delete", "_seeded_create")
    # Groups take time, so they are made on a thread of their own.
    patching.attribute(stacks, "_runs_on_worker_thread", lambda original: (
        lambda resource_type: resource_type == GROUP or original(resource_type)))
    patching.attribute(stacks, "_sends_back_failed_update", lambda original: (
        lambda resource_type: resource_type == GROUP or original(resource_type)))
