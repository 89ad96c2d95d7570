"""Owns injected faults: a call is throttled, fails, is slow, is held, or loses its answer after its effect.

The error documents are those of the services: EC2 throttles with `RequestLimitExceeded` (503), the query services with
`Throttling` and "Rate exceeded", Systems Manager with `ThrottlingException`, Lambda with `TooManyRequestsException`
(429) (each service's API reference, "Common errors" and errors of Invoke). How a fault changes the invocation of a
function is in `lambda_.invocations`.
"""

import asyncio
import contextvars
import dataclasses
import itertools
import json
import random
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import autoscaling, ec2
from ministack.services.cloudformation import helpers

from overlay.control import calls
from overlay.wire import Answer

#: The kinds that answer in the service's place.
REFUSING = ("throttle", "5xx", "error")
#: The kinds that answer in a function's place, or run it again.
OF_FUNCTIONS = ("function-error", "timeout", "out-of-memory", "twice")
KINDS = (*REFUSING, *OF_FUNCTIONS, "latency", "hold", "cut-after")
FAULTS: list["Fault"] = []

#: The one that strikes what is being called; what runs for that call inherits it.
STRIKING: contextvars.ContextVar["Fault | None"] = contextvars.ContextVar("overlay_striking_fault", default=None)

_NUMBERS = itertools.count(1)
#: Whether the answer to the request being served gets lost.
_CUT: contextvars.ContextVar[dict[str, bool] | None] = contextvars.ContextVar("overlay_cut", default=None)
_Message = MutableMapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]


class AnswerLost(Exception):
    """Raised into the server so that it closes the connection in the middle of an answer."""


@dataclasses.dataclass
class Fault:
    """An element of POST faults; its account and region are those of that request."""

    service: str
    action: str
    kind: str
    #: How many calls it strikes; None together with `rate`: all.
    count: int | None = None
    #: How many are spared before.
    after: int = 0
    #: Instead of a count: the part of the calls that it strikes, 0..1.
    rate: float | None = None
    seed: int | None = None
    #: Substrings of the request, of the caller's ARN, of the invoked function's name.
    match: str = ""
    caller: str = ""
    function: str = ""
    latencyMs: int = 0
    #: Of an `error`.
    code: str = ""
    message: str = ""
    status: int = 400
    #: Of a `function-error`; without a type Step Functions calls it Lambda.Unknown.
    errorType: str = ""
    errorMessage: str = ""
    #: Whether a function that times out or is killed has done its work before.
    runs: bool = False
    id: int = dataclasses.field(init=False, default_factory=_NUMBERS.__next__)
    hits: int = dataclasses.field(init=False, default=0)
    account: str = dataclasses.field(init=False, default_factory=get_account_id)
    region: str = dataclasses.field(init=False, default_factory=get_region)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.kind == "error" and not self.code:
            raise ValueError("an error has a code")
        if (self.kind in OF_FUNCTIONS or self.function) and (self.service, self.action) != ("lambda", "Invoke"):
            raise ValueError(f"{self.function or self.kind!r}: only service lambda, action Invoke has functions")
        if self.runs and self.kind not in ("timeout", "out-of-memory"):
            raise ValueError("runs is for timeout and out-of-memory")
        if self.kind == "hold" and (self.service, self.action) == ("lambda", "Invoke"):
            raise ValueError("hold is for API calls")
        if self.rate is None:
            self.count = 1 if self.count is None else self.count
        elif self.count is not None or not 0 <= self.rate <= 1:
            raise ValueError("a rate is from 0 to 1, and takes the place of a count")
        self._draw = random.Random(self.seed).random
        #: Set when the fault is removed: what it holds goes on then.
        self.removed = asyncio.Event()

    def _is_of(self, service: str, action: str, caller: str, function: str, text: Callable[[], str]) -> bool:
        return (self.service in (service, "*") and self.action in (action, "*")
                and (self.account, self.region) == (get_account_id(), get_region())
                and self.caller in caller and self.function in function
                and (not self.match or self.match in text()))

    def _is_due(self) -> bool:
        if self.after > 0:
            self.after -= 1
            return False
        if self.rate is not None:
            return self._draw() < self.rate
        if not self.count or self.count < 0:
            return False
        self.count -= 1
        return True

    def strikes(self, service: str, action: str, caller: str, function: str, text: Callable[[], str]) -> bool:
        if not self._is_of(service, action, caller, function, text) or not self._is_due():
            return False
        self.hits += 1
        return True


