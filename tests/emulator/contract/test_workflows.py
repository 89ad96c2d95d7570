"""What a state machine makes of errors, expressions, variables and data that is too large."""

import datetime

import pytest

from overlay.states import tasks
from workflow import Run, each, function, task

PASS = {"Type": "Pass", "End": True}
ALL = ["States.ALL"]
#: The result of a caught error, as the catcher sees it.
SEEN = {"error": "{% $states.errorOutput.Error %}", "cause": "{% $states.errorOutput.Cause %}"}


@pytest.fixture(scope="module")
def owner(server):
    account = server.session("333344445555")
    function(account)
    return account


def _caught(name="Caught", errors=ALL, **fields):
    return [{"ErrorEquals": errors, "Output": SEEN, "Next": name, **fields}]


# --- retries ---------------------------------------------------------------------------------------

def _delays(run):
    """Between each failed attempt and the next one, in seconds of AWS."""
    run.ended()
    events = run.events()
    failed = [e["timestamp"] for e in events if e["type"] == "TaskFailed"]
    again = [e["timestamp"] for e in events if e["type"] == "TaskScheduled"][1:]
    return [(b - a) / datetime.timedelta(milliseconds=10) for a, b in zip(failed, again, strict=False)]


def test_a_retry_waits(owner, hundred_times_faster):
    """ASL, Retry: it may take longer, as everything does, but not less."""
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "BackoffRate": 3, "MaxDelaySeconds": 40,
              "MaxAttempts": 3}]
    found = _delays(Run(owner, ("Call", task({"fail": "Busy"}, Retry=retry))))
    assert len(found) == 3
    assert all(seen >= wanted - 0.2 for wanted, seen in zip((10, 30, 40), found, strict=True)), found


@pytest.mark.parametrize(("retrier", "delays"), [
    # IntervalSeconds * BackoffRate ^ retries, at most MaxDelaySeconds.
    ({"IntervalSeconds": 10, "BackoffRate": 3, "MaxDelaySeconds": 40}, [10, 30, 40, 40]),
    # Without MaxDelaySeconds as long as it says.
    ({"IntervalSeconds": 90}, [90, 180, 360, 720]),
    ({}, [1, 2, 4, 8])])
def test_how_long_a_retry_waits(retrier, delays):
    """ASL, Retry."""
    assert [tasks._delay(retrier, retries) for retries in range(4)] == delays


def test_jitter_draws_the_delay():
    """ASL, Retry: JitterStrategy FULL draws from 0 to the delay."""
    retrier = {"IntervalSeconds": 30, "BackoffRate": 1, "JitterStrategy": "FULL"}
    found = [tasks._delay(retrier, 0) for _ in range(200)]
    assert all(0 <= seen <= 30 for seen in found) and min(found) < 10 and max(found) > 20, found


def test_retriers_count_for_themselves(owner, hundred_times_faster):
    """ASL, Retry: the first that matches decides, within a Map as outside; RetryCount is of all."""
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 2},
             {"ErrorEquals": ALL, "IntervalSeconds": 1, "MaxAttempts": 5}]
    count = "{% $states.context.State.RetryCount %}"
    catch = [{"ErrorEquals": ["Busy"], "Output": count, "Next": "Caught"}]
    call = task({"fail": "Busy"}, Retry=retry, Catch=catch)
    assert Run(owner, ("Each", each(("Call", call), ("Caught", PASS))), given=[1]).output() == [2]


# --- errors ----------------------------------------------------------------------------------------

def test_catch_in_an_iteration(owner):
    """Assign and Output of a catcher, with the error; the other iterations go on."""
    catch = _caught("Last", Assign={"why": "{% $states.errorOutput.Error & ' of ' & $states.input.fail %}"})
    call = task("{% $states.input %}", Catch=catch, Assign={"why": "none"}, Next="Last")
    last = {**PASS, "Output": {"why": "{% $why %}", "error": "{% $exists($states.input.error) %}"}}
    run = Run(owner, ("Each", each(("Call", call), ("Last", last))), given=[{"fail": "Bad"}, {"a": 1}])
    assert run.output() == [{"why": "Bad of Bad", "error": True}, {"why": "none", "error": False}]


def test_a_task_in_a_map_times_out(owner):
    """TaskTimedOut; States.Timeout has an empty cause for the catcher, and none for the execution."""
    slow = task({"sleep": 2}, TimeoutSeconds=1)
    run = Run(owner, ("Each", each(("Call", {**slow, "Catch": _caught()}), ("Caught", PASS))), given=[1])
    assert run.output() == [{"error": "States.Timeout", "cause": ""}]
    assert [e["taskTimedOutEventDetails"] for e in run.events() if e["type"] == "TaskTimedOut"] == [
        {"error": "States.Timeout", "resource": "invoke", "resourceType": "lambda"}]
    assert Run(owner, ("Call", slow)).failure() == ("States.Timeout", None)


