"""Owns the order in which the patches are applied."""

from . import (calls, control, drift, faults, groups, groups_api, images, images_describe, instances,
               launch_templates, refresh, stack_operations, stack_parameters, stack_resources)

MODULES = (images, images_describe, launch_templates, instances, groups, groups_api, refresh,
           stack_resources, stack_parameters, stack_operations, drift, calls, faults, control)


def everything():
    for module in MODULES:
        module.install()
