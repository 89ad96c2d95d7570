"""Owns the knobs: how long things take that take minutes on AWS.

Every knob is an environment variable `OVERLAY_*` in seconds. The defaults keep
each intermediate state observable and a test run short.
"""

import os
from dataclasses import dataclass, field

from .patching import PatchError


def _seconds(name, default):
    def read():
        text = os.environ.get(name, "")
        try:
            value = float(text) if text else default
        except ValueError:
            raise PatchError(f"{name}={text!r} is not a number of seconds") from None
        if value < 0:
            raise PatchError(f"{name}={text!r} is negative")
        return value
    return field(default_factory=read)


@dataclass
class Settings:
    """Read once, at start. `/_overlay/settings` shows and changes them."""

    #: CreateImage, CopyImage: pending → available.
    image_pending: float = _seconds("OVERLAY_IMAGE_PENDING_SECONDS", 0.3)
    #: pending → running, shutting-down → terminated.
    instance: float = _seconds("OVERLAY_INSTANCE_SECONDS", 0.2)
    #: A group notices a dead instance, or retries a failed launch, after this.
    heal: float = _seconds("OVERLAY_HEAL_SECONDS", 0.3)
    #: How long a create or update of a stack stays *_IN_PROGRESS, at least.
    stack: float = _seconds("OVERLAY_STACK_SECONDS", 1.0)
    #: How long UPDATE_COMPLETE_CLEANUP_IN_PROGRESS lasts.
    cleanup: float = _seconds("OVERLAY_CLEANUP_SECONDS", 0.2)
    #: CREATE_PENDING and CREATE_IN_PROGRESS of a change set.
    change_set: float = _seconds("OVERLAY_CHANGE_SET_SECONDS", 0.3)
    #: How long CloudFormation waits for a group's instances.
    stabilize: float = _seconds("OVERLAY_STABILIZE_SECONDS", 4.0)
    #: PutParameter of an aws:ec2:image: accepted → validated.
    parameter: float = _seconds("OVERLAY_PARAMETER_SECONDS", 0.1)
    #: DETECTION_IN_PROGRESS.
    drift: float = _seconds("OVERLAY_DRIFT_SECONDS", 0.5)
    #: Pending → InProgress of an instance refresh, and the warm-up of each instance.
    refresh: float = _seconds("OVERLAY_REFRESH_SECONDS", 0.3)
    #: How long a refresh retries a launch before it fails (an hour on AWS).
    refresh_failure: float = _seconds("OVERLAY_REFRESH_FAILURE_SECONDS", 1.0)


SETTINGS = Settings()
