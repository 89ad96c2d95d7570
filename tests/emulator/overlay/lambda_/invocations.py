"""Owns how a state machine's invocation of a function fails, by itself or by a fault.

AWS facts (Step Functions developer guide, "Handle transient Lambda service exceptions"; Lambda developer guide,
"Troubleshooting invocation"):
* A failure of Lambda or of its client is `Lambda.<name>`: TooManyRequestsException when there is no capacity,
  ServiceException, SdkClientException when no answer came. Nobody knows then whether the function has run.
* A function's own failure is its payload's errorType; without one it is Lambda.Unknown.
* A function that runs out of time is Sandbox.Timedout; one that is killed for its memory is Runtime.ExitError with
  "signal: killed" (awslabs/amazon-s3-find-and-forget#283). Both may have done their work before.
* A function may run twice for one event (Lambda developer guide, "Retries").
Unsure:
* The messages of ServiceException and SdkClientException.
* Recorded executions show Lambda.Unknown for time-outs too, so a product must expect both names.
"""

import json
import time

from ministack.core.responses import get_account_id, new_uuid
from ministack.services import lambda_svc, stepfunctions

from overlay import background, patching
from overlay.control import faults
from overlay.iam import machine_roles
from overlay.states import history


def _call_lambda(original):
    def call(function, event):
        name = lambda_svc._resolve_name(function)
        refusal, fault = background.on_loop(_met, function, name, event)
        if refusal:
            raise stepfunctions._ExecutionError(
                "Lambda.AWSLambdaException", _described(refusal, "AccessDeniedException", 403))
        if fault is None:
            return _named(original, function, event)
        time.sleep(fault.latencyMs / 1000)
        if fault.kind in faults.REFUSING:
            raise _refused(*faults.described("lambda", fault))
        token, result = faults.STRIKING.set(fault), None
        try:
            result = _named(original, function, event)
        except stepfunctions._ExecutionError:
            if fault.kind != "cut-after":
                raise
        finally:
            faults.STRIKING.reset(token)
        if fault.kind == "cut-after":
            raise stepfunctions._ExecutionError("Lambda.SdkClientException", "Unable to execute HTTP request")
        return result
    return call


def _machine():
    """The state machine that this thread runs, if any; a batch of a Distributed Map runs that of the Map."""
    branch = history.branch()
    if branch is None:
        return {}
    return stepfunctions._state_machines.get(branch.execution["stateMachineArn"].split("/")[0]) or {}


def _caller():
    """The session of the state machine's role, as a policy would see it."""
    branch = history.branch()
    if branch is None:
        return ""
    role = _machine().get("roleArn", "").rsplit("/", 1)[-1]
    return f"arn:aws:sts::{get_account_id()}:assumed-role/{role}/{branch.execution['name']}"


def _met(function, name, event):
    """What an invocation meets: why it is refused, or else the fault that strikes it."""
    machine, caller = _machine(), _caller()
    refusal = machine_roles.may_not_invoke(machine, caller, function) if machine else ""
    if refusal:
        return refusal, None
    return "", faults.due("lambda", "Invoke", caller, name, lambda: json.dumps(event, ensure_ascii=False))


def _named(original, function, event):
    try:
        return original(function, event)
    except stepfunctions._ExecutionError as error:
        if error.error != "Lambda.Unknown":
            raise
        if '"__type": "TooManyRequestsException"' in error.cause:
            raise _refused("TooManyRequestsException", json.loads(error.cause)["message"], 429) from error
        raise stepfunctions._ExecutionError(
            error.error, "The cause could not be determined because Lambda did not return an error type. "
            f"Returned payload: {error.cause}") from error


def _refused(code, message, status):
    return stepfunctions._ExecutionError(f"Lambda.{code}", _described(message, code, status))


def _described(message, code, status):
    return (f"{message} (Service: AWSLambda; Status Code: {status}; Error Code: {code}; "
            f"Request ID: {new_uuid()}; Proxy: null)")


def _run(original):
    def run(func, config, event, request_id, started):
        fault = faults.STRIKING.get()
        if fault is None or fault.kind not in faults.OF_FUNCTIONS:
            return original(func, config, event, request_id, started)
        if fault.kind == "twice":
            original(func, config, event, request_id, started)
            return original(func, config, event, new_uuid(), time.time())
        if fault.runs:
            original(func, config, event, request_id, started)
        return {"body": _answer(fault, config, request_id), "error": True, "log": ""}
    return run


def _answer(fault, config, request_id):
    if fault.kind == "timeout":
        return {"errorType": "Sandbox.Timedout", "errorMessage":
                f"RequestId: {request_id} Error: Task timed out after {config.get('Timeout', 3):.2f} seconds"}
    if fault.kind == "out-of-memory":
        return {"errorType": "Runtime.ExitError", "errorMessage":
                f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"}
    return {**({"errorType": fault.errorType} if fault.errorType else {}), "errorMessage": fault.errorMessage}


def install():
    patching.requires(stepfunctions, "_ExecutionError", "_state_machines")
    patching.requires(lambda_svc, "_resolve_name")
    patching.attribute(stepfunctions, "_call_lambda", _call_lambda)
    patching.attribute(lambda_svc, "_execute_function_dispatch", _run)
