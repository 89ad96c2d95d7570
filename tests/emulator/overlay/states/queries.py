"""Owns JSONata in a state: expressions that fail, conditions, variables.

AWS facts:
* An expression that fails, returns nothing, or another type than the field needs is States.QueryEvaluationError (Amazon
  States Language, appendix A). The history has an EvaluationFailed event with the field's place; the cause names state,
  expression and field (seen in causes of executions on AWS).
* A Choice's Condition is a boolean; its Default goes with the state's own Output and Assign.
* `Assign` takes effect in the next state: its own expressions see the values from before (developer guide, "Passing
  data between states with variables").
* The variables of one Assign may have 256 KiB together, and all of an execution 10 MiB (developer guide, "Passing data
  between states with variables"; quotas).
* $string leaves characters beyond ASCII as they are: Step Functions runs JSONata 2.0.6, whose $string is
  JSON.stringify (developer guide, "Transforming data with JSONata").
Unlike AWS:
* An expression has no time limit; on AWS it has a second, but a second of a busy machine is not a second of AWS.
* Of the variables of iterations that run side by side, each iteration counts its own.
Unsure:
* "threw an error during evaluation", and the error of an Assign, or of all variables, that are too large.
"""

import contextlib
import contextvars
import copy
import functools

from ministack.services import stepfunctions

from overlay import patching
from overlay.states import history
from overlay.states.runner import limited

ERROR = "States.QueryEvaluationError"
_FIELD = contextvars.ContextVar("overlay_field", default="")
#: Bytes of all variables of an execution.
_MAX_VARIABLES = 10 * 1024 * 1024
#: Expressions that are kept parsed: parsing takes longer than evaluating.
_PARSED = 2048


@contextlib.contextmanager
def within(part):
    """What is evaluated in here is at `part` of where it was."""
    token = _FIELD.set(_FIELD.get() + part)
    try:
        yield
    finally:
        _FIELD.reset(token)


def is_jsonata(state, ctx):
    return stepfunctions._state_query_language(state, ctx) == "JSONata"


def _is_expression(value):
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def _failed(expression, what):
    field, own = _FIELD.get(), history.branch()
    cause = f"The JSONata expression '{expression}' specified for the field '{field}' {what}"
    if own is not None:
        cause = (f"An error occurred while executing the state '{own.state}' "
                 f"(entered at the event id #{own.entered}). {cause}")
        history.add("EvaluationFailed", "evaluationFailed", state=own.state, location=field,
                    error=ERROR, cause=cause)
    return stepfunctions._ExecutionError(ERROR, cause)


@functools.lru_cache(maxsize=_PARSED)
def _parsed(expression):
    parsed = stepfunctions.jsonata.Jsonata.jsonata(expression)
    stepfunctions._register_sfn_jsonata_functions(parsed)
    return parsed


def _value(expression, bindings):
    # What is written to while it is evaluated is a copy's, and this thread's; the parsed expression is not.
    own = copy.copy(_parsed(expression))
    stepfunctions.jsonata.Jsonata.CURRENT.jsonata = own
    return own.evaluate(None, bindings)


def _evaluate(_original):
    def evaluate(expression, data, ctx=None, result=None, error_output=None):
        ctx = ctx or {}
        null = stepfunctions.jsonata.utils.Utils.NULL_VALUE
        bindings = {name: null if value is None else value for name, value in ctx.get("variables", {}).items()}
        bindings["states"] = {"input": data, "result": result, "errorOutput": error_output, "context": ctx}
        try:
            value = _value(expression, bindings)
            # None is null or nothing.
            is_something = value is not None or _value(f"$exists(({expression}))", bindings)
        except stepfunctions._ExecutionError:
            raise
        except Exception as error:
            code = getattr(error, "error", None)
            cause = f"{code}: {error}" if isinstance(code, str) and code else str(error)
            raise stepfunctions._ExecutionError(ERROR, cause) from error
        if not is_something:
            raise stepfunctions._ExecutionError(ERROR, f"JSONata expression did not return a result: {expression}")
        return value
    return evaluate


def _encoder(original):
    class Encoder(original):  # type: ignore[misc, valid-type]
        def __init__(self, **options):
            super().__init__(**{**options, "ensure_ascii": False})
    return Encoder


