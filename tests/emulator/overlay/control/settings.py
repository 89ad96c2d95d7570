"""Owns the knobs: how long operations take that take minutes on AWS.

Every knob is an environment variable `OVERLAY_*` in seconds. The defaults keep each intermediate state observable and a
test run short. The control API changes them for one account and region, as all tests share the server.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region

from overlay.patching import PatchError


def _seconds(name: str, default: float) -> Any:
    def read() -> float:
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
    """The server's, read once, at start."""

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


class _InForce:
    """What counts for the account and region at work: their own settings, else the server's."""

    def __init__(self, server: Settings) -> None:
        self._server = server
        self._own: dict[tuple[str, str], dict[str, float]] = {}

    def __getattr__(self, name: str) -> float:
        servers: float = getattr(self._server, name)
        return self._of_scope().get(name, servers)

    def _of_scope(self) -> dict[str, float]:
        return self._own.get((get_account_id(), get_region()), {})

    def all(self) -> dict[str, float]:
        return {**dataclasses.asdict(self._server), **self._of_scope()}

    def change(self, values: Mapping[str, Any]) -> None:
        """Change some for this account and region; `ValueError` for an unknown one or no number of seconds."""
        unknown = sorted(set(values) - {f.name for f in dataclasses.fields(self._server)})
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(unknown)}")
        times = {name: float(value) for name, value in values.items()}
        if min(times.values(), default=0) < 0:
            raise ValueError("a time is negative")
        self._own[(get_account_id(), get_region())] = {**self._of_scope(), **times}

    def put_back(self) -> None:
        """Let the server's count again for this account and region."""
        self._own.pop((get_account_id(), get_region()), None)


SETTINGS = _InForce(Settings())
