"""Owns waiting: a request of the control API stays open until something happens.

A key names what happens. It happens on the event loop or on any other thread.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Collection, Hashable

#: A request is answered after this, so that its client's own time-out need not be longer.
LONGEST_SECONDS = 20
#: Key → those that wait for it, each a loop and its event.
_WAITING: dict[Hashable, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}


def happened(key: Hashable) -> None:
    """Wake everything that waits for this; any thread may call it."""
    for loop, event in tuple(_WAITING.get(key, ())):
        loop.call_soon_threadsafe(event.set)


def seconds(text: str) -> float:
    """The time that a request may take, of its query."""
    found = float(text)
    if not math.isfinite(found) or found < 0:
        raise ValueError(f"timeout={text} is no number of seconds")
    return min(found, LONGEST_SECONDS)


async def until(condition: Callable[[], object], keys: Collection[Hashable], timeout: float) -> bool:
    """Wait until `condition()` holds, which can only become true when one of the keys happens; whether it does."""
    event = asyncio.Event()
    waiter = asyncio.get_running_loop(), event

    async def wait() -> None:
        while not condition():
            await event.wait()
            event.clear()
    for key in keys:
        _WAITING.setdefault(key, set()).add(waiter)
    try:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(wait(), timeout)
        return bool(condition())
    finally:
        for key in keys:
            _WAITING[key].discard(waiter)
            if not _WAITING[key]:
                del _WAITING[key]
