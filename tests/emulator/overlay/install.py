"""Owns the order in which the patches are applied: a later one wraps an earlier one."""

from . import (authorization, branches, calls, change_sets, control, delivery, drift, environments, faults, groups,
               groups_api, history, images, images_describe, instance_profiles, instance_types, instances, invocations,
               launch_templates, machine_roles, parameters, permissions, places, queries, refresh, runner, schedules,
               snapshots, stack_operations, stack_parameters, stack_resources, stack_views, status_events, tasks,
               transforms, workflows)

MODULES = (
    images, images_describe, snapshots, launch_templates, instance_types, instance_profiles, instances,
    groups, groups_api, refresh,
    stack_resources, stack_parameters, stack_operations, stack_views, change_sets, drift,
    parameters,
    history, runner, queries, tasks, places, environments, invocations, branches, workflows, status_events, delivery, schedules,
    permissions, machine_roles, transforms, authorization,
    calls, faults, control,
)


def everything():
    for module in MODULES:
        module.install()
