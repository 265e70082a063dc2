"""Failures that would go on while nobody looks: counted in the store, so that an engine that dies forgets none."""

from __future__ import annotations

from autoloop.diagnose import SHORT_CAUSES, memory_causes
from autoloop.engine.context import Context
from autoloop.model import Cause, Run, RunState

FAILURES_IN_A_ROW = 3
"""So many runs failing before their first step mean a broken set-up: the loop stops rather than burn the queue."""

OUT_OF_MEMORY = 3
"""So many attempts of one round that ran out of memory: its configs, or somebody else on the GPU, leave too little."""

BAD = (RunState.FAILED.value, RunState.LOST.value)


def _met_by_all(cause: Cause | None, last: Run, runs: list[Run]) -> str | None:
    """Why no other run of the round needs to be tried; None where one has made a step, so that it is not met by all."""
    if cause is None or not cause.fatal_for_round or any(run.step for run in runs if run.round == last.round):
        return None
    advice = f" ({cause.advice})" if cause.advice else ""
    line = f": {cause.line}" if cause.line else ""
    return f"every run would fail as {last.name} did: {cause.text}{line}{advice}; put it right and `autoloop-tui resume`"


def broken(context: Context, last: Run) -> str | None:
    """Why the loop must stop now that `last` has failed; None if it may go on. What was before the last resume is over."""
    store, loop = context.store, context.loop
    cause = store.attempts(last.id)[-1].diagnosis
    if last.step and (cause is None or cause.id not in memory_causes()):
        return None  # alone of its kind: the past of the loop need not be read
    runs = {run.id: run for run in store.runs(loop.id)}
    ended = [
        attempt
        for attempt in store.loop_attempts(loop.id)
        if attempt.result is not None and (attempt.ended_at or 0.0) > (loop.resumed_at or 0.0)
    ]
    if reason := _met_by_all(cause, last, list(runs.values())):
        return reason
    starved = [
        attempt
        for attempt in ended
        if attempt.diagnosis and attempt.diagnosis.id in memory_causes() and runs[attempt.run].round == last.round
    ]
    if len(starved) >= OUT_OF_MEMORY:
        return (
            f"{len(starved)} runs of round {last.round} ran out of memory; the last: {last.reason}. "
            "Lower what they use, or free the GPU, and `autoloop-tui resume`"
        )
    early = 0
    for attempt in sorted(ended, key=lambda attempt: attempt.ended_at or 0.0, reverse=True):
        run = runs[attempt.run]
        if attempt.result not in BAD or run.step >= 1:
            break
        if attempt.diagnosis and attempt.diagnosis.id in SHORT_CAUSES:
            continue  # the machine's, and it passes
        early += run.state.ended and attempt.number == run.attempts  # one that is tried again has not failed yet
    if early >= FAILURES_IN_A_ROW:
        return f"{FAILURES_IN_A_ROW} runs in a row failed before their first step; the last: {last.reason}"
    return None
