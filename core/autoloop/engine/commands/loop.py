"""Pauses, resumes and stops the whole loop."""

from __future__ import annotations

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.commands.command import CommandContext
from autoloop.engine.planning import limits
from autoloop.engine.rounds.live_proposals import LiveProposals
from autoloop.engine.runs.execution import ActiveAttempt, Execution
from autoloop.model import LOOP_STOP, EventKind, LoopEnd, LoopEndKind, LoopState, StopCause, StopKind, UserError
from autoloop.model.transitions import loop_stopped
from autoloop.protocol import Kill, Pause, Resume, Stop


def pause(command: CommandContext, request: Pause) -> str:
    command.context.update_loop(paused=True)
    command.context.log_event(EventKind.LOOP_PAUSED, f"no new runs start until the loop is resumed (by {command.actor})")
    return "paused: running runs continue, no new runs start"


def resume(command: CommandContext, request: Resume) -> str:
    """Resume the queue and raise the loop's limits, if asked to."""
    context, loop = command.context, command.context.loop
    if loop.state is not LoopState.ACTIVE:
        raise UserError("The loop is still stopping; resume it when its runs have ended.")
    limited = limits.apply_resume_limits(request, loop, context.store.started_runs(loop.id), context.clock())
    context.store.put_loop(msgspec.structs.replace(limited, paused=False))
    context.log_event(EventKind.LOOP_RESUMED, f"queue resumed (by {command.actor})")
    return "queue resumed"


def stop(command: CommandContext, request: Stop | Kill) -> str:
    loop = command.context.loop
    if loop.state is LoopState.FINISHED:
        raise UserError(f"The loop has finished ({loop.reason}); there is nothing to stop.")
    end = LoopEnd(kind=LoopEndKind.USER, text=f"stopped by {command.actor}")
    return stop_loop(command.context, command.execution, command.live, end, kill=isinstance(request, Kill))


def stop_loop(context: Context, execution: Execution, live: LiveProposals, end: LoopEnd, *, kill: bool = False) -> str:
    """Stop the loop early. Its running runs are stopped and queued again, to continue when the loop is resumed."""
    context.put_ended(loop_stopped(context.loop, end, context.clock()))
    for active in execution.executing:
        # A run that a live rule is stopping stays stopped: its successor continues when the loop is resumed.
        execution.stop(active.run.id, live.stopping(active) or _for_good(active) or LOOP_STOP, kill=kill)
    return f"the loop stops: {end.text}; `autoloop-tui resume` continues it"


def _for_good(active: ActiveAttempt) -> StopCause | None:
    """The stop cause if --halve or a user is already stopping this attempt, which then stays stopped; None otherwise."""
    stop = active.attempt.stop
    return stop if stop is not None and stop.kind in (StopKind.HALVED, StopKind.USER) else None
