"""Owns what runs side by side: the iterations of an inline Map, the branches of a Parallel.

AWS facts (events as recorded on AWS):
* MapStateStarted with the number of items. Each iteration is MapIterationStarted, the events of its states,
  MapIterationSucceeded. MapStateSucceeded and MapStateExited both name the latest event of the last iteration as the
  one before them.
* The first iteration that fails aborts the others: MapIterationFailed, MapIterationAborted, TaskStateAborted and
  MapStateFailed all name its latest event as the one before them. The Map fails with its error.
* At most 40 iterations at once. Variables of an iteration are its own; it may read outer ones.
Unlike AWS:
* An iteration that has to wait for a place names MapStateStarted as the one before it; on AWS it names the iteration
  whose place it takes.
* A JSONPath Map or Parallel records only its states.
"""

import concurrent.futures
import contextvars
import copy
import functools

from ministack.services import stepfunctions

from overlay import patching
from overlay.states import distributed, history, runner
from overlay.states.queries import is_jsonata, within

_ITERATIONS_AT_ONCE = 40
_ABORTABLE = ("Task", "Wait", "Map", "Parallel")


def _map(original):
    def run(state, data, execution, ctx):
        processor = state.get("ItemProcessor") or state.get("Iterator", {})
        is_distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        if not is_jsonata(state, ctx) or (is_distributed and "ItemReader" in state):
            return original(state, data, execution, ctx)
        if is_distributed:
            return distributed.run(state, processor, data, execution, ctx)
        items = stepfunctions._jsonata_state_field(
            {"Items": "{% $states.input %}", **state}, "Items", "array", data, ctx)
        at_once = 0
        if "MaxConcurrency" in state:
            at_once = stepfunctions._jsonata_state_field(state, "MaxConcurrency", "number", data, ctx)
        history.add("MapStateStarted", "mapStateStarted", length=len(items))
        works = [_iteration(state, processor, index, item, data, execution, ctx) for index, item in enumerate(items)]
        return _result("Map", state, data, ctx, works, at_once or _ITERATIONS_AT_ONCE)
    return run


def _iteration(state, processor, index, item, data, execution, ctx):
    inner = copy.deepcopy(ctx)
    inner["Map"] = {"Item": {"Index": index, "Value": item}}
    of = {"name": ctx["State"]["Name"], "index": index}

    def work():
        history.add("MapIterationStarted", "mapIterationStarted", **of)
        given = item
        if "ItemSelector" in state:
            with within("ItemSelector"):
                given = stepfunctions._apply_jsonata_template(state["ItemSelector"], data, inner)
        output = runner.run(processor["States"], processor["StartAt"], given, execution, inner)
        history.add("MapIterationSucceeded", "mapIterationSucceeded", **of)
        return output
    return work


def _parallel(original):
    def run(state, data, execution, ctx):
        if not is_jsonata(state, ctx):
            return original(state, data, execution, ctx)
        given = stepfunctions._apply_jsonata_arguments(state, data, ctx)
        history.add("ParallelStateStarted")
        works = [functools.partial(runner.run, branch["States"], branch["StartAt"], given, execution,
                                   copy.deepcopy(ctx)) for branch in state["Branches"]]
        return _result("Parallel", state, data, ctx, works, len(works))
    return run


def _result(kind, state, data, ctx, works, at_once):
    results = _side_by_side(kind, works, at_once)
    output = stepfunctions._apply_jsonata_output(state, data, ctx, result=results, default=results)
    stepfunctions._apply_state_assign(state, data, ctx, result=results)
    return output, stepfunctions._next_or_end(state)


def _side_by_side(kind, works, at_once):
    outer = history.branch()
    inner = [history.Branch(outer.execution, outer, outer.latest, outer.state, entered=outer.entered) for _ in works]
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(int(at_once), len(works))))
    futures = [pool.submit(contextvars.copy_context().run, _within, own, work)
               for own, work in zip(inner, works, strict=True)]
    concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
    failed, error = next(((index, found) for index, future in enumerate(futures)
                          if future.done() and (found := future.exception())), (-1, None))
    if error is None:
        pool.shutdown(wait=False)
        last = max((own.latest for own in inner), default=outer.latest)
        _after(last, f"{kind}StateSucceeded")
        outer.latest = last
        return [future.result() for future in futures]
    history.stop(inner)
    pool.shutdown(wait=False, cancel_futures=True)
    if not isinstance(error, history.Over):
        _record_failure(kind, outer, inner, futures, failed)
    raise error


def _within(own, work):
    history.enter(own)
    return work()


def _record_failure(kind, outer, inner, futures, failed):
    started, last = outer.latest, inner[failed].latest
    for index, own in enumerate(inner):
        has_succeeded = futures[index].done() and not futures[index].cancelled() and not futures[index].exception()
        if has_succeeded or own.latest == started:
            continue
        if kind == "Map":
            what = "Failed" if index == failed else "Aborted"
            _after(last, f"MapIteration{what}", f"mapIteration{what}", name=outer.state, index=index)
        if own.kind in _ABORTABLE:
            _after(last, f"{own.kind}StateAborted")
    _after(last, f"{kind}StateFailed")


def _after(event, *recorded, **details):
    history.branch().latest = event
    history.add(*recorded, **details)


def install():
    patching.requires(stepfunctions, "_apply_jsonata_arguments", "_apply_jsonata_output", "_apply_jsonata_template",
                      "_apply_state_assign", "_jsonata_state_field", "_next_or_end")
    patching.attribute(stepfunctions, "_run_map_items", _map)
    patching.attribute(stepfunctions, "_run_parallel_branches", _parallel)
