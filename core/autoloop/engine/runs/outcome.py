"""The result of an ended attempt: its summary, state and cause. `retries.py` decides whether its run is retried."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from autoloop.diagnose.diagnosis import diagnose
from autoloop.engine.base.context import Context
from autoloop.engine.base.judgeable import why_not_judged
from autoloop.engine.runs.execution import EndedAttempt
from autoloop.engine.runs.following import SIP
from autoloop.engine.runs.retries import continues, why_again
from autoloop.engine.runs.watchdog import as_judged
from autoloop.gpu_history import read_history
from autoloop.logs import read_log_tail
from autoloop.metric_readers import Follower
from autoloop.metrics import diverged_metrics, summarise, together
from autoloop.model import (
    Attempt,
    Cause,
    EventKind,
    GpuUse,
    HookEvent,
    RequeueKind,
    Run,
    RunState,
    StopKind,
    Taken,
    TakenKind,
)
from autoloop.model.transitions import attempt_settled, run_ended, run_requeued
from autoloop.rules import live_rules, no_point_seen
from autoloop.runners.ssh.left import notes_on
from autoloop.secrets import mask_lines

READ_AT_MOST = 30.0
"""Seconds spent on searching the rest of a log for metrics. After that, only its last LAST bytes are read."""
LAST = 1 << 20
NAMED, NOTED, LONGEST_NOTE = 4, 5, 500
"""Limits of the notes on a history: further W&B runs named, notes kept, characters per note."""
RUN_PAGE = re.compile(r"https?://[^\s'\"<>]+/runs/(\w+)")
MEANWHILE = 0.2


def settle(context: Context, ended: EndedAttempt, meanwhile: Callable[[], bool] = lambda: True) -> Run | None:
    """Read the rest of the run's history and log, record the result in one transaction, and return the run.

    `meanwhile` is called every 0.2 s while this reads. If it returns False, nothing is recorded and the result is None; the
    next engine settles the attempt.
    """
    attempt, run, follower = ended.attempt, ended.run, ended.follower
    if not _read_rest(follower, meanwhile):
        return None
    summary = summarise(follower.columns, context.metrics)
    diverged = diverged_metrics(summary, context.metrics)
    if not summary.metrics and run.summary:  # it was extended, and ended before it logged anything
        summary = run.summary
    summary = msgspec.structs.replace(summary, gpu=_gpu_use(run, attempt))
    step = max(summary.steps, follower.step or 0, run.step)
    silent = _unwatched(context, run, follower)
    total = max(step, follower.total_steps or 0) if run.total_assumed else run.total_steps
    notes, wandb_id, sources = history_notes(follower), follower.wandb_id, follower.sources or run.sources
    notes += notes_on(attempt.output_dir, attempt.place)
    follower.close()
    lines = mask_lines(read_log_tail(Path(attempt.directory) / "log.txt"), context.secrets(run))
    state, cause = judge_exit(context, attempt, lines, diverged)
    if state is RunState.FINISHED:
        run = msgspec.structs.replace(run, total_steps=total)
        step = total if step == total - 1 else step  # the last step is one less if steps are counted from 0
    stayed = attempt.stop.text if attempt.stop and attempt.stop.kind is StopKind.OVERSTAYED else None
    reason = cause.text if cause else stayed
    run = msgspec.structs.replace(run, step=step)
    again = why_again(context, attempt, run, state, cause)
    if again is None and attempt.taken and attempt.taken.kind is TakenKind.TIME_LIMIT and state is RunState.STOPPED:
        state = RunState.FAILED
    resume = run.resume or (again is not None and again.kind is RequeueKind.TAKEN and continues(context, attempt, run))
    unjudged = why_not_judged(context, run, summary, sources) if state is RunState.FINISHED else None
    run = run_ended(run, state, reason, step=step, summary=summary, ended_at=attempt.ended_at, unjudged=unjudged)
    url = wandb_url({run.id, wandb_id}, lines) or run.wandb_url
    run = msgspec.structs.replace(run, wandb_url=url, wandb_id=wandb_id, sources=sources, notes=notes)
    if again:
        run = run_requeued(run, again, resume=resume)
    with context.store.transaction():
        context.store.put_attempt(attempt_settled(attempt, state, reason, cause), context.loop_id)
        context.store.put_run(run)
        context.log_event(EventKind.RUN_ENDED, _sentence(run, state, reason, attempt), run.id)
        if run.state in (RunState.FAILED, RunState.LOST):
            text, next = _sentence(run, state, reason, attempt), f"autoloop-tui logs {run.id}"
            context.tell(HookEvent.RUN_FAILED, attempt.id, text, next=next, round=run.round, run=run)
        if silent and state is RunState.FINISHED:
            context.log_event(EventKind.NOTE, f"{run.name} ({run.id}): live rule {'; live rule '.join(silent)}", run.id)
        if again:
            context.log_event(EventKind.RUN_RETRIED, f"{run.name} ({run.id}) is queued again: {again.text}", run.id)
        for note in notes:
            context.log_event(EventKind.NOTE, f"{run.name} ({run.id}): {note}", run.id)
        if unjudged:
            context.log_event(EventKind.NOTE, f"{run.name} ({run.id}) is not judged: {unjudged.text}", run.id)
        elif not summary.metrics and state is RunState.FINISHED:
            context.log_event(
                EventKind.NOTE,
                f"{run.name} ({run.id}) finished, but no metric was found in {run.output_dir}: rules cannot judge it",
                run.id,
            )
    return run


def _unwatched(context: Context, run: Run, follower: Follower) -> list[str]:
    """The live rules that saw no point of the run in their window. For metrics that the trainer does not log, only rules of
    a book that the user named are reported, not those of the built-in book."""
    if not context.spec.live:
        return []
    since = run.step if run.resume else 0
    absent = context.spec.rules is not None
    rules = live_rules(context.rules)
    return no_point_seen(rules, follower.columns, context.metrics, run.total_steps, since=since, absent=absent)


def _gpu_use(run: Run, attempt: Attempt) -> GpuUse | None:
    """The attempt's GPU use, plus the run's earlier use if the attempt continued from a checkpoint."""
    history = read_history(Path(attempt.directory))
    before = run.summary.gpu if run.resume and run.summary else None
    return together(before, history.use if history else None)


def _read_rest(follower: Follower, meanwhile: Callable[[], bool]) -> bool:
    began = turned = time.monotonic()
    while follower.poll(SIP):
        now = time.monotonic()
        if now - turned > MEANWHILE:
            turned = now
            if not meanwhile():
                return False
        if now - began > READ_AT_MOST:
            follower.skip_log(LAST)
    return True


def history_notes(follower: Follower) -> list[str]:
    """Notes on the run's results, one sentence each."""
    notes = follower.problems
    if others := follower.others:
        named = ", ".join(others[:NAMED]) + (", …" if len(others) > NAMED else "")
        notes.insert(
            0,
            f"it started {len(others) + 1} W&B runs; only the metrics of {follower.wandb_id} (the first to log any) are "
            f"used, not those of {named}",
        )
    # Notes may contain paths with arbitrary bytes.
    notes = [note.encode(errors="replace").decode()[:LONGEST_NOTE] for note in notes]
    return [*notes[:NOTED], f"{len(notes) - NOTED} more such notes"] if len(notes) > NOTED + 1 else notes


