"""Owns what a state machine tells others: `events:putEvents` and `sns:publish`.

AWS facts (developer guide, "Add EventBridge events with Step Functions" and "Publish messages to an Amazon SNS topic"):
* The Detail of an entry may be an object. The execution's ARN and the state machine's are appended to its Resources.
* An answer with a FailedEntryCount that is not zero fails the task with EventBridge.FailedEntry.
* The role needs events:PutEvents on the event bus, and sns:Publish on the topic.
Unsure:
* The errors' names where the role may not, or the topic does not exist.
"""

import json
import re

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, sns, stepfunctions

from overlay import patching
from overlay.iam import permissions
from overlay.states import history, nested
from overlay.states.history import encoded


def _put_events(arguments):
    execution = history.branch().execution
    entries = [_entry(each, execution) for each in arguments.get("Entries", [])]
    for entry in entries:
        bus = entry.get("EventBusName", "default").rpartition("/")[2]
        _require(execution, "events:PutEvents", f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{bus}",
                 "EventBridge.EventBridgeException")
    status, _, body = eventbridge._put_events({"Entries": entries})
    answer = json.loads(body)
    if status >= 400:
        raise stepfunctions._ExecutionError(f"EventBridge.{answer['__type']}", answer["message"])
    if answer["FailedEntryCount"]:
        raise stepfunctions._ExecutionError("EventBridge.FailedEntry", encoded(answer))
    return answer


def _entry(entry, execution):
    detail = entry.get("Detail", {})
    return {**entry, "Detail": detail if isinstance(detail, str) else encoded(detail),
            "Resources": [*entry.get("Resources", []), execution["executionArn"], execution["stateMachineArn"]]}


def _publish(arguments):
    topic = arguments.get("TopicArn", "*")
    _require(history.branch().execution, "sns:Publish", topic, "SNS.AuthorizationErrorException")
    status, _, body = sns._publish(arguments)
    text = body.decode() if isinstance(body, bytes) else body
    if status >= 400:
        raise stepfunctions._ExecutionError(f"SNS.{_member(text, 'Code')}Exception", _member(text, "Message"))
    return {"MessageId": _member(text, "MessageId")}


def _member(text, name):
    found = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return found[1] if found else ""


def _require(execution, action, arn, error):
    role = nested.role(execution)
    refusal = permissions.role_refusal(role, role, action, arn)
    if refusal:
        raise stepfunctions._ExecutionError(error, refusal)


#: What runs a task of these integrations.
HANDLERS = {"events:putEvents": _put_events, "sns:publish": _publish}


def install():
    patching.requires(eventbridge, "_put_events")
    patching.requires(sns, "_publish")
