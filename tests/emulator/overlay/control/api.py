"""Owns `/_overlay/`, the control API.

With it a test does what AWS itself does (AWS Backup puts an event on the bus, an image fails) and reads what happened
(the call log). It answers on loopback only and has no authentication, like MiniStack's own `/_ministack/` endpoints.
"""

import datetime
import inspect
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qs

from ministack import app
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge

from overlay import patching
from overlay.backup import recovery_points
from overlay.cloudformation import drift
from overlay.control import calls, faults, holds, watch
from overlay.control.settings import SETTINGS
from overlay.ec2 import images
from overlay.events import schedules
from overlay.states import history

PREFIX = "/_overlay/"

_Result = TypeVar("_Result")
_Query = dict[str, list[str]]
#: An answer, or what to await for it.
_Found = dict[str, Any] | Awaitable[dict[str, Any]]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _put_events(body: Any) -> dict[str, Any]:
    if not isinstance(body, list):
        raise Refusal(400, "the body must be an array of events")
    answers = []
    for event in body:
        detail = event.get("Detail", {})
        entry = {"Source": event["Source"], "DetailType": event["DetailType"],
                 "Resources": event.get("Resources", []),
                 "Detail": detail if isinstance(detail, str) else json.dumps(detail)}
        when = event.get("Time")
        original = eventbridge._now_ts
        if when:
            moment = datetime.datetime.fromisoformat(str(when).replace("Z", "+00:00")).timestamp()
            eventbridge._now_ts = lambda moment=moment: moment
        try:
            _, _, answer = eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        finally:
            eventbridge._now_ts = original
        answers.extend(json.loads(answer)["Entries"])
    return {"Entries": answers}


def _adjust_image(image_id: str, body: Any) -> dict[str, Any]:
    try:
        image = images.adjust(image_id, body)
    except KeyError:
        raise Refusal(404, f"no image {image_id} in {get_account_id()} {get_region()}") from None
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    return {k: v for k, v in image.items() if not k.startswith("_")}


def _decide_drift(stack: str, body: Any) -> dict[str, Any]:
    try:
        return drift.decide(stack, body)
    except LookupError:
        raise Refusal(404, f"no stack {stack} in {get_account_id()} {get_region()}") from None