def _template(_original):
    def apply(value, data, ctx=None, result=None, error_output=None):
        if isinstance(value, dict):
            return {key: _at(f"/{key}", item, data, ctx, result, error_output) for key, item in value.items()}
        if isinstance(value, list):
            return [_at(f"[{index}]", item, data, ctx, result, error_output) for index, item in enumerate(value)]
        if not _is_expression(value):
            return value
        expression = value[2:-2].strip()
        try:
            return stepfunctions._evaluate_jsonata(expression, data, ctx, result, error_output)
        except stepfunctions._ExecutionError as error:
            nothing = error.cause.startswith("JSONata expression did not return a result")
            raise _failed(expression, "returned nothing (undefined)." if nothing
                          else f"threw an error during evaluation. {error.cause}") from error
    return apply


def _at(part, *template):
    with within(part):
        return stepfunctions._apply_jsonata_template(*template)


def _named(field):
    def make(original):
        def apply(*args, **kwargs):
            with within(field):
                return original(*args, **kwargs)
        return apply
    return make


def _typed(_original):
    def apply(state, field, expected, data, ctx):
        with within(field):
            value = stepfunctions._apply_jsonata_template(state[field], data, ctx)
            found = stepfunctions._json_type(value)
            if found != expected:
                raise _failed(str(state[field]).removeprefix("{%").removesuffix("%}").strip(),
                              f"returned an unexpected result type. Expected '{expected}', but was "
                              f"'{found}' for value: {history.encoded(value)}")
        return value
    return apply


def _assign(_original):
    def assign(state, data, ctx, result=None, error_output=None):
        if ctx is None or not is_jsonata(state, ctx) or not isinstance(state.get("Assign"), dict):
            return
        values = _at("Assign", state["Assign"], data, ctx, result, error_output)
        state_name = ctx.get("State", {}).get("Name", "")
        ctx.setdefault("variables", {}).update(limited(values, state_name))
        sizes = ctx.setdefault("variable_sizes", {})
        sizes.update({name: len(history.encoded(value).encode()) for name, value in values.items()})
        if sum(sizes.values()) > _MAX_VARIABLES:
            raise stepfunctions._ExecutionError(
                "States.DataLimitExceeded", f"The variables of the execution have more than {_MAX_VARIABLES} bytes "
                f"after the state '{state_name}'.")
        if (own := history.branch()) is not None:
            own.assigned = values
    return assign


def _choice(original):
    def execute(state, data, ctx=None):
        if not is_jsonata(state, ctx):
            return original(state, data, ctx)
        for index, rule in enumerate(state["Choices"]):
            with within(f"Choices[{index}]/"):
                if stepfunctions._jsonata_state_field(rule, "Condition", "boolean", data, ctx):
                    return _chosen(rule, data, ctx), rule["Next"]
        if "Default" not in state:
            raise stepfunctions._ExecutionError("States.NoChoiceMatched", "No choice rule matched and no Default")
        return _chosen(state, data, ctx), state["Default"]
    return execute


def _chosen(rule, data, ctx):
    output = stepfunctions._apply_jsonata_output(rule, data, ctx, default=data)
    stepfunctions._apply_state_assign(rule, data, ctx)
    return output


def install():
    patching.requires(stepfunctions, "jsonata", "_register_sfn_jsonata_functions", "_json_type",
                      "_state_query_language")
    patching.requires(stepfunctions.jsonata.Jsonata, "CURRENT")
    patching.attribute(stepfunctions.jsonata.functions.Functions, "Encoder", _encoder)
    patching.attribute(stepfunctions, "_evaluate_jsonata", _evaluate)
    patching.attribute(stepfunctions, "_apply_jsonata_template", _template)
    patching.attribute(stepfunctions, "_apply_jsonata_arguments", _named("Arguments"))
    patching.attribute(stepfunctions, "_apply_jsonata_output", _named("Output"))
    patching.attribute(stepfunctions, "_jsonata_state_field", _typed)
    patching.attribute(stepfunctions, "_apply_state_assign", _assign)
    patching.attribute(stepfunctions, "_execute_choice", _choice)