def test_states_all_does_not_catch_states_runtime(owner):
    """ "Handling errors": States.Runtime is not retried and not caught by States.ALL."""
    broken = {"Type": "Task", "Resource": "arn:aws:states:::nothing:atAll", "Arguments": {}, "Next": "Caught",
              "Retry": [{"ErrorEquals": ALL, "IntervalSeconds": 1}], "Catch": _caught()}
    run = Run(owner, ("Call", broken), ("Caught", PASS))
    assert run.failure()[0] == "States.Runtime"
    assert sum(e["type"] == "TaskFailed" for e in run.events()) == 1


def test_fail_with_expressions(owner):
    """ASL, Fail: Error and Cause may be expressions, which give strings."""
    fail = {"Type": "Fail", "Error": "{% $states.input.name %}", "Cause": "{% 'because of ' & $states.input.name %}"}
    assert Run(owner, ("Fails", fail), given={"name": "Bad"}).failure() == ("Bad", "because of Bad")
    error, cause = Run(owner, ("Fails", fail), given={"name": 1}).failure()
    assert error == "States.QueryEvaluationError" and "Expected 'string', but was 'number' for value: 1" in cause


# --- expressions -----------------------------------------------------------------------------------

def test_an_expression_that_returns_nothing(owner):
    """The cause names state, event, expression and field, and so does EvaluationFailed (seen on AWS)."""
    run = Run(owner, ("Make", {**PASS, "Output": {"a": [{"b": "{% $states.input.absent %}"}]}}), given={})
    cause = ("An error occurred while executing the state 'Make' (entered at the event id #2). The JSONata expression "
             "'$states.input.absent' specified for the field 'Output/a[0]/b' returned nothing (undefined).")
    assert run.failure() == ("States.QueryEvaluationError", cause)
    assert run.steps()[2:] == [(3, 2, "EvaluationFailed"), (4, 3, "ExecutionFailed")]
    assert run.events()[2]["evaluationFailedEventDetails"] == {
        "state": "Make", "location": "Output/a[0]/b", "error": "States.QueryEvaluationError", "cause": cause}


def test_a_string_keeps_characters_beyond_ascii(owner):
    """docs.jsonata.org/string-functions, $string: "converted to a JSON string using the JSON.stringify function"."""
    given = "blé 映像 🙂"
    run = Run(owner, ("Make", {**PASS, "Output": "{% $string({'a': [$states.input]}) %}"}), given=given)
    assert run.output() == f'{{"a":["{given}"]}}'


def test_null_is_something(owner):
    """JSON null is a value, also of a variable; a member of a constructor that is nothing is left out."""
    make = {"Type": "Pass", "Assign": {"none": None, "null": "{% null %}"}, "Next": "Show"}
    show = {**PASS, "Output": {"none": "{% $none = null and $exists($none) %}", "null": "{% $null %}",
                               "left": "{% {'a': $states.input.absent, 'b': null} %}"}}
    assert Run(owner, ("Make", make), ("Show", show), given={}).output() == {
        "none": True, "null": None, "left": {"b": None}}


@pytest.mark.parametrize(("field", "value", "place"), [
    ("Arguments", {"FunctionName": "step", "Payload": "{% $absent %}"}, "Arguments/Payload"),
    ("Output", "{% 1 + 'a' %}", "Output"), ("Assign", {"x": "{% $absent %}"}, "Assign/x")])
def test_a_tasks_expression_can_be_caught(owner, field, value, place):
    """By name and by States.ALL, in each field; no TaskFailed for it. A catcher's own is not caught again."""
    call = {**task({}), field: value, "Catch": _caught(errors=["States.QueryEvaluationError"])}
    run = Run(owner, ("Each", each(("Call", call), ("Caught", PASS))), given=[1])
    caught = run.output()[0]
    assert caught["error"] == "States.QueryEvaluationError" and f"for the field '{place}'" in caught["cause"]
    assert [e["type"] for e in run.events() if e["type"].endswith("Failed")] == ["EvaluationFailed"]


def test_a_catchers_expression_is_not_caught(owner):
    call = task({"fail": "Bad"}, Catch=[{"ErrorEquals": ALL, "Output": "{% $absent %}", "Next": "Caught"}])
    error, cause = Run(owner, ("Call", call), ("Caught", PASS)).failure()
    assert error == "States.QueryEvaluationError" and "for the field 'Catch[0]/Output'" in cause


def test_a_condition_is_a_boolean(owner):
    """ASL: an incorrectly typed result is a States.QueryEvaluationError."""
    def choose(condition):
        rules = [{"Condition": "{% false %}", "Next": "Other"}, {"Condition": condition, "Next": "Other"}]
        which = {"Type": "Choice", "Choices": rules, "Default": "Other"}
        return Run(owner, ("Which", which), ("Other", PASS), given={})
    for condition in ("{% $states.input.absent %}", "{% 'yes' %}", "{% null %}"):
        error, cause = choose(condition).failure()
        assert error == "States.QueryEvaluationError" and "'Choices[1]/Condition'" in cause
    assert choose("{% $states.input.absent = 1 %}").output() == {}


