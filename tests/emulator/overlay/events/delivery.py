"""Owns the delivery of a rule's event to a state machine or a queue: permission, retries, dead letters.

AWS facts (EventBridge user guide, "How EventBridge retries delivering events", "Using dead-letter queues to process
undelivered events", "Using resource-based policies"):
* EventBridge starts a state machine with the target's role, which must allow states:StartExecution. A queue's own
  policy must let events.amazonaws.com send on behalf of the rule.
* A missing permission or a missing target is not retried; the event goes to the dead-letter queue at once.
* Other errors are retried, at most MaximumRetryAttempts times. A second of back-off is a fraction of one here, and
  there are never more than ten attempts.
* EventBridge delivers again what was delivered but not acknowledged: at least once.
* The message is the event; its attributes are RULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE, RETRY_ATTEMPTS,
  EXHAUSTED_RETRY_CONDITION.
* The dead-letter queue's policy must let the rule send as well, else the event is lost.
Unlike AWS:
* Only state machines and queues have retries and dead-letter queues as targets.
* A schedule of EventBridge Scheduler needs the queue's policy; on AWS it needs its own role.

Faults of `states` `StartExecution` and of `sqs` `SendMessage` strike deliveries too.
"""

import abc
import contextvars
import dataclasses
import json
import logging
from collections.abc import Callable
from typing import Any, ClassVar

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, sqs, stepfunctions

from overlay import patching
from overlay.background import later, on_loop
from overlay.control import faults
from overlay.iam import permissions

logger = logging.getLogger("overlay")
_BACK_OFF = 0.1
_MOST_ATTEMPTS = 10
_SENDER = "events.amazonaws.com"

#: (target, rule, event) of the delivery that is being made.
_DELIVERY: contextvars.ContextVar[tuple[dict[str, Any], dict[str, Any], str] | None] = contextvars.ContextVar(
    "overlay_delivery", default=None)


def _remember(original):
    def invoke(target, event, rule, view=None):
        view = view or eventbridge._pattern_event_view(event)
        token = _DELIVERY.set((target, rule, json.dumps(view.event_with_detail())))
        try:
            return original(target, event, rule, view)
        finally:
            _DELIVERY.reset(token)
    return invoke


#: What refuses a delivery: code, message, whether to try again.
_Why = tuple[str, str, bool]


