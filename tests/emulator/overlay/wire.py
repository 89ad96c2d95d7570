"""Owns what EC2 and Auto Scaling handlers share on the wire: errors, paging, reserved tags, time stamps."""

import base64
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from xml.sax.saxutils import escape

from ministack.services import autoscaling, ec2

_Item = TypeVar("_Item")
#: A request's parameters, as MiniStack hands them to a handler.
Params = dict[str, Any]
#: What a handler answers: status, headers, body.
Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[Params], Answer]


class ApiError(Exception):
    """An AWS error: raised anywhere, turned into an answer by `ec2_action` and `asg_action`."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def ec2_action(handler: Handler) -> Handler:
    """Wrap an EC2 handler so that an `ApiError` becomes EC2's error document."""
    def handle(p: Params) -> Answer:
        try:
            return handler(p)
        except ApiError as error:
            answer: Answer = ec2._error(error.code, escape(error.message), error.status)
            return answer
    handle.__name__ = handler.__name__
    return handle


def asg_action(handler: Handler) -> Handler:
    """Wrap an Auto Scaling handler so that an `ApiError` becomes its error document."""
    def handle(p: Params) -> Answer:
        try:
            return handler(p)
        except ApiError as error:
            answer: Answer = autoscaling._error(error.code, escape(error.message), error.status)
            return answer
    handle.__name__ = handler.__name__
    return handle


def now_millis() -> str:
    """The form of Image.CreationDate.

    AWS's own values end in .000Z, but a day there is a second here, so two images
    that could never share a second on AWS would be tied. Hence real milliseconds.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def page(items: Sequence[_Item], p: Params, default: int,
         token_field: str = "NextToken", size_field: str = "MaxResults") -> tuple[Sequence[_Item], str]:
    """One page of `items` and the token of the next one ('' on the last)."""
    first = 0
    token = ec2._p(p, token_field)
    if token:
        try:
            first = int(base64.b64decode(token).decode())
        except Exception:
            raise ApiError("InvalidParameterValue",
                           f"Invalid value '{token}' for {token_field}.") from None
    size = int(ec2._p(p, size_field) or default)
    rest = items[first:]
    if not size or len(rest) <= size:
        return rest, ""
    return rest[:size], base64.b64encode(str(first + size).encode()).decode()


def refuse_reserved_tags(keys: Iterable[str]) -> None:
    """Users cannot set tags that begin with `aws:`.

    EC2 user guide, "Tag restrictions"; the text is that of cloud-custodian#5975.
    """
    for key in keys:
        if key.lower().startswith("aws:"):
            raise ApiError(
                "InvalidParameterValue",
                f"Value ( {key} ) for parameter key is invalid. "
                "Tag keys starting with 'aws:' are reserved for internal use")


def tag_specifications(p: Params) -> dict[str, list[dict[str, str]]]:
    """`TagSpecification.N` as {resource type: [tag, …]}."""
    found: dict[str, list[dict[str, str]]] = {}
    i = 1
    while ec2._p(p, f"TagSpecification.{i}.ResourceType"):
        kind = ec2._p(p, f"TagSpecification.{i}.ResourceType")
        j = 1
        while ec2._p(p, f"TagSpecification.{i}.Tag.{j}.Key"):
            found.setdefault(kind, []).append({
                "Key": ec2._p(p, f"TagSpecification.{i}.Tag.{j}.Key"),
                "Value": ec2._p(p, f"TagSpecification.{i}.Tag.{j}.Value", "")})
            j += 1
        i += 1
    refuse_reserved_tags(t["Key"] for tags in found.values() for t in tags)
    return found
