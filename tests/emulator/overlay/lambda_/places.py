"""Owns how many functions run at once; the others wait, as for a cold start.

AWS has an environment for each of a thousand invocations (Lambda quotas). Here they share the machine's cores: hundreds
of environments that start at once would starve the server, so an invocation waits for a place, which looks like a cold
start. Its time-out does not run meanwhile. Two delays that MiniStack adds to each invocation are removed: 40 ms for a
small packet that waits for an acknowledgement, and most of the 50 ms that it waits for the first line of a log.
"""

import os
import socketserver
import threading
import time

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from overlay import patching
from overlay.patching import PatchError

_ACCOUNT_CONCURRENCY = 1000
#: After this an invocation runs all the same: who holds the places may be waiting for it.
_LONGEST_WAIT_SECONDS = 30
#: A function has written its log before it answers; the thread that reads it needs a moment.
_FIRST_LINE_SECONDS = 0.01


def _places():
    text = os.environ.get("OVERLAY_FUNCTIONS_AT_ONCE", "16")
    if not text.isdigit() or int(text) < 1:
        raise PatchError(f"OVERLAY_FUNCTIONS_AT_ONCE={text!r} is not a number of functions")
    return threading.BoundedSemaphore(int(text))


def _in_its_turn(original):
    places = _places()

    def run(func, config, event, request_id, started):
        has_place = places.acquire(timeout=_LONGEST_WAIT_SECONDS)
        try:
            return original(func, config, event, request_id, time.time())
        finally:
            if has_place:
                places.release()
    return run


def _hastily(original):
    def drain(self, first_line_wait=_FIRST_LINE_SECONDS, **more):
        return original(self, first_line_wait, **more)
    return drain


def install():
    patching.attribute(lambda_svc, "_ACCOUNT_CONCURRENCY_CAP", lambda _less: _ACCOUNT_CONCURRENCY)
    patching.attribute(lambda_svc, "_execute_function_dispatch", _in_its_turn)
    patching.attribute(lambda_runtime.ProvidedWorker, "_drain_stderr_bounded", _hastily)
    patching.attribute(socketserver.StreamRequestHandler, "disable_nagle_algorithm", lambda _off: True)
