"""Owns `/_overlay/`: what a test harness may do that no AWS API can.

It stands for AWS's own hand (AWS Backup putting an event on the bus, an image that
failed) and for the observer's eye (the call log). It answers on loopback only and has
no authentication, like MiniStack's own `/_ministack/` endpoints.
"""

import dataclasses
import datetime
import json
from urllib.parse import parse_qs

from ministack import app
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge

from . import calls, faults, images, patching, schedules
from .settings import SETTINGS

PREFIX = "/_overlay/"


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def _put_events(body):
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
            eventbridge._now_ts = lambda: moment
        try:
            _, _, answer = eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        finally:
            eventbridge._now_ts = original
        answers.extend(json.loads(answer)["Entries"])
    return {"Entries": answers}


def _adjust_image(image_id, body):
    try:
        image = images.adjust(image_id, body)
    except KeyError:
        raise Refusal(404, f"no image {image_id} in {get_account_id()} {get_region()}") from None
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    return {k: v for k, v in image.items() if not k.startswith("_")}


def _fire(name):
    try:
        return {"fired": schedules.fire(name)}
    except KeyError:
        raise Refusal(404, f"no schedule {name} in {get_account_id()} {get_region()}") from None


def _calls(query):
    wanted = {k: v[0] for k, v in query.items() if k in ("service", "action", "caller", "error")}
    return {"calls": [c for c in calls.LOG if all(
        v in c[k] if k == "caller" else c[k] == v for k, v in wanted.items())]}


def _settings(body):
    known = {f.name for f in dataclasses.fields(SETTINGS)}
    unknown = set(body) - known
    if unknown:
        raise Refusal(400, f"unknown settings: {', '.join(sorted(unknown))}")
    for name, value in body.items():
        setattr(SETTINGS, name, float(value))
    return dataclasses.asdict(SETTINGS)


def _route(method, what, query, body):
    if what == "events" and method == "POST":
        return _put_events(body)
    if what.startswith("images/") and method == "POST":
        return _adjust_image(what[len("images/"):], body)
    if what.startswith("schedules/") and method == "POST":
        return _fire(what[len("schedules/"):])
    if what == "calls" and method == "GET":
        return _calls(query)
    if what == "calls" and method == "DELETE":
        calls.LOG.clear()
        return {}
    if what == "faults" and method == "POST":
        try:
            return {"faults": faults.add(body)}
        except (KeyError, TypeError, ValueError) as error:
            raise Refusal(400, f"bad fault: {error}") from None
    if what == "faults" and method == "GET":
        return {"faults": faults.listed()}
    if what == "faults" and method == "DELETE":
        faults.remove()
        return {}
    if what.startswith("faults/") and method == "DELETE":
        faults.remove(int(what[len("faults/"):]))
        return {}
    if what == "settings":
        return _settings(body if method == "POST" else {})
    raise Refusal(404, f"no such control: {method} {PREFIX}{what}")


async def _read_body(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _serve(scope, receive, send):
    query = parse_qs(scope.get("query_string", b"").decode())
    account = query.get("account", [get_account_id()])[0]
    region = query.get("region", [get_region()])[0]
    try:
        raw = await _read_body(receive)
        body = json.loads(raw) if raw.strip() else {}
        with request_scope(account, region):
            answer, status = _route(scope["method"], scope["path"][len(PREFIX):], query, body), 200
    except Refusal as refusal:
        answer, status = {"error": str(refusal)}, refusal.status
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        answer, status = {"error": f"{type(error).__name__}: {error}"}, 400
    payload = json.dumps(answer).encode()
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"application/json"),
                            (b"content-length", str(len(payload)).encode())]})
    await send({"type": "http.response.body", "body": payload})


def _with_control(original):
    async def asgi(scope, receive, send):
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            return await _serve(scope, receive, send)
        return await original(scope, receive, faults.cutting(scope, send))
    return asgi


def install():
    patching.requires(eventbridge, "_put_events", "_now_ts")
    patching.attribute(app, "app", _with_control)
