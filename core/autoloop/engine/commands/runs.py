"""Stops, retries and extends runs, and moves them in the queue."""

from __future__ import annotations

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.commands.command import CommandContext
from autoloop.engine.runs.resume import refusal, was_resumed
from autoloop.model import (
    EventKind,
    LoopState,
    Requeue,
    RequeueKind,
    RoundState,
    Run,
    RunState,
    StopCause,
    StopKind,
    UserError,
)
from autoloop.model.transitions import loop_reopened, run_extended, run_extension_withdrawn, run_requeued, run_withdrawn
from autoloop.protocol import Extend, Move, Retry


def stop(command: CommandContext, name: str, *, kill: bool) -> str:
    """Stop a run, or remove it from the queue. With `kill`, do not wait for a clean exit."""
    run = command.run(name)
    if run.state is RunState.QUEUED:
        _unqueue(command.context, run, f"removed from the queue by {command.actor}")
        return f"{run.name} ({run.id}) is removed from the queue"
    cause = StopCause(kind=StopKind.USER, text=f"stopped by {command.actor}")
    if not command.execution.stop(run.id, cause, kill=kill):
        raise UserError(f"Run {run.id} is {run.state.value}; there is nothing to stop.")
    return f"{run.name} ({run.id}) is stopping; its log, checkpoints and metrics so far are kept"


def _unqueue(context: Context, run: Run, reason: str) -> None:
    if run.resume:
        run = run_extension_withdrawn(run, context.store.attempts(run.id)[-1])
    else:
        run = run_withdrawn(run, reason, context.clock())
    context.store.put_run(run)
    context.log_event(EventKind.RUN_ENDED, f"{run.name} ({run.id}) {reason}", run.id)


def retry(command: CommandContext, request: Retry) -> str:
    """Queue an ended run for another attempt, which continues from the checkpoint if the last attempt did.

    An attempt from scratch is possible only while the run's round is running: later it would be judged with another round.
    """
    context, run = command.context, command.run(request.run)
    if not run.state.ended:
        raise UserError(f"Run {run.id} is {run.state.value}; only an ended run can be retried.")
    current = context.store.last_round(context.loop_id)
    if run.state is RunState.FINISHED:
        raise UserError(f"Run {run.id} has finished; propose a variant of it instead.")
    if was_resumed(context.store.attempts(run.id)):
        return _extend(context, run, run.total_steps, command.actor)
    if run.round != current.number:
        raise UserError(f"Run {run.id} is of round {run.round}; propose a variant of it instead.")
    if current.state is not RoundState.RUNNING:
        raise UserError(f"Round {current.number} has been judged; propose a variant of run {run.id} instead.")
    context.store.put_run(run_requeued(run, Requeue(kind=RequeueKind.USER)))
    context.log_event(EventKind.RUN_RETRIED, f"{run.name} ({run.id}) is queued again by {command.actor}", run.id)
    return f"{run.name} ({run.id}) is queued again"


def extend(command: CommandContext, request: Extend) -> str:
    """Queue an ended run to continue from its checkpoint. A finished loop becomes active again until the run ends."""
    return _extend(command.context, command.run(request.run), request.steps, command.actor)


def _extend(context: Context, run: Run, steps: int, actor: str) -> str:
    loop = context.loop
    if loop.state is LoopState.STOPPED:
        raise UserError(f"The loop is stopping; extend run {run.id} when its runs have ended.")
    if problem := refusal(context.preset, run, steps):
        raise UserError(problem)
    run = run_extended(run, steps)
    context.store.put_run(run)
    if loop.state is LoopState.FINISHED:
        context.store.put_loop(loop_reopened(loop))
    text = f"{run.name} ({run.id}) {run.reason}"
    context.log_event(EventKind.RUN_EXTENDED, f"{text} (by {actor})", run.id)
    return f"{text}, in the same output directory"


def move(command: CommandContext, request: Move) -> str:
    """Move a queued run before another one, or to the end of the queue."""
    context, run = command.context, command.run(request.run)
    queue = context.store.queued(context.loop_id)
    others = [other for other in queue if other.id != run.id]
    if len(others) == len(queue):
        raise UserError(f"Run {run.id} is {run.state.value}, not queued.")
    index = next((i for i, other in enumerate(others) if other.id == request.before), len(others))
    order = [*others[:index], run, *others[index:]]
    for position, moved in zip(sorted(r.position for r in queue), order, strict=True):
        context.store.put_run(msgspec.structs.replace(moved, position=position))
    return f"{run.name} ({run.id}) is now number {index + 1} in the queue"
