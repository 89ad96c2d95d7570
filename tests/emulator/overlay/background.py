"""Owns time: everything that happens after the API call that caused it.

MiniStack serves requests on one event loop and keeps its state in plain dicts. State is only changed on that loop, so
nothing here needs a lock. Context variables say which account and region a piece of work belongs to; they are copied
when the work is scheduled, else it would land in the default account. A hold can stop the next step of an operation
(see `control.holds`).
"""

import asyncio
import concurrent.futures
import contextvars
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ministack import app

from overlay.control import holds

_Result = TypeVar("_Result")
#: The kind of an operation that can be held, and the names of its resource.
HeldAs = tuple[str, Sequence[str]]

logger = logging.getLogger("overlay")
#: How often a condition is checked.
_TICK_SECONDS = 0.03


def _loop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop | None = app._MAIN_LOOP
    if loop is None:
        raise RuntimeError("the server is not running yet")
    return loop


def _on_the_loop() -> bool:
    try:
        return asyncio.get_running_loop() is _loop()
    except RuntimeError:
        return False


def _guarded(fn: Callable[..., object], args: tuple[Any, ...]) -> Callable[[], None]:
    def run() -> None:
        try:
            fn(*args)
        except Exception:
            logger.exception("background work failed: %s", getattr(fn, "__name__", fn))
    return run


def later(seconds: float, fn: Callable[..., object], *args: Any, of: HeldAs | None = None) -> None:
    """Run `fn(*args)` on the event loop in `seconds`, for this account and region.

    `of` is given for the step of an operation that can be held.
    """
    context = contextvars.copy_context()
    loop = _loop()
    run = _guarded(fn, args)

    def soon(step: Callable[[], None]) -> Callable[[], object]:
        return lambda: loop.call_soon(step, context=context)

    def due() -> None:
        if of is None or not holds.catches(*of, again=soon(due), on=soon(run)):
            run()
    if _on_the_loop():
        loop.call_later(seconds, due, context=context)
    else:
        loop.call_soon_threadsafe(
            lambda: loop.call_later(seconds, due, context=context), context=context)


async def pause(seconds: float, of: HeldAs | None = None) -> None:
    """Let a task on the event loop wait for what `later` would run."""
    over = asyncio.Event()
    later(seconds, over.set, of=of)
    await over.wait()


def on_loop(fn: Callable[..., _Result], *args: Any) -> _Result:
    """Run `fn(*args)` on the event loop and return what it returns."""
    if _on_the_loop():
        return fn(*args)
    context = contextvars.copy_context()
    future: concurrent.futures.Future[_Result] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(fn(*args))
        except BaseException as error:
            future.set_exception(error)

    _loop().call_soon_threadsafe(run, context=context)
    return future.result(timeout=30)


def wait_for(condition: Callable[[], object], seconds: float,
             is_coming: Callable[[], object] = lambda: False) -> bool:
    """Wait on a worker thread until `condition()` holds on the loop; False on time-out, or when the server stops.

    The time does not run while `is_coming()`, nor while an operation of the account is held. It is counted in checks,
    so that a machine that is busy elsewhere has more of it.

    MiniStack's tasks do not end before their worker does, and the server not before its tasks: so what checks is a
    task as well, which the end of the server cancels.
    """
    watch = _watch(condition, seconds, is_coming)
    try:
        return asyncio.run_coroutine_threadsafe(watch, _loop()).result()
    except concurrent.futures.CancelledError:
        return False


async def _watch(condition: Callable[[], object], seconds: float, is_coming: Callable[[], object]) -> bool:
    while not condition():
        if not is_coming() and not holds.is_holding():
            seconds -= _TICK_SECONDS
        if seconds < 0:
            return False
        await asyncio.sleep(_TICK_SECONDS)
    return True