def test_a_choice_gives_output_and_variables(owner):
    """ASL, Choice: those of the rule that matched, else the state's own."""
    which = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 1 %}", "Assign": {"by": "rule"},
                                            "Output": "rule", "Next": "Show"}],
             "Default": "Show", "Assign": {"by": "default"}, "Output": "default"}
    show = {**PASS, "Output": "{% [$by, $states.input] %}"}
    run = Run(owner, ("Each", each(("Which", which), ("Show", show))), given=[1, 2])
    assert run.output() == [["rule", "rule"], ["default", "default"]]


# --- variables -------------------------------------------------------------------------------------

def test_assign_counts_from_the_next_state_on(owner):
    """ "Passing data between states with variables": the expressions of a state see the values from before it."""
    start = {"Type": "Pass", "Assign": {"x": 1, "y": 2}, "Next": "Swap"}
    swap = {"Type": "Pass", "Assign": {"x": "{% $y %}", "y": "{% $x %}"}, "Output": "{% [$x, $y] %}", "Next": "Show"}
    run = Run(owner, ("Start", start), ("Swap", swap), ("Show", {**PASS, "Output": "{% [$states.input, $x, $y] %}"}))
    assert run.output() == [1, 2, 2, 1]


def test_an_iteration_has_its_own_variables(owner):
    """It reads outer ones; its own are seen neither by the others nor outside."""
    start = {"Type": "Pass", "Assign": {"outer": "o"}, "Next": "Each"}
    mine = {"Type": "Pass", "Assign": {"own": "{% $outer & $states.input & $string($exists($own)) %}"}, "Next": "Mine"}
    loop = each(("Set", mine), ("Mine", {**PASS, "Output": "{% $own %}"}), MaxConcurrency=1, Next="Show")
    show = {**PASS, "Output": "{% $append($states.input, $exists($own)) %}"}
    run = Run(owner, ("Start", start), ("Each", loop), ("Show", show), given=["a", "b"])
    assert run.output() == ["oafalse", "obfalse", False]


def test_the_item_selector(owner):
    """ASL, Map: ItemSelector sees the Map's input, and the item in the context."""
    selector = {"item": "{% $states.context.Map.Item.Value %}", "of": "{% $count($states.input) %}"}
    assert Run(owner, ("Each", each(("One", PASS), ItemSelector=selector)), given=["a", "b"]).output() == [
        {"item": "a", "of": 2}, {"item": "b", "of": 2}]


# --- too large -------------------------------------------------------------------------------------

LIMIT = 262_144


def test_a_functions_result_is_too_large(owner):
    """256 KiB; the text, and that States.ALL catches it, as recorded on AWS."""
    catch = [{"ErrorEquals": ALL, "Output": SEEN, "Next": "Caught"}]
    call = task({"size": LIMIT}, Catch=catch)
    run = Run(owner, ("Call", call), ("Caught", PASS))
    assert run.output() == {"error": "States.DataLimitExceeded", "cause": "The state/task 'lambda' returned a result "
                            "with a size exceeding the maximum number of bytes service limit."}
    assert sum(e["type"] == "TaskFailed" for e in run.events()) == 1
    assert len(Run(owner, ("Call", task({"size": LIMIT - 200}))).output()["Payload"]["text"]) == LIMIT - 200


@pytest.mark.parametrize("field", ["Output", "Assign"])
def test_a_states_data_is_too_large(owner, field):
    """Quotas: the output of a state, and what one Assign gives to variables."""
    run = Run(owner, ("Make", {**PASS, field: {"text": "{% $pad('', 262144, 'x') %}"}}), given={})
    assert run.failure()[0] == "States.DataLimitExceeded"


def test_all_variables_are_too_large(owner):
    """Developer guide, "Passing data between states with variables": 10 MiB for an execution."""
    big = "{% $pad('', 262000, 'x') %}"
    states = [(f"Set{n}", {"Type": "Pass", "Assign": {f"v{n}": big}, "Next": f"Set{n + 1}"}) for n in range(41)]
    assert Run(owner, *states[:39], ("Set39", PASS), given={}).output() == {}
    assert Run(owner, *states, ("Set41", PASS), given={}).failure()[0] == "States.DataLimitExceeded"


@pytest.mark.parametrize(("error", "cause", "ends"), [
    (256, 32_768, "E" * 256), (257, 1, "States.Runtime"), (1, 32_769, "States.Runtime")])
def test_an_error_and_a_cause_are_too_long(owner, error, cause, ends):
    """API_ExecutionFailedEventDetails: error 256 characters, cause 32,768."""
    fail = {"Type": "Fail", "Error": "E" * error, "Cause": "c" * cause}
    assert Run(owner, ("Fails", fail)).failure()[0] == ends
