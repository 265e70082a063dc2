"""What people and scripts ask of a loop: each command row is carried out once and answered with a sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.commands.proposals import Decisions, PartlyDoneError, named_run
from autoloop.engine.planning import limits
from autoloop.engine.rounds.live_rules import LiveRules
from autoloop.engine.rounds.transitions import for_next_round
from autoloop.engine.runs.execution import Execution
from autoloop.engine.runs.resume import dequeue_resumed, extended, refusal, was_resumed
from autoloop.model import (
    LOOP_STOP,
    EventKind,
    LoopEnd,
    LoopEndKind,
    LoopState,
    ProposalStatus,
    RequeueKind,
    RoundState,
    Run,
    RunState,
    StopCause,
    StopKind,
    UserError,
)
from autoloop.store import Command, StoreUnavailableError

LOG = logging.getLogger(__name__)


class Commands:
    """Carries out command rows. A command that cannot be done is answered with why, and changes nothing."""

    def __init__(self, context: Context, execution: Execution, live: LiveRules) -> None:
        self.context = context
        self.execution = execution
        self.live = live
        self.began = context.clock()
        decisions = Decisions(context, live)
        self.kinds: dict[str, Callable[[Command], str]] = {
            "approve": decisions.approve,
            "reject": decisions.reject,
            "undo": decisions.undo,
            "edit": decisions.edit,
            "propose": decisions.propose,
            "start": self.start,
            "hold": self.hold,
            "pause": self.pause,
            "resume": self.resume,
            "stop": self.stop,
            "kill": self.stop,
            "retry": self.retry,
            "extend": self.extend,
            "move": self.move,
        }

    def apply_all(self) -> None:
        for command in self.context.store.open_commands(self.context.loop_id):
            self.apply(command)

    def apply(self, command: Command) -> None:
        """Carry out one command. Its effect and its answer are one transaction; a refusal leaves nothing changed."""
        LOG.debug("command %d: %s, from %s", command.id, command.kind, command.actor)
        try:
            with self.context.store.transaction():
                handler = self.kinds.get(command.kind)
                if handler is None:
                    raise UserError(f"There is no command {command.kind!r}; known: {', '.join(self.kinds)}.")
                try:
                    self.context.store.answer(command.id, True, handler(command))
                except PartlyDoneError as done:
                    self.context.store.answer(command.id, False, str(done))
        except StoreUnavailableError:
            raise  # it is carried out when the store can be written again
        except UserError as error:
            self._refuse(command, str(error))
        except Exception as error:
            # A fault of ours in one command must not end a loop that runs for days, nor be met again by the next engine.
            LOG.exception("fault in the command %s", command.kind)
            self._refuse(command, f"It could not be done because of a fault in Auto Loop ({type(error).__name__}: {error}).")

    def _refuse(self, command: Command, text: str) -> None:
        LOG.debug("command %d is refused: %s", command.id, text)
        with self.context.store.transaction():
            self.context.store.answer(command.id, False, text)
            if command.sent_at < self.began:
                # Whoever sent it is no longer waiting for the answer.
                self.context.say(EventKind.NOTE, f"`{command.kind}`, kept from before, was not done: {text}")

    # ---------------------------------------------------------------------------------------------------------- rounds

    def start(self, command: Command) -> str:
        """Start the next round with what is approved; what is still pending is left behind."""
        current = self.context.store.last_round(self.context.loop_id)
        if current.state is not RoundState.DECIDING:
            raise UserError(f"Round {current.number} is {current.state.value}; the next can start when it has been judged.")
        proposals = for_next_round(self.context, current.number)
        if not any(proposal.status is ProposalStatus.APPROVED for proposal in proposals):
            raise UserError(f"Nothing is approved for round {current.number + 1}; approve a proposal first.")
        self.context.store.put_round(msgspec.structs.replace(current, start_asked=True))
        self.context.update_loop(held=False)
        return "the next round starts with what is approved"

    def hold(self, command: Command) -> str:
        held = command.payload.get("held", True) is True
        current = self.context.store.rounds(self.context.loop_id)[-1]
        if held and current.start_asked:
            self.context.store.put_round(msgspec.structs.replace(current, start_asked=False))
        self.context.update_loop(held=held)
        return "the next round waits until it is started by hand" if held else "the next round starts by itself again"

    # ------------------------------------------------------------------------------------------------- loop and runs

    def pause(self, command: Command) -> str:
        self.context.update_loop(paused=True)
        self.context.say(EventKind.LOOP_PAUSED, f"no new run starts until the loop is resumed (by {command.actor})")
        return "paused: running runs go on, no new one starts"

    def resume(self, command: Command) -> str:
        if self.context.loop.state is not LoopState.ACTIVE:
            raise UserError("The loop is stopping; resume it when its runs have ended.")
        loop, now = self.context.loop, self.context.clock()
        more = limits.raised(command.payload, loop, self.context.store.started_runs(loop.id), now)
        self.context.update_loop(paused=False, **more)
        self.context.say(EventKind.LOOP_RESUMED, f"the queue goes on (by {command.actor})")
        return "the queue goes on"

    def stop(self, command: Command) -> str:
        """Stop one run, or the whole loop. `kill` does not wait for a clean end."""
        kill = command.kind == "kill"
        if "run" not in command.payload:
            if self.context.loop.state is LoopState.FINISHED:
                raise UserError(f"The loop has finished ({self.context.loop.reason}); there is nothing to stop.")
            return self.stop_loop(LoopEnd(kind=LoopEndKind.USER, text=f"stopped by {command.actor}"), kill=kill)
        run = named_run(self.context, command)
        if run.state is RunState.QUEUED:
            self._unqueue(run, f"taken out of the queue by {command.actor}")
            return f"{run.name} ({run.id}) is taken out of the queue"
        cause = StopCause(kind=StopKind.USER, text=f"stopped by {command.actor}")
        if not self.execution.stop(run.id, cause, kill=kill):
            raise UserError(f"Run {run.id} is {run.state.value}; there is nothing to stop.")
        return f"{run.name} ({run.id}) is stopping; its log, checkpoints and metrics so far are kept"

    def stop_loop(self, end: LoopEnd, *, kill: bool = False) -> str:
        """End the loop before its time. Its running runs are stopped and queued again for when it is resumed."""
        self.context.update_loop(state=LoopState.STOPPED, end=end, ended_at=self.context.clock())
        for active in list(self.execution.active.values()):
            # What a live rule is stopping stays stopped: its successor is what goes on when the loop is resumed.
            cause = self.live.stopping(active) or LOOP_STOP
            self.execution.stop(active.run.id, cause, kill=kill)
        return f"the loop stops: {end.text}; `autoloop-tui resume` takes it up again"

    def retry(self, command: Command) -> str:
        """Queue an ended run for another attempt, which goes on from the checkpoint if the last one did.

        From scratch only while its round runs: later it would be judged with another.
        """
        run = named_run(self.context, command)
        if not run.state.ended:
            raise UserError(f"Run {run.id} is {run.state.value}; only an ended run can be retried.")
        current = self.context.store.last_round(self.context.loop_id)
        if run.state is RunState.FINISHED:
            raise UserError(f"Run {run.id} has finished; propose a variant of it instead.")
        if was_resumed(self.context.store.attempts(run.id)):
            return self._extend(run, run.total_steps, command.actor)
        if run.round != current.number:
            raise UserError(f"Run {run.id} is of round {run.round}; propose a variant of it instead.")
        if current.state is not RoundState.RUNNING:
            raise UserError(f"Round {current.number} has been judged; propose a variant of run {run.id} instead.")
        self.context.store.put_run(
            msgspec.structs.replace(run, state=RunState.QUEUED, reason=None, requeued=RequeueKind.USER, ended_at=None)
        )
        self.context.say(EventKind.RUN_RETRIED, f"{run.name} ({run.id}) is queued again by {command.actor}", run.id)
        return f"{run.name} ({run.id}) is queued again"

    def extend(self, command: Command) -> str:
        """Queue an ended run to go on from its checkpoint. A loop that has finished is active again until it has."""
        run = named_run(self.context, command)
        steps = command.payload.get("steps")
        if not isinstance(steps, int) or isinstance(steps, bool):
            raise UserError("Give the new total of steps as a whole number.")
        return self._extend(run, steps, command.actor)

    def _extend(self, run: Run, steps: int, actor: str) -> str:
        loop = self.context.loop
        if loop.state is LoopState.STOPPED:
            raise UserError(f"The loop is stopping; extend run {run.id} when its runs have ended.")
        if problem := refusal(self.context.preset, run, steps):
            raise UserError(problem)
        run = extended(run, steps)
        self.context.store.put_run(run)
        if loop.state is LoopState.FINISHED:
            self.context.update_loop(state=LoopState.ACTIVE, ended_at=None, paused=False)
        text = f"{run.name} ({run.id}) {run.reason}"
        self.context.say(EventKind.RUN_EXTENDED, f"{text} (by {actor})", run.id)
        return f"{text}, in the same output directory"

    def move(self, command: Command) -> str:
        """Reorder the queue: put a queued run before another one."""
        run = named_run(self.context, command)
        queue = self.context.store.queued(self.context.loop_id)
        before = command.payload.get("before")
        others = [other for other in queue if other.id != run.id]
        if len(others) == len(queue):
            raise UserError(f"Run {run.id} is {run.state.value}, not queued.")
        index = next((i for i, other in enumerate(others) if other.id == before), len(others))
        order = [*others[:index], run, *others[index:]]
        for position, moved in zip(sorted(r.position for r in queue), order, strict=True):
            self.context.store.put_run(msgspec.structs.replace(moved, position=position))
        return f"{run.name} ({run.id}) is number {index + 1} of the queue"

    def _unqueue(self, run: Run, reason: str) -> None:
        if run.resume:
            run = dequeue_resumed(run, self.context.store.attempts(run.id)[-1])
        else:
            run = msgspec.structs.replace(
                run, state=RunState.STOPPED, reason=reason, requeued=None, slot=None, ended_at=self.context.clock()
            )
        self.context.store.put_run(run)
        self.context.say(EventKind.RUN_ENDED, f"{run.name} ({run.id}) {reason}", run.id)
