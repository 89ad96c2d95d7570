"""Owns injected faults: the n-th call of an action is throttled, fails, is slow, or
loses its answer after the effect has happened.

The error documents are those of the services: EC2 throttles with
`RequestLimitExceeded` (503), the query services with `Throttling` and "Rate exceeded",
Systems Manager with `ThrottlingException`, Lambda with `TooManyRequestsException` (429) (each
service's API reference, "Common errors" and errors of Invoke).
"""

import asyncio
import contextvars
import json

from ministack.services import autoscaling, ec2
from ministack.services.cloudformation import helpers

from . import calls

#: The kinds that answer in the service's place.
REFUSING = ("throttle", "5xx", "error")
KINDS = (*REFUSING, "latency", "cut-after")
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
        unknown = set(fault) - {"service", "action", "count", "after", "kind", "latencyMs", "code", "message", "status"}
        if unknown:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        made.append({"service": fault["service"], "action": fault["action"], "kind": fault["kind"],
                     "count": int(fault.get("count", 1)), "after": int(fault.get("after", 0)),
                     "latencyMs": int(fault.get("latencyMs", 0)), "hits": 0,
                     **({"code": fault["code"], "message": fault.get("message", ""),
                         "status": int(fault.get("status", 400))} if fault["kind"] == "error" else {})})
    FAULTS.extend(made)
    return listed()


def listed():
    return [dict(f) for f in FAULTS]


def due(service, action):
    """The fault that strikes this call, if any: the first `after` calls are spared."""
    for fault in FAULTS:
        if fault["service"] != service or fault["action"] not in (action, "*"):
            continue
        if fault["after"] > 0:
            fault["after"] -= 1
            continue
        if fault["count"] > 0:
            fault["count"] -= 1
            fault["hits"] += 1
            return fault
    return None


def described(service, fault):
    """The code, message and status that a refusing fault answers with."""
    if fault["kind"] == "error":
        return fault["code"], fault["message"], fault["status"]
    if fault["kind"] == "5xx":
        code = {"ec2": "InternalError", "autoscaling": "InternalFailure", "cloudformation": "InternalFailure",
                "lambda": "ServiceException"}.get(service, "InternalServerError")
        return code, "An internal error has occurred", 500
    return {"ec2": ("RequestLimitExceeded", "Request limit exceeded.", 503),
            "autoscaling": ("Throttling", "Rate exceeded", 400),
            "cloudformation": ("Throttling", "Rate exceeded", 400),
            "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
            }.get(service, ("ThrottlingException", "Rate exceeded", 400))


def _document(service, code, message, status):
    """An error in the form that the service's SDKs read."""
    if service == "ec2":
        return ec2._error(code, message, status)
    if service in ("autoscaling", "cloudformation"):
        return (autoscaling if service == "autoscaling" else helpers)._error(code, message, status)
    return (status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code},
            json.dumps({"__type": code, "message": message}).encode())


async def _strike(call, headers):
    # The log names what IAM authorizes, which here is not the API's name.
    action = "Invoke" if (call["service"], call["action"]) == ("lambda", "InvokeFunction") else call["action"]
    fault = due(call["service"], action)
    if fault is None:
        return None
    call["fault"] = fault["kind"]
    if fault["latencyMs"]:
        await asyncio.sleep(fault["latencyMs"] / 1000)
    if fault["kind"] in REFUSING:
        return _document(call["service"], *described(call["service"], fault))
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