def _add_backup(image_id: str, body: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = recovery_points.add(image_id, body)
    except KeyError:
        raise Refusal(404, f"no image {image_id} in {get_account_id()} {get_region()}") from None
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    return found


def _end_lifecycle(image_id: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = recovery_points.end_lifecycle(image_id)
    except KeyError:
        raise Refusal(404, f"no recovery point {image_id} in {get_account_id()} {get_region()}") from None
    return found


def _fire(name: str) -> dict[str, Any]:
    try:
        return {"fired": schedules.fire(name)}
    except KeyError:
        raise Refusal(404, f"no schedule {name} in {get_account_id()} {get_region()}") from None


def _calls(query: _Query) -> dict[str, Any]:
    wanted = {k: v[0] for k, v in query.items() if k in ("service", "action", "caller", "error")}
    return {"calls": calls.logged(**wanted)}


def _hold(body: Any) -> dict[str, Any]:
    try:
        return holds.add(body)
    except (TypeError, ValueError) as error:
        raise Refusal(400, f"bad hold: {error}") from None


def _of_hold(act: Callable[..., _Result], number: int | None, *more: Any) -> _Result:
    try:
        return act(number, *more)
    except LookupError:
        raise Refusal(404, f"no hold {number} in {get_account_id()} {get_region()}") from None


def _let_go(number: int | None = None) -> dict[str, Any]:
    _of_hold(holds.let_go, number)
    return {}


def _timeout(query: _Query) -> float:
    return watch.seconds(query.get("timeout", ["0"])[0])


def _execution_reached(query: _Query) -> Awaitable[dict[str, Any]]:
    arn, entered, ended = (query.get(name, [""])[0] for name in ("arn", "entered", "ended"))
    if bool(entered) == bool(ended):
        raise Refusal(400, "say either entered=STATE or ended=1")
    try:
        reached: Awaitable[dict[str, Any]] = history.reached(arn, entered, _timeout(query))
    except LookupError:
        raise Refusal(404, f"no execution {arn} in {get_account_id()} {get_region()}") from None
    return reached


def _add_faults(body: Any) -> dict[str, Any]:
    try:
        return {"faults": faults.add(body)}
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(400, f"bad fault: {error}") from None


def _forget_calls() -> dict[str, Any]:
    calls.forget()
    return {}


def _remove_fault(number: int | None = None) -> dict[str, Any]:
    faults.remove(number)
    return {}


def _change_settings(body: Any) -> dict[str, float]:
    SETTINGS.change(body)
    return SETTINGS.all()


def _put_back_settings() -> dict[str, float]:
    SETTINGS.put_back()
    return SETTINGS.all()


#: Of (method, first part of the path, whether there is a second one): called with that part, the query, the body.
_ROUTES: dict[tuple[str, str, bool], Callable[[str, _Query, Any], _Found]] = {
    ("POST", "events", False): lambda _, query, body: _put_events(body),
    ("POST", "backups", True): lambda image_id, query, body: _add_backup(image_id, body),
    ("DELETE", "backups", True): lambda image_id, query, body: _end_lifecycle(image_id),
    ("POST", "images", True): lambda image_id, query, body: _adjust_image(image_id, body),
    ("POST", "drift", True): lambda stack, query, body: _decide_drift(stack, body),
    ("POST", "schedules", True): lambda name, query, body: _fire(name),
    ("GET", "calls", False): lambda _, query, body: _calls(query),
    ("DELETE", "calls", False): lambda _, query, body: _forget_calls(),
    ("POST", "faults", False): lambda _, query, body: _add_faults(body),
    ("GET", "faults", False): lambda _, query, body: {"faults": faults.listed()},
    ("DELETE", "faults", False): lambda _, query, body: _remove_fault(),
    ("DELETE", "faults", True): lambda number, query, body: _remove_fault(int(number)),
    ("POST", "holds", False): lambda _, query, body: _hold(body),
    ("GET", "holds", False): lambda _, query, body: {"holds": holds.listed()},
    ("DELETE", "holds", False): lambda _, query, body: _let_go(),
    ("GET", "holds", True): lambda number, query, body: _of_hold(holds.reached, int(number), _timeout(query)),
    ("POST", "holds", True): lambda number, query, body: _of_hold(holds.step, int(number)),
    ("DELETE", "holds", True): lambda number, query, body: _let_go(int(number)),
    ("GET", "executions", False): lambda _, query, body: _execution_reached(query),
    ("GET", "settings", False): lambda _, query, body: SETTINGS.all(),
    ("POST", "settings", False): lambda _, query, body: _change_settings(body),
    ("DELETE", "settings", False): lambda _, query, body: _put_back_settings(),
}


def _route(method: str, what: str, query: _Query, body: Any) -> _Found:
    first, _, rest = what.partition("/")
    handler = _ROUTES.get((method, first, rest != ""))
    if handler is None:
        raise Refusal(404, f"no such control: {method} {PREFIX}{what}")
    return handler(rest, query, body)


async def _read_body(receive: _Receive) -> bytes:
    body, is_all = b"", False
    while not is_all:
        message = await receive()
        body += message.get("body", b"")
        is_all = not message.get("more_body")
    return body


async def _serve(scope: _Message, receive: _Receive, send: _Send) -> None:
    query = parse_qs(scope.get("query_string", b"").decode())
    account = query.get("account", [get_account_id()])[0]
    region = query.get("region", [get_region()])[0]
    try:
        raw = await _read_body(receive)
        body = json.loads(raw) if raw.strip() else {}
        with request_scope(account, region):
            found = _route(scope["method"], scope["path"][len(PREFIX):], query, body)
            answer, status = await found if inspect.isawaitable(found) else found, 200
    except Refusal as refusal:
        answer, status = {"error": str(refusal)}, refusal.status
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        answer, status = {"error": f"{type(error).__name__}: {error}"}, 400
    payload = json.dumps(answer).encode()
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"application/json"),
                            (b"content-length", str(len(payload)).encode())]})
    await send({"type": "http.response.body", "body": payload})


def _with_control(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def asgi(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await _serve(scope, receive, send)
        else:
            await original(scope, receive, faults.cutting(scope, send))
    return asgi


def install() -> None:
    patching.requires(eventbridge, "_put_events", "_now_ts")
    patching.attribute(app, "app", _with_control)
