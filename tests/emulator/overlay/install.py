"""Owns the order in which the patches are applied: a later one wraps an earlier one."""

from . import (authorization, branches, calls, control, delivery, drift, faults, groups, groups_api, history, images,
               images_describe, instances, launch_templates, parameters, permissions, queries, refresh, runner,
               stack_operations, stack_parameters, stack_resources, tasks, workflows)

MODULES = (
    images, images_describe, launch_templates, instances,
    groups, groups_api, refresh,
    stack_resources, stack_parameters, stack_operations, drift,
    parameters,
    history, runner, queries, tasks, branches, workflows, delivery,
    permissions, authorization,
    calls, faults, control,
)


def everything():
    for module in MODULES:
        module.install()
