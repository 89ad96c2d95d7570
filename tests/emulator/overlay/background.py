"""Owns time: everything that happens after the API call that caused it.

MiniStack serves requests on one event loop and keeps its state in plain dicts, so
state is only ever changed on that loop: nothing here needs a lock. Which account
and region a piece of work belongs to lives in context variables; they are copied
when the work is scheduled, else it would land in the default account.
"""

import asyncio
import concurrent.futures
import contextvars
import logging
import time

from ministack import app

logger = logging.getLogger("overlay")


def _loop():
    loop = app._MAIN_LOOP
    if loop is None:
        raise RuntimeError("the server is not running yet")
    return loop


def _on_the_loop():
    try:
        return asyncio.get_running_loop() is _loop()
    except RuntimeError:
        return False


def _guarded(fn, args):
    def run():
        try:
            fn(*args)
        except Exception:
            logger.exception("background work failed: %s", getattr(fn, "__name__", fn))
    return run


def later(seconds, fn, *args):
    """Run `fn(*args)` on the event loop in `seconds`, for this account and region."""
    context = contextvars.copy_context()
    loop = _loop()
    run = _guarded(fn, args)
    if _on_the_loop():
        loop.call_later(seconds, run, context=context)
    else:
        loop.call_soon_threadsafe(
            lambda: loop.call_later(seconds, run, context=context), context=context)


def on_loop(fn, *args):
    """Run `fn(*args)` on the event loop and return what it returns."""
    if _on_the_loop():
        return fn(*args)
    context = contextvars.copy_context()
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(fn(*args))
        except BaseException as error:
            future.set_exception(error)

    _loop().call_soon_threadsafe(run, context=context)
    return future.result(timeout=30)


def wait_for(condition, seconds):
    """Wait on a worker thread until `condition()` holds on the loop; False on time-out, or when the server stops.

    MiniStack's tasks do not end before their worker does, and the server not before its tasks: so the time is a
    task as well, which the end of the server cancels.
    """
    timer = on_loop(lambda: _loop().create_task(asyncio.sleep(seconds)))
    try:
        while not on_loop(condition):
            if timer.done():
                return False
            time.sleep(0.03)
        return True
    finally:
        on_loop(timer.cancel)