@dataclasses.dataclass
class _Delivery(abc.ABC):
    """Of one event to one target."""
    #: The service and action that deliver it.
    call: ClassVar[tuple[str, str]]
    arn: str
    payload: str
    target: dict[str, Any]
    rule: dict[str, Any]
    event: str
    retries: int = 0

    @abc.abstractmethod
    def caller(self) -> str:
        """The ARN of who delivers it."""

    @abc.abstractmethod
    def forbidden(self) -> _Why | None:
        """Why it must not be delivered."""

    @abc.abstractmethod
    def send(self) -> _Why | None:
        """Deliver it, or tell why not."""

    def make(self):
        why = self.forbidden()
        if why:
            self._give_up(*why)
            return
        fault = faults.due(*self.call, caller=self.caller(), text=lambda: self.payload)
        if fault and fault.latencyMs:
            later(fault.latencyMs / 1000, self._finish, fault)
        else:
            self._finish(fault)

    def _finish(self, fault):
        why = _refusal(fault) or self.send()
        if not why and fault and fault.kind == "cut-after":
            why = "ERROR_FROM_TARGET", "The target did not answer", True
        if not why:
            return
        most = (self.target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", 185)
        if why[2] and self.retries < min(int(most), _MOST_ATTEMPTS):
            self.retries += 1
            later(_BACK_OFF, self.make)
        else:
            self._give_up(*why)

    def _give_up(self, code, message, again):
        why = {"ERROR_CODE": code, "ERROR_MESSAGE": message, "RETRY_ATTEMPTS": str(self.retries),
               **({"EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"} if again else {})}
        arn = (self.target.get("DeadLetterConfig") or {}).get("Arn", "")
        queue = sqs._queue_by_arn(arn) if arn else None
        if queue is None or not _accepts(queue, arn, self.rule):
            logger.warning("event for %s was dropped (%s): no dead-letter queue takes it", self.arn, code)
            return
        _put(queue, self.event, {"RULE_ARN": self.rule.get("Arn", ""), "TARGET_ARN": self.arn, **why})


class _ToMachine(_Delivery):
    call = "states", "StartExecution"
    action = "states:StartExecution"

    def caller(self):
        role = self.target.get("RoleArn", "").rsplit("/", 1)[-1]
        return f"arn:aws:sts::{get_account_id()}:assumed-role/{role}/events"

    def forbidden(self):
        role = self.target.get("RoleArn", "")
        if permissions.role_refusal(role, role, self.action, self.arn):
            why = f"User: {role} is not authorized to perform: {self.action} on resource: {self.arn}"
            return "NO_PERMISSIONS", why, False
        if stepfunctions._resolve_state_machine_arn(self.arn) is None:
            return "NO_RESOURCE", f"State Machine Does Not Exist: '{self.arn}'", False
        return None

    def send(self):
        status, _, body = stepfunctions._start_execution({"stateMachineArn": self.arn, "input": self.payload})
        return None if status == 200 else ("ERROR_FROM_TARGET", json.loads(body).get("message", ""), status >= 500)


@dataclasses.dataclass
class _ToQueue(_Delivery):
    call = "sqs", "SendMessage"
    put: Callable[[], object] = dataclasses.field(kw_only=True)

    def caller(self):
        return _SENDER

    def forbidden(self):
        queue = sqs._queue_by_arn(self.arn)
        if queue is None:
            return "NO_RESOURCE", "The specified queue does not exist.", False
        if not _accepts(queue, self.arn, self.rule):
            return "NO_PERMISSIONS", f"{_SENDER} is not authorized to perform: sqs:SendMessage on {self.arn}", False
        return None

    def send(self) -> None:
        self.put()


def _refusal(fault):
    if not fault or fault.kind not in faults.REFUSING:
        return None
    if fault.kind == "throttle":
        return "RATE_EXCEEDED", "Rate exceeded", True
    return "ERROR_FROM_TARGET", "An internal error has occurred", True


def _accepts(queue, arn, rule):
    """Whether the queue's policy lets EventBridge send for this rule."""
    context = iam_evaluator.EvalContext(
        principal_arn=_SENDER, principal_type="AWSService", principal_account=get_account_id(),
        action="sqs:SendMessage", resource_arn=arn, region=get_region(), service_context={
            "aws:sourcearn": rule.get("Arn"), "aws:sourceaccount": get_account_id()})
    policy = queue.get("attributes", {}).get("Policy")
    return iam_evaluator.evaluate_resource_policy(policy, context, service=_SENDER).decision == "Allow"


def _put(queue, body, attributes):
    url = next(u for u, q in sqs._queues.items() if q is queue)
    sqs._act_send_message({"QueueUrl": url, "MessageBody": body, "MessageAttributes": {
        k: {"DataType": "String", "StringValue": v} for k, v in attributes.items() if v}}, url)


def _to_machine(_original):
    def dispatch(machine, payload):
        on_loop(_ToMachine(machine, payload, *(_DELIVERY.get() or ({}, {}, payload))).make)
    return dispatch


def _to_queue(original):
    def dispatch(spec, payload, parameters=None):
        on_loop(_ToQueue(str(spec), payload, *(_DELIVERY.get() or ({}, {}, payload)),
                         put=lambda: original(spec, payload, parameters)).make)
    return dispatch


def install():
    patching.requires(sqs, "_queue_by_arn", "_queues", "_act_send_message")
    patching.requires(stepfunctions, "_resolve_state_machine_arn", "_start_execution")
    patching.requires(eventbridge, "_pattern_event_view")
    patching.requires(iam_evaluator, "evaluate_resource_policy")
    patching.attribute(eventbridge, "_invoke_target", _remember)
    patching.attribute(eventbridge, "_dispatch_to_stepfunctions", _to_machine)
    patching.attribute(eventbridge, "_dispatch_to_sqs", _to_queue)