def wandb_url(ids: Collection[str | None], lines: list[str]) -> str | None:
    """The address of the run's W&B page, from the log lines; None if none was printed, as for an offline run."""
    found = (match for line in lines for match in RUN_PAGE.finditer(line))
    return next((match.group() for match in found if match.group(1) in ids), None)


def judge_exit(context: Context, attempt: Attempt, lines: list[str], diverged: list[str]) -> tuple[RunState, Cause | None]:
    """The final state of an ended attempt, and the cause if it did not finish."""
    attempt = as_judged(attempt)
    if attempt.taken:
        return judge_taken(attempt.taken)
    cause = diagnose(
        attempt.exit,
        lines,
        context.preset,
        device=context.spec.device,
        stop_reason=attempt.stop.text if attempt.stop else None,
        vanished=attempt.cause,
        diverged=diverged,
    )
    if cause is None:
        return RunState.FINISHED, None
    if attempt.exit is None:
        return (RunState.STOPPED if attempt.stop else RunState.LOST), cause
    return (RunState.STOPPED if attempt.exit.stopped_by else RunState.FAILED), cause


def judge_taken(taken: Taken) -> tuple[RunState, Cause]:
    """The state and cause of an attempt that its place ended."""
    failed = {TakenKind.NODE_LOST: RunState.LOST, TakenKind.MEMORY: RunState.FAILED}
    advice = {
        TakenKind.MEMORY: "ask for more memory, or lower num_workers or batch_size",
        TakenKind.TIME_LIMIT: "raise the time limit; with [resume] in its preset, the trainer continues from its checkpoint",
    }
    passes = taken.kind in (TakenKind.NODE_LOST, TakenKind.PREEMPTED)
    name = taken.kind.value.replace(" ", "-")
    cause = Cause(id=name, text=taken.text, advice=advice.get(taken.kind, ""), retry=passes)
    return failed.get(taken.kind, RunState.STOPPED), cause


def _sentence(run: Run, state: RunState, reason: str | None, attempt: Attempt) -> str:
    took = max(0.0, (attempt.ended_at or 0.0) - (attempt.started_at or attempt.created_at))  # clocks can be set back
    head = f"{run.name} ({run.id}) {state.value} after {took:.0f} s at step {run.step}"
    return f"{head}: {reason}" if reason else head
