"""Owns schedules: which expressions are valid, and how a test fires one without waiting for it.

AWS facts:
* A rule with a ScheduleExpression sends the target its `Input`, else a "Scheduled Event" of source aws.events
  (EventBridge user guide, "Creating a rule that runs on a schedule"). A disabled rule sends nothing.
* `rate(1 day)`, `rate(5 minutes)`: the unit agrees with the number, else "Parameter ScheduleExpression is not valid."
  (aws-cloudformation/cfn-lint#2141, buildkite/buildkite-agent-scaler#100).
Unlike AWS:
* MiniStack fires the schedules of rules and of EventBridge Scheduler up to ten seconds late.
Unsure:
* The text that CloudFormation puts around that message.
"""

import re

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners

from overlay import patching
from overlay.cloudformation import stack_resources
from overlay.wire import ApiError


def fire(name):
    """Let a rule or schedule be due now; whether it is enabled, or `KeyError`."""
    for table, key, fired, tick in (
            (eventbridge._rules, eventbridge._rule_key(name, "default"), eventbridge._rule_last_fired,
             eventbridge._tick_scheduled_rules),
            (scheduler._schedules, f"default/{name}", scheduler._schedule_last_fired, scheduler._tick_schedules)):
        found = table.get(key)
        if found and found.get("ScheduleExpression"):
            fired[(get_account_id(), get_region(), key)] = 0
            tick()
            return found["State"] == "ENABLED"
    raise KeyError(name)


def _is_valid(expression):
    rate = re.fullmatch(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)", expression)
    if rate or expression.startswith("rate"):
        return rate is not None and (rate[1] == "1") == (rate[3] == "")
    return eventbridge._validate_schedule_expression(expression)


def _checked(original):
    def provision(*args):
        # create(logical id, properties, …), update(physical id, old properties, properties, …)
        properties = args[2] if isinstance(args[2], dict) else args[1]
        expression = properties.get("ScheduleExpression")
        if expression and not _is_valid(expression):
            raise stack_resources.failure(
                ApiError("ValidationException", "Parameter ScheduleExpression is not valid."), "EventBridge")
        return original(*args)
    return provision


def install():
    patching.requires(eventbridge, "_rules", "_rule_key", "_rule_last_fired", "_tick_scheduled_rules",
                      "_validate_schedule_expression")
    patching.requires(scheduler, "_schedules", "_schedule_last_fired", "_tick_schedules")
    rule = provisioners._RESOURCE_HANDLERS["AWS::Events::Rule"]
    for key in ("create", "update"):
        patching.entry(rule, key, _checked, where="provisioners._RESOURCE_HANDLERS['AWS::Events::Rule']")
