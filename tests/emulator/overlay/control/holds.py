"""Owns holds: operations that stay as they are until the test releases them.

An operation that takes minutes on AWS takes a fraction of a second here, and a test that needs it under way would race
with the clock. A hold stops the operations of one kind on one resource, of one account and region, before their next
step: a stack stays *_IN_PROGRESS, an image pending. It also stops operations that began before the hold was made, if
they have a step left.

`background` asks here before each step; no other module has to know.
"""

import dataclasses
import itertools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ministack.core.responses import get_account_id, get_region

from overlay.control import watch

#: What can be held, and the state that it stays in.
KINDS = {
    "stack": "*_IN_PROGRESS, as it began; *_CLEANUP_IN_PROGRESS if its resources are done",
    "change_set": "CREATE_PENDING; CREATE_IN_PROGRESS if it has begun",
    "drift": "DETECTION_IN_PROGRESS",
    "refresh": "Pending; InProgress if it has begun",
    "image": "pending",
    "parameter": "an aws:ec2:image value that was accepted and does not show yet",
    "instance": "pending, or shutting-down",
}
HOLDS: list["Hold"] = []
_NUMBERS = itertools.count(1)


@dataclasses.dataclass(eq=False)
class Hold:
    """Of the account and region of the request that made it."""

    what: str
    #: A substring of the resource's name, id or ARN; empty: any.
    resource: str = ""
    id: int = dataclasses.field(init=False, default_factory=_NUMBERS.__next__)
    account: str = dataclasses.field(init=False, default_factory=get_account_id)
    region: str = dataclasses.field(init=False, default_factory=get_region)
    #: The operations that it holds now.
    held: list["_Operation"] = dataclasses.field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.what not in KINDS:
            raise ValueError(f"what {self.what!r} is none of {', '.join(KINDS)}")

    def is_of(self, what: str, names: Sequence[str]) -> bool:
        return self.what == what and any(self.resource in name for name in names)

    def described(self) -> dict[str, Any]:
        return {"id": self.id, "what": self.what, "resource": self.resource,
                "waiting": [operation.name for operation in self.held]}

    def released(self) -> list["_Operation"]:
        """What was held, and is not any more."""
        operations, self.held = self.held, []
        return operations


@dataclasses.dataclass
class _Operation:
    """One that is held before its next step."""

    name: str
    #: Asks again whether it may take the step.
    again: Callable[[], object]
    #: Takes the step, whatever holds there are.
    on: Callable[[], object]


def add(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or "what" not in body:
        raise ValueError('the body must be {"what": …, "resource": …}')
    if not isinstance(body.get("resource", ""), str):
        raise TypeError("resource is part of a name")
    hold = Hold(**body)
    HOLDS.append(hold)
    return hold.described()


def listed() -> list[dict[str, Any]]:
    return [hold.described() for hold in _own()]


def reached(number: int, timeout: float) -> Coroutine[Any, Any, dict[str, Any]]:
    """The hold, as soon as there is something that it holds; to be awaited."""
    hold = _numbered(number)

    async def wait() -> dict[str, Any]:
        await watch.until(lambda: hold.held, [hold], timeout)
        return hold.described()
    return wait()


def let_go(number: int | None = None) -> None:
    """Remove the hold of this number, or all of this account and region; what they held goes on at once."""
    for hold in _own() if number is None else [_numbered(number)]:
        HOLDS.remove(hold)
        for operation in hold.released():
            operation.again()


def step(number: int) -> dict[str, Any]:
    """Let what is held take one step; the hold stays, and takes it again before the one after."""
    hold = _numbered(number)
    for operation in hold.released():
        operation.on()
    return hold.described()


def catches(what: str, names: Sequence[str], again: Callable[[], object], on: Callable[[], object]) -> bool:
    """Whether a hold takes this operation, which is of the resource that has these names; see `_Operation`."""
    hold = next((hold for hold in _own() if hold.is_of(what, names)), None)
    if hold is None:
        return False
    hold.held.append(_Operation(names[0], again, on))
    watch.happened(hold)
    return True


def is_holding() -> bool:
    """Whether anything of this account and region is being held."""
    return any(hold.held for hold in _own())


def _numbered(number: int) -> Hold:
    """The hold of this account and region with this number, or `LookupError`."""
    found = next((hold for hold in _own() if hold.id == number), None)
    if found is None:
        raise LookupError(number)
    return found


def _own() -> list[Hold]:
    return [hold for hold in HOLDS if (hold.account, hold.region) == (get_account_id(), get_region())]
