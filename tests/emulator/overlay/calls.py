"""Owns the log of API calls: who called what, and what came of it.

A test counts calls with it, or proves that no write happened. It sees every request
that the server dispatches to a service; what MiniStack's services do among themselves
(a state machine invoking a function) is not a request.
"""

import collections
import contextvars
import datetime
import json
import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from ministack import app
from ministack.core.iam_actions import extract_iam_action
from ministack.core.iam_evaluator import resolve_caller_identity
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import detect_service, extract_access_key_id
from ministack.services import lambda_svc

from . import patching

#: More than what 200 executions at once make, with all the polling of whoever watches them.
_KEPT = 100_000
LOG = collections.deque(maxlen=_KEPT)

#: Called with (call, request) before it is dispatched; an answer returned is sent instead.
before = []
#: Called with (call, answer) before the answer is sent; returns the answer to send.
after = []
#: Access key of the request being served; background work of the request inherits it.
ACCESS_KEY = contextvars.ContextVar("overlay_access_key", default="")

_CODE = re.compile(rb"<Code>([^<]+)</Code>")


@dataclass(frozen=True)
class Request:
    """What was sent; a fault may be for some of its contents."""

    path: str
    query: dict
    body: bytes

    def text(self):
        """All of it, as it is and decoded."""
        raw = f"{self.path} {self.query} {self.body.decode(errors='replace')}"
        return f"{raw} {unquote_plus(raw)}"

    def function(self):
        """The name in the path of an Invoke."""
        name = unquote(self.path.partition("/functions/")[2].partition("/")[0])
        return lambda_svc._resolve_name(name)


def _error_code(status, headers, body):
    if status < 400 or not isinstance(body, (bytes, bytearray)):
        return ""
    found = _CODE.search(body)
    if found:
        return found.group(1).decode()
    try:
        kind = json.loads(body).get("__type", "")
    except (ValueError, AttributeError):
        kind = ""
    kind = kind or next((v for k, v in headers.items() if k.lower() == "x-amzn-errortype"), "")
    return kind.split("#")[-1].split(":")[0]


def _watched(original):
    async def dispatch(method, path, headers, body, query_params, request_id):
        routing = app._routing_params(method, path, headers, body, query_params)
        service = detect_service(method, path, headers, routing)
        action = extract_iam_action(service, method, path, headers, body, routing) or ""
        key = extract_access_key_id(headers, query_params) or ""
        ACCESS_KEY.set(key)
        identity = resolve_caller_identity(key) if key else None
        namespace, _, name = action.partition(":")
        call = {
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
            "service": namespace or service, "action": name, "caller": (identity or {}).get("userArn", ""),
            "account": get_account_id(), "region": get_region(), "status": 0, "error": ""}
        LOG.append(call)
        answer, request = None, Request(path, query_params, body)
        for hook in before:
            answer = await hook(call, request)
            if answer is not None:
                break
        if answer is None:
            answer = await original(method, path, headers, body, query_params, request_id)
        call["status"] = answer[0]
        call["error"] = _error_code(*answer)
        for hook in after:
            answer = await hook(call, answer)
        return answer
    return dispatch


def install():
    patching.requires(app, "_routing_params")
    patching.requires(lambda_svc, "_resolve_name")
    patching.attribute(app, "_dispatch_service_request", _watched)
