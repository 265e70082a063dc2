"""Stops a loop whose failures would repeat unattended. Failures are counted in the store, so a killed engine loses none."""

from __future__ import annotations

from autoloop.diagnose.causes import SHORT_CAUSES, memory_causes
from autoloop.engine.base.context import Context
from autoloop.model import Attempt, Cause, LoopEnd, LoopEndKind, Run, RunState

FAILURES_IN_A_ROW = 3
"""Consecutive runs that fail before their first step. This many mean a broken set-up, so the loop stops."""

OUT_OF_MEMORY = 3
"""Attempts of one round that run out of memory. This many mean that its configs, or other GPU users, need too much."""

BAD = (RunState.FAILED, RunState.LOST)


RECENT = 50
"""The newest attempts to search for those that ended last; four more are searched for each slot."""


def reason_to_stop(context: Context, last: Run) -> LoopEnd | None:
    """Why the loop must stop now that `last` has failed; None if it may continue. Ignores attempts before the last resume.

    A loop may have had thousands of runs, so each check reads only the rows that it needs.
    """
    cause = context.store.attempts(last.id)[-1].diagnosis
    if cause is not None and cause.fatal_for_round and (text := _met_by_all(context, cause, last)):
        return LoopEnd(kind=LoopEndKind.FAILS_FOR_ALL, text=text)
    if cause is not None and cause.id in memory_causes() and (text := _out_of_memory(context, last)):
        return LoopEnd(kind=LoopEndKind.OUT_OF_MEMORY, text=text)
    if not last.step and (text := _early(context, last)):
        return LoopEnd(kind=LoopEndKind.EARLY_FAILURES, text=text)
    return None


def _met_by_all(context: Context, cause: Cause, last: Run) -> str | None:
    """Why no other run of the round needs to be tried; None if one made a step, so the cause does not affect all."""
    if any(run.step for run in context.store.runs(last.loop, last.round)):
        return None
    advice = f" ({cause.advice})" if cause.advice else ""
    line = f": {cause.line}" if cause.line else ""
    return f"every run would fail like {last.name}: {cause.text}{line}{advice}; fix it and `autoloop-tui resume`"


def _out_of_memory(context: Context, last: Run) -> str | None:
    runs = {run.id for run in context.store.runs(last.loop, last.round)}
    starved = [
        attempt
        for attempt in _counting(context, context.store.loop_attempts(last.loop))
        if attempt.run in runs and attempt.diagnosis and attempt.diagnosis.id in memory_causes()
    ]
    if len(starved) < OUT_OF_MEMORY:
        return None
    return (
        f"{len(starved)} runs of round {last.round} ran out of memory; the last: {last.reason}. "
        "Reduce their memory use, or free the GPU, and `autoloop-tui resume`"
    )


def _early(context: Context, last: Run) -> str | None:
    newest = context.store.newest_attempts(last.loop, RECENT + 4 * len(context.spec.slots))
    early = 0
    for attempt in sorted(_counting(context, newest), key=lambda attempt: attempt.ended_at or 0.0, reverse=True):
        run = context.store.run(attempt.run)
        if attempt.result not in BAD or run.step >= 1:
            break
        if attempt.taken or (attempt.diagnosis and attempt.diagnosis.id in SHORT_CAUSES):
            continue  # caused by the machine, and transient
        early += run.state.ended and attempt.number == run.attempts  # a run that will be retried has not failed yet
        if early >= FAILURES_IN_A_ROW:
            return f"{FAILURES_IN_A_ROW} runs in a row failed before their first step; the last: {last.reason}"
    return None


def _counting(context: Context, attempts: list[Attempt]) -> list[Attempt]:
    """The attempts that have ended since the last resume."""
    since = context.loop.resumed_at or 0.0
    return [attempt for attempt in attempts if attempt.result is not None and (attempt.ended_at or 0.0) > since]
