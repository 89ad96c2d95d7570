"""Owns the log of API calls: the caller, the action, the answer.

A test counts calls with it, or proves that no write happened. The log has every request that the server dispatches to
a service. What MiniStack's services do among themselves (a state machine invokes a function) is not a request.
With OVERLAY_ANSWERS=1 it also has what was sent and what was answered, so that a program can be run again without AWS.
"""

import collections
import contextvars
import dataclasses
import datetime
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from ministack import app
from ministack.core.iam_actions import extract_iam_action
from ministack.core.iam_evaluator import resolve_caller_identity
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import detect_service, extract_access_key_id
from ministack.services import lambda_svc

from overlay import patching
from overlay.wire import Answer

#: Calls of an account; 200 executions at once, and a test that polls all of them, make fewer.
_KEPT = 100_000
_LOG: dict[str, collections.deque["Call"]] = {}

#: Called with (call, request) before it is dispatched; an answer returned is sent instead.
before: list[Callable[["Call", "Request"], Awaitable[Answer | None]]] = []
#: Called with (call, answer) before the answer is sent; returns the answer to send.
after: list[Callable[["Call", Answer], Awaitable[Answer]]] = []
#: Access key of the request being served; background work of the request inherits it.
ACCESS_KEY = contextvars.ContextVar("overlay_access_key", default="")

_CODE = re.compile(rb"<Code>([^<]+)</Code>")


@dataclasses.dataclass(slots=True)
class Call:
    """One call, in the log from its beginning; small, as there are many."""

    service: str
    action: str
    #: The caller's ARN.
    caller: str
    region: str
    account: str
    time: float = dataclasses.field(default_factory=time.time)
    status: int = 0
    error: str = ""
    #: The kind of the fault that struck it.
    fault: str = ""
    #: What was sent and answered, if that is kept.
    exchange: dict[str, Any] = dataclasses.field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        moment = datetime.datetime.fromtimestamp(self.time, datetime.timezone.utc)
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        optional = ("fault", "exchange")
        return {**{name: value for name, value in found.items() if value or name not in optional},
                "time": moment.isoformat(timespec="milliseconds")}


def logged(service: str = "", action: str = "", caller: str = "", error: str = "") -> list[dict[str, Any]]:
    """The account's calls: of a service, an action, an error; of callers with this in their ARN."""
    return [call.described() for call in _LOG.get(get_account_id(), ())
            if service in ("", call.service) and action in ("", call.action) and error in ("", call.error)
            and caller in call.caller]


def forget() -> None:
    """The account's."""
    _LOG.pop(get_account_id(), None)


@dataclasses.dataclass(frozen=True)
class Request:
    """What was sent; a fault may be for some of its contents."""

    path: str
    query: Mapping[str, Any]
    body: bytes

    def text(self) -> str:
        """All of it, as it is and decoded."""
        raw = f"{self.path} {self.query} {self.body.decode(errors='replace')}"
        return f"{raw} {unquote_plus(raw)}"

    def function(self) -> str:
        """The name in the path of an Invoke."""
        name = unquote(self.path.partition("/functions/")[2].partition("/")[0])
        return str(lambda_svc._resolve_name(name))


def _error_code(status: int, headers: Mapping[str, str], body: object) -> str:
    if status < 400 or not isinstance(body, (bytes, bytearray)):
        return ""
    found = _CODE.search(body)
    if found:
        return found.group(1).decode()
    try:
        kind = str(json.loads(body).get("__type") or "")
    except (ValueError, AttributeError):
        kind = ""
    kind = kind or next((v for k, v in headers.items() if k.lower() == "x-amzn-errortype"), "")
    return kind.split("#")[-1].split(":")[0]


def _arn(key: str) -> str:
    identity = resolve_caller_identity(key) if key else None
    return str((identity or {}).get("userArn", ""))


async def _instead(call: Call, request: Request) -> Answer | None:
    """What is answered without the service, if anything."""
    for hook in before:
        answer = await hook(call, request)
        if answer is not None:
            return answer
    return None


def _exchange(method: str, path: str, headers: Mapping[str, str], body: bytes, answer: Answer) -> dict[str, Any]:
    """All but the headers that a replay has no use for."""
    status, answered, content = answer
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    kind = next((value for name, value in answered.items() if name.lower() == "content-type"), "")
    return {"method": method, "path": path, "target": target, "body": body.decode(errors="replace"),
            "answer": {"status": status, "contentType": kind, "body": bytes(content).decode(errors="replace")}}


def _watched(original: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    async def dispatch(method: str, path: str, headers: dict[str, str], body: bytes,
                       query_params: dict[str, Any], request_id: str) -> Answer:
        routing = app._routing_params(method, path, headers, body, query_params)
        service = detect_service(method, path, headers, routing)
        action = extract_iam_action(service, method, path, headers, body, routing) or ""
        key = extract_access_key_id(headers, query_params) or ""
        ACCESS_KEY.set(key)
        namespace, _, name = action.partition(":")
        call = Call(sys.intern(namespace or service), sys.intern(name), _arn(key), get_region(), get_account_id())
        if call.account not in _LOG:
            _LOG[call.account] = collections.deque(maxlen=_KEPT)
        _LOG[call.account].append(call)
        answer = await _instead(call, Request(path, query_params, body))
        if answer is None:
            answer = await original(method, path, headers, body, query_params, request_id)
        call.status = answer[0]
        call.error = sys.intern(_error_code(*answer))
        for hook in after:
            answer = await hook(call, answer)
        if os.environ.get("OVERLAY_ANSWERS") == "1":
            call.exchange = _exchange(method, path, headers, body, answer)
        return answer
    return dispatch


def install() -> None:
    patching.requires(app, "_routing_params")
    patching.requires(lambda_svc, "_resolve_name")
    patching.attribute(app, "_dispatch_service_request", _watched)