def add(faults: Any) -> list[dict[str, Any]]:
    if not isinstance(faults, list):
        raise TypeError("the body must be an array of faults")
    made = [Fault(**fault) for fault in faults]
    FAULTS.extend(made)
    return [dataclasses.asdict(fault) for fault in made]


def listed() -> list[dict[str, Any]]:
    return [dataclasses.asdict(fault) for fault in _own()]


def remove(number: int | None = None) -> None:
    """The one of this number, or all of this account and region."""
    for fault in [f for f in _own() if number is None or f.id == number]:
        FAULTS.remove(fault)
        fault.removed.set()


def _own() -> list[Fault]:
    return [f for f in FAULTS if (f.account, f.region) == (get_account_id(), get_region())]


def due(service: str, action: str, caller: str = "", function: str = "",
        text: Callable[[], str] = str) -> Fault | None:
    """The fault that strikes this call, if any; `text` returns what `match` is sought in."""
    return next((f for f in FAULTS if f.strikes(service, action, caller, function, text)), None)


def described(service: str, fault: Fault) -> tuple[str, str, int]:
    """The code, message and status that a refusing fault answers with."""
    if fault.kind == "error":
        return fault.code, fault.message, fault.status
    if fault.kind == "5xx":
        code = {"ec2": "InternalError", "autoscaling": "InternalFailure", "cloudformation": "InternalFailure",
                "lambda": "ServiceException"}.get(service, "InternalServerError")
        return code, "An internal error has occurred", 500
    return {"ec2": ("RequestLimitExceeded", "Request limit exceeded.", 503),
            "autoscaling": ("Throttling", "Rate exceeded", 400),
            "cloudformation": ("Throttling", "Rate exceeded", 400),
            "lambda": ("TooManyRequestsException", "Rate Exceeded.", 429),
            }.get(service, ("ThrottlingException", "Rate exceeded", 400))


def _document(service: str, code: str, message: str, status: int) -> Answer:
    """An error in the form that the service's SDKs read."""
    xml = {"ec2": ec2, "autoscaling": autoscaling, "cloudformation": helpers}.get(service)
    if xml is not None:
        answer: Answer = xml._error(code, message, status)
        return answer
    return (status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code},
            json.dumps({"__type": code, "message": message}).encode())


async def _strike(call: calls.Call, request: calls.Request) -> Answer | None:
    # The log names what IAM authorizes, which here is not the API's name.
    action = "Invoke" if (call.service, call.action) == ("lambda", "InvokeFunction") else call.action
    function = request.function() if action == "Invoke" else ""
    fault = due(call.service, action, call.caller, function, request.text)
    STRIKING.set(fault)
    if fault is None:
        return None
    call.fault = fault.kind
    await asyncio.sleep(fault.latencyMs / 1000)
    if fault.kind == "hold":
        await fault.removed.wait()
    if fault.kind in REFUSING:
        return _document(call.service, *described(call.service, fault))
    return None


async def _lose_answer(call: calls.Call, answer: Answer) -> Answer:
    state = _CUT.get()
    if call.fault == "cut-after" and state is not None:
        state["cut"] = True
    return answer


def cutting(scope: _Message, send: _Send) -> _Send:
    """`send` that drops the answer when the fault says so: headers, no body, connection closed."""
    if scope["type"] != "http":
        return send
    state = {"cut": False}
    _CUT.set(state)

    async def cut(message: _Message) -> None:
        if not state["cut"]:
            await send(message)
        elif message["type"] == "http.response.start":
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"65536")]})
            await send({"type": "http.response.body", "body": b"<", "more_body": True})
            raise AnswerLost("answer dropped by an injected fault")
    return cut


def install() -> None:
    calls.before.append(_strike)
    calls.after.append(_lose_answer)
