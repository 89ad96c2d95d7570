"""Owns the delivery of a rule's event to a state machine: role, retries, dead letters.

AWS facts (EventBridge user guide, "How EventBridge retries delivering events" and "Using
dead-letter queues to process undelivered events"):
* The target's role must allow states:StartExecution. A missing permission or a missing
  target is not retried; the event goes to the dead-letter queue at once.
* Other errors are retried, at most MaximumRetryAttempts times. Seconds of back-off are
  fractions of one here, and there are never more than ten attempts.
* The message is the event; its attributes are RULE_ARN, TARGET_ARN, ERROR_CODE,
  ERROR_MESSAGE, RETRY_ATTEMPTS, EXHAUSTED_RETRY_CONDITION.
* The queue's policy must let events.amazonaws.com send, else the event is lost.
A fault of service `states`, action `StartExecution` strikes deliveries too.
"""

import contextvars
import json
import logging

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, sqs, stepfunctions

from . import faults, patching
from .background import later

logger = logging.getLogger("overlay")
_BACK_OFF = 0.1
_MOST_ATTEMPTS = 10

#: (target, rule, event payload) of the delivery that is being made.
_DELIVERY = contextvars.ContextVar("overlay_delivery", default=None)


def _remember(original):
    def invoke(target, event, rule, view=None):
        view = view or eventbridge._pattern_event_view(event)
        token = _DELIVERY.set((target, rule, json.dumps(view.event_with_detail())))
        try:
            return original(target, event, rule, view)
        finally:
            _DELIVERY.reset(token)
    return invoke


def _may_start(role_arn, machine):
    if not app.AUTH:
        return True
    if not role_arn:
        return False
    name = role_arn.rsplit("/", 1)[-1]
    context = iam_evaluator.EvalContext(
        principal_arn=role_arn, principal_type="AssumedRole", principal_account=get_account_id(),
        action="states:StartExecution", resource_arn=machine, region=get_region())
    policies = iam_evaluator._gather_role_policies(name, get_account_id())
    return iam_evaluator.evaluate(context, policies).decision == "Allow"


def _attempt(machine, payload, target):
    """(error code, message, worth a retry) of one attempt; ('', '', False) if it worked."""
    if not _may_start(target.get("RoleArn", ""), machine):
        return ("NO_PERMISSIONS", f"User: {target.get('RoleArn', '')} is not authorized to perform: "
                                  f"states:StartExecution on resource: {machine}", False)
    if stepfunctions._resolve_state_machine_arn(machine) is None:
        return "NO_RESOURCE", f"State Machine Does Not Exist: '{machine}'", False
    fault = faults.due("states", "StartExecution")
    if fault:
        return (("RATE_EXCEEDED", "Rate exceeded", True) if fault["kind"] == "throttle"
                else ("ERROR_FROM_TARGET", "An internal error has occurred", True))
    status, _, body = stepfunctions._start_execution({"stateMachineArn": machine, "input": payload})
    if status == 200:
        return "", "", False
    return "ERROR_FROM_TARGET", json.loads(body).get("message", ""), status >= 500


def _deliver(machine, payload, delivery, attempts=0):
    target, _, _ = delivery
    code, message, again = _attempt(machine, payload, target)
    if not code:
        return
    most = (target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", 185)
    if again and attempts < min(int(most), _MOST_ATTEMPTS):
        later(_BACK_OFF, _deliver, machine, payload, delivery, attempts + 1)
        return
    _bury(delivery, {"ERROR_CODE": code, "ERROR_MESSAGE": message, "RETRY_ATTEMPTS": str(attempts),
                     **({"EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"} if again else {})})


def _bury(delivery, why):
    target, rule, event = delivery
    arn = (target.get("DeadLetterConfig") or {}).get("Arn", "")
    queue = sqs._queue_by_arn(arn) if arn else None
    if queue is None or not _accepts(queue):
        logger.warning("event for %s was dropped (%s): no dead-letter queue takes it",
                       target.get("Arn"), why["ERROR_CODE"])
        return
    attributes = {"RULE_ARN": rule.get("Arn", ""), "TARGET_ARN": target.get("Arn", ""), **why}
    url = next(u for u, q in sqs._queues.items() if q is queue)
    sqs._act_send_message({"QueueUrl": url, "MessageBody": event, "MessageAttributes": {
        k: {"DataType": "String", "StringValue": v} for k, v in attributes.items() if v}}, url)


def _accepts(queue):
    try:
        statements = json.loads(queue.get("attributes", {}).get("Policy") or "{}").get("Statement", [])
    except ValueError:
        return False
    for statement in statements if isinstance(statements, list) else [statements]:
        actions = statement.get("Action", [])
        actions = [actions] if isinstance(actions, str) else actions
        principal = statement.get("Principal")
        if (statement.get("Effect") == "Allow"
                and {a.lower() for a in actions} & {"sqs:sendmessage", "sqs:*", "*"}
                and (principal == "*" or iam_evaluator._service_principal_matches(
                    principal, "events.amazonaws.com"))):
            return True
    return False


def _to_machine(_original):
    def dispatch(machine, payload):
        delivery = _DELIVERY.get()
        if delivery is None:
            delivery = ({"Arn": machine}, {}, payload)
        _deliver(machine, payload, delivery)
    return dispatch


def install():
    patching.requires(sqs, "_queue_by_arn", "_queues", "_act_send_message")
    patching.requires(stepfunctions, "_resolve_state_machine_arn", "_start_execution")
    patching.requires(eventbridge, "_pattern_event_view")
    patching.requires(iam_evaluator, "_service_principal_matches", "_gather_role_policies")
    patching.attribute(eventbridge, "_invoke_target", _remember)
    patching.attribute(eventbridge, "_dispatch_to_stepfunctions", _to_machine)
