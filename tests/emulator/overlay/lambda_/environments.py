"""Owns the number of idle execution environments that are kept; an idle one costs nothing.

AWS facts (Lambda developer guide, "Lambda execution environment"):
* Lambda keeps an environment for later invocations, for a time that it does not promise. Without one, the function
  starts cold.

MiniStack keeps one of every function for ever, and each polls ten times a second: a thousand functions take a core.
Here an idle environment blocks, and only the ones used last are kept.
"""

import contextlib
import os
import queue
import socket
import socketserver

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from overlay import patching

#: Put into a worker's queue when its environment is stopped.
_STOPPED = object()


def _kept():
    text = os.environ.get("OVERLAY_FUNCTIONS_KEPT", "") or "32"
    if not text.isdigit() or int(text) < 1:
        raise patching.PatchError(f"OVERLAY_FUNCTIONS_KEPT={text!r} is not a number of environments")
    return int(text)


class _Invocations:
    """What a worker's handler reads: `get` returns with an invocation, or when the environment is stopped."""

    def __init__(self, pending):
        self._pending = pending

    def get(self, timeout):
        invocation = self._pending.get()
        if invocation is _STOPPED:
            raise queue.Empty
        return invocation


def _blocking(original):
    def build(worker, generation, pending):
        return original(worker, generation, _Invocations(pending))
    return build


def _waking(original):
    """A teardown that wakes the handler, which then sees that it has to stop."""
    def stop(worker):
        worker._stopping = True
        with contextlib.suppress(queue.Full, AttributeError):
            worker._pending.put_nowait(_STOPPED)
        return original(worker)
    return stop


def _server_waking(original):
    """`shutdown` only sets a flag; the loop that reads it blocks, so it is woken by a connection."""
    def shutdown(worker):
        server = worker._server
        if server is not None:
            server._BaseServer__shutdown_request = True
            with contextlib.suppress(OSError), socket.create_connection(server.server_address, timeout=1):
                pass
        return original(worker)
    return shutdown


def _serving(original):
    """The server of a worker blocks for a connection."""
    def serve_forever(server, poll_interval=0.5):
        is_of_a_worker = "ProvidedWorker" in type(server).__qualname__
        return original(server, None if is_of_a_worker else poll_interval)
    return serve_forever


def _releasing(original):
    def release(worker):
        original(worker)
        surplus = []
        with lambda_runtime._lock:
            idle = sorted((other for workers in lambda_runtime._workers.values() for other in workers
                           if not other.in_use), key=lambda other: other.last_used, reverse=True)
            for old in idle[_kept():]:
                surplus.append(old)
                for key, workers in list(lambda_runtime._workers.items()):
                    if old in workers:
                        workers.remove(old)
                        if not workers:
                            del lambda_runtime._workers[key]
        lambda_runtime.kill_workers(surplus)
    return release


def install():
    patching.requires(lambda_runtime, "_lock", "_workers", "kill_workers")
    patching.requires(socketserver.BaseServer(("", 0), socketserver.BaseRequestHandler),
                      "_BaseServer__shutdown_request")
    _kept()
    worker = lambda_runtime.ProvidedWorker
    patching.attribute(worker, "_build_handler_class", _blocking)
    patching.attribute(worker, "_teardown", _waking)
    patching.attribute(worker, "_discard_tmpdir", _waking)
    patching.attribute(worker, "_shutdown_server", _server_waking)
    patching.attribute(socketserver.BaseServer, "serve_forever", _serving)
    patching.attribute(lambda_svc, "release_worker", _releasing)
