"""Owns the order of the patches: a later one wraps an earlier one."""

from overlay.autoscaling import groups, groups_api, refresh
from overlay.backup import recovery_points
from overlay.cloudformation import (
    change_sets,
    drift,
    stack_operations,
    stack_parameters,
    stack_resources,
    stack_views,
    transforms,
)
from overlay.control import api as control_api
from overlay.control import calls, faults
from overlay.ec2 import images, images_describe, instance_types, instances, launch_templates, snapshots
from overlay.events import delivery, schedules
from overlay.iam import authorization, instance_profiles, machine_roles, permissions
from overlay.lambda_ import environments, invocations, places, versions
from overlay.ssm import parameters
from overlay.states import (
    branches,
    distributed,
    history,
    limits,
    nested,
    publishing,
    queries,
    recordings,
    runner,
    status_events,
    tasks,
    workflows,
)

MODULES = (
    images, images_describe, snapshots, launch_templates, instance_types, instance_profiles, instances,
    groups, groups_api, refresh, recovery_points,
    stack_resources, stack_parameters, stack_operations, stack_views, change_sets, drift,
    parameters, versions,
    history, runner, queries, tasks, places, environments, invocations, branches, distributed, workflows,
    nested, publishing, limits, status_events,
    recordings,
    delivery, schedules,
    permissions, machine_roles, transforms, authorization,
    calls, faults, control_api,
)


def everything() -> None:
    for module in MODULES:
        module.install()
