"""Owns the attempts of a task: their events, Retry and Catch.

AWS facts (developer guide, "Handling errors"; events as recorded on AWS):
* Each attempt is TaskScheduled, TaskStarted and TaskSucceeded, TaskFailed or TaskTimedOut, which name the integration
  ("lambda", "invoke"). States.Timeout has no cause.
* The delay before a retry is IntervalSeconds * BackoffRate ^ retries, at most MaxDelaySeconds; with JitterStrategy FULL
  anything up to that.
* States.ALL and States.TaskFailed do not match States.Runtime. States.ALL does match the States.DataLimitExceeded of a
  function's result: the guide says it does not, a recorded execution shows it does.
Unlike AWS:
* JSONPath, activities, task tokens and a function's ARN as the resource are as MiniStack has them.
"""

import random

from ministack.core.responses import get_region
from ministack.services import stepfunctions

from overlay import patching
from overlay.states import history, nested, publishing
from overlay.states.history import encoded
from overlay.states.queries import is_jsonata, within
from overlay.states.runner import limited

_INTEGRATION = "arn:aws:states:::"


def _execute(original):
    def execute(state, data, execution, ctx):
        resource = state["Resource"]
        if (not is_jsonata(state, ctx) or not resource.startswith(_INTEGRATION)
                or resource.endswith(".waitForTaskToken") or stepfunctions._sfn_mock_config):
            return original(state, data, execution, ctx)

        def attempt():
            arguments = limited(stepfunctions._apply_jsonata_arguments(state, data, ctx), ctx["State"]["Name"])
            result = _call(state, arguments, data, ctx)
            output = stepfunctions._apply_jsonata_output(state, data, ctx, result=result, default=result)
            stepfunctions._apply_state_assign(state, data, ctx, result=result)
            return output, stepfunctions._next_or_end(state)
        return stepfunctions._with_retry_and_catch(state, data, ctx, attempt)
    return execute


def _call(state, arguments, data, ctx):
    of = _names(state["Resource"])
    limit = {}
    if "TimeoutSeconds" in state:
        limit["timeoutInSeconds"] = stepfunctions._jsonata_state_field(state, "TimeoutSeconds", "number", data, ctx)
    history.add("TaskScheduled", "taskScheduled", **of, region=get_region(), parameters=encoded(arguments), **limit)
    history.add("TaskStarted", "taskStarted", **of)
    try:
        result = limited(_invoke(state["Resource"], arguments, **limit), of["resourceType"])
    except stepfunctions._ExecutionError as error:
        if error.error == "States.Timeout":
            error.cause = ""
            history.add("TaskTimedOut", "taskTimedOut", **of, error=error.error)
        else:
            history.add("TaskFailed", "taskFailed", **of, error=error.error, cause=error.cause)
        raise
    history.add("TaskSucceeded", "taskSucceeded", **of, output=encoded(result), outputDetails={"truncated": False})
    return result


def _names(resource):
    """ "lambda", "invoke"; "states", "startExecution.sync:2"; "aws-sdk:sfn", "describeExecution"."""
    integration = resource.removeprefix(_INTEGRATION)
    if integration.startswith("aws-sdk:"):
        kind, _, action = integration.rpartition(":")
    else:
        kind, _, action = integration.partition(":")
    return {"resourceType": kind, "resource": action}


def _invoke(resource, arguments, timeoutInSeconds=None):
    if resource == _INTEGRATION + nested.RESOURCE:
        return nested.run(arguments, timeoutInSeconds)
    publish = publishing.HANDLERS.get(resource.removeprefix(_INTEGRATION))
    if publish:
        return publish(arguments)
    if timeoutInSeconds is None:
        return stepfunctions._invoke_resource(resource, arguments)
    return stepfunctions._invoke_resource_with_timeout(resource, arguments, timeoutInSeconds)


def _with_retry_and_catch(_original):
    def run(state, data, ctx, attempt):
        retries: dict[int, int] = {}
        entered = ctx["State"]
        while True:
            ctx["State"] = {**entered, "RetryCount": sum(retries.values())}
            try:
                return attempt()
            except stepfunctions._ExecutionError as error:
                retrier, index = stepfunctions._find_matching_retrier(state.get("Retry", []), error.error, retries)
                if retrier is None:
                    return _caught(state, data, ctx, error)
                stepfunctions._scaled_sleep(_delay(retrier, retries.get(index, 0)))
                retries[index] = retries.get(index, 0) + 1
    return run


def _caught(state, data, ctx, error):
    catchers = state.get("Catch", [])
    catcher = stepfunctions._find_matching_catcher(catchers, error.error)
    if catcher is None:
        raise error
    with within(f"Catch[{catchers.index(catcher)}]/"):
        output = stepfunctions._apply_catcher(
            catcher, data, ctx, stepfunctions._state_query_language(state, ctx),
            {"Error": error.error, "Cause": error.cause})
    return output, catcher["Next"]


def _delay(retrier, retries):
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retries
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay


def _matches(original):
    def matches(names, error):
        if error == "States.Runtime":
            return error in names
        return original(names, error)
    return matches


def install():
    patching.requires(
        stepfunctions, "_invoke_resource", "_invoke_resource_with_timeout", "_find_matching_retrier",
        "_find_matching_catcher", "_apply_catcher", "_scaled_sleep", "_next_or_end", "_sfn_mock_config")
    patching.attribute(stepfunctions, "_execute_task", _execute)
    patching.attribute(stepfunctions, "_with_retry_and_catch", _with_retry_and_catch)
    patching.attribute(stepfunctions, "_error_matches", _matches)
