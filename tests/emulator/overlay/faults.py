"""Owns injected faults: the n-th call of an action is throttled, fails, is slow, or
loses its answer after the effect has happened.

The error documents are those of the services: EC2 throttles with
`RequestLimitExceeded` (503), the query services with `Throttling` and "Rate exceeded",
Systems Manager with `ThrottlingException` (each service's API reference, "Common errors").
"""

import asyncio
import contextvars
import json

from ministack.services import autoscaling, ec2
from ministack.services.cloudformation import helpers

from . import calls

KINDS = ("throttle", "5xx", "latency", "cut-after")
FAULTS = []

_CUT = contextvars.ContextVar("overlay_cut", default=None)


class AnswerLost(Exception):
    """Raised into the server so that it closes the connection in the middle of an answer."""


def add(faults):
    if not isinstance(faults, list):
        raise TypeError("the body must be an array of faults")
    made = []
    for fault in faults:
        if fault["kind"] not in KINDS:
            raise ValueError(f"kind {fault['kind']!r} is none of {', '.join(KINDS)}")
        unknown = set(fault) - {"service", "action", "count", "after", "kind", "latencyMs"}
        if unknown:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        made.append({"service": fault["service"], "action": fault["action"], "kind": fault["kind"],
                     "count": int(fault.get("count", 1)), "after": int(fault.get("after", 0)),
                     "latencyMs": int(fault.get("latencyMs", 0)), "hits": 0})
    FAULTS.extend(made)
    return listed()


def listed():
    return [dict(f) for f in FAULTS]


def _due(call):
    """The fault that strikes this call, if any: the first `after` calls are spared."""
    for fault in FAULTS:
        if fault["service"] != call["service"] or fault["action"] not in (call["action"], "*"):
            continue
        if fault["after"] > 0:
            fault["after"] -= 1
            continue
        if fault["count"] > 0:
            fault["count"] -= 1
            fault["hits"] += 1
            return fault
    return None


def _refusal(service, kind):
    throttled = kind == "throttle"
    if service == "ec2":
        return (ec2._error("RequestLimitExceeded", "Request limit exceeded.", 503) if throttled
                else ec2._error("InternalError", "An internal error has occurred", 500))
    if service in ("autoscaling", "cloudformation"):
        error = autoscaling._error if service == "autoscaling" else helpers._error
        return (error("Throttling", "Rate exceeded", 400) if throttled
                else error("InternalFailure", "An internal error has occurred", 500))
    code, message, status = (("ThrottlingException", "Rate exceeded", 400) if throttled
                             else ("InternalServerError", "An internal error has occurred", 500))
    return (status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code},
            json.dumps({"__type": code, "message": message}).encode())


async def _strike(call, headers):
    fault = _due(call)
    if fault is None:
        return None
    call["fault"] = fault["kind"]
    if fault["latencyMs"]:
        await asyncio.sleep(fault["latencyMs"] / 1000)
    if fault["kind"] in ("throttle", "5xx"):
        return _refusal(call["service"], fault["kind"])
    return None


async def _lose_answer(call, answer):
    if call.get("fault") == "cut-after" and _CUT.get() is not None:
        _CUT.get()["cut"] = True
    return answer


def cutting(scope, send):
    """`send` that drops the answer when the fault says so: headers, no body, connection closed."""
    if scope["type"] != "http":
        return send
    state = {"cut": False}
    _CUT.set(state)

    async def cut(message):
        if not state["cut"]:
            return await send(message)
        if message["type"] == "http.response.start":
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"65536")]})
            await send({"type": "http.response.body", "body": b"<", "more_body": True})
            raise AnswerLost("answer dropped by an injected fault")
    return cut


def install():
    calls.before.append(_strike)
    calls.after.append(_lose_answer)
