"""What people and scripts ask of a loop: each command row is carried out once and answered with a sentence."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from autoloop.engine import budget, events
from autoloop.engine.context import Context
from autoloop.engine.execution import Execution
from autoloop.engine.extension import extended, refusal, taken_back, went_on
from autoloop.engine.live import LiveRules
from autoloop.engine.outcome import LOOP_STOP
from autoloop.engine.proposals import Draft, propose, resolved
from autoloop.engine.rounds import WAYS_BACK, add_proposal, describe_changes, for_next_round, start_due
from autoloop.model import LoopState, Proposal, ProposalStatus, RoundState, Run, RunState, UserError
from autoloop.store import Command, StoreTrouble

OPEN = (ProposalStatus.PENDING, ProposalStatus.APPROVED, ProposalStatus.REJECTED, ProposalStatus.SKIPPED)
"""What may still be decided one way or the other: until its round starts, a decision can be taken back."""


class Commands:
    """Carries out command rows. A command that cannot be done is answered with why, and changes nothing."""

    def __init__(self, context: Context, execution: Execution, live: LiveRules) -> None:
        self.context = context
        self.execution = execution
        self.live = live
        self.began = context.clock()
        self.start_asked = False
        """A person wants the next round now; the loop takes it up at its next turn."""
        self.kinds: dict[str, Callable[[Command], str]] = {
            "approve": self.approve,
            "reject": self.reject,
            "undo": self.undo,
            "edit": self.edit,
            "propose": self.propose,
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
        try:
            with self.context.store.transaction():
                handler = self.kinds.get(command.kind)
                if handler is None:
                    raise UserError(f"There is no command {command.kind!r}; known: {', '.join(self.kinds)}.")
                self.context.store.answer(command.id, True, handler(command))
        except StoreTrouble:
            raise  # it is carried out when the store can be written again
        except UserError as error:
            self._refuse(command, str(error))
        except Exception as error:
            # A fault of ours in one command must not end a loop that runs for days, nor be met again by the next engine.
            traceback.print_exc()
            self._refuse(command, f"It could not be done because of a fault in Auto Loop ({type(error).__name__}: {error}).")

    def _refuse(self, command: Command, text: str) -> None:
        with self.context.store.transaction():
            self.context.store.answer(command.id, False, text)
            if command.sent_at < self.began:
                # Whoever sent it is no longer waiting for the answer.
                self.context.say(events.NOTE, f"`{command.kind}`, kept from before, was not done: {text}")

    # ------------------------------------------------------------------------------------------------------ proposals

    def approve(self, command: Command) -> str:
        proposal = self._open_proposal(command)
        if proposal.blocked:
            raise UserError(f"Proposal {proposal.id} is blocked: {proposal.blocked} Edit it first.")
        if proposal.live:
            note = command.payload.get("note")
            return self.live.approve(proposal, command.actor, note if isinstance(note, str) else None)
        return self._decide(proposal, ProposalStatus.APPROVED, command)

    def reject(self, command: Command) -> str:
        return self._decide(self._open_proposal(command), ProposalStatus.REJECTED, command)

    def undo(self, command: Command) -> str:
        return self._decide(self._open_proposal(command), ProposalStatus.PENDING, command)

    def _decide(self, proposal: Proposal, status: ProposalStatus, command: Command) -> str:
        pending = status is ProposalStatus.PENDING
        note = command.payload.get("note")
        self.context.store.put_proposal(
            msgspec.structs.replace(
                proposal,
                status=ProposalStatus.BLOCKED if pending and proposal.blocked else status,
                note=note if isinstance(note, str) else None,
                decided_by=None if pending else command.actor,
                decided_at=None if pending else self.context.clock(),
            )
        )
        text = f"proposal {proposal.id} is {status.value}" + (f": {note}" if note else "")
        self.context.say(events.DECIDED, f"{text} (by {command.actor})", proposal.base_run)
        return text + self._then(proposal.round)

    def _then(self, made_from: int) -> str:
        """What follows from the last decision, if it was the last: the next round starts, though not at once."""
        round_ = self.context.store.rounds(self.context.loop_id)[-1]
        if round_.state is not RoundState.DECIDING or round_.number != made_from:
            return ""
        due = start_due(self.context, for_next_round(self.context, made_from))
        left = due - self.context.clock() if due is not None else 0.0
        return f"; round {made_from + 1} starts in {left:.0f} s, until then {WAYS_BACK}" if left > 0 else ""

    def edit(self, command: Command) -> str:
        """Replace a proposal's edits; it is resolved anew and waits for a decision again."""
        proposal = self._open_proposal(command)
        edits = _texts(command.payload.get("edits"), "edits")
        base = self.context.store.run(proposal.base_run)
        revised = resolved(
            self.context,
            msgspec.structs.replace(
                proposal,
                edits=edits,
                author=command.actor,
                revision=proposal.revision + 1,
                status=ProposalStatus.PENDING,
                blocked=None,
                decided_by=None,
                decided_at=None,
            ),
            self.context.config_of(base),
        )
        if revised.blocked:
            raise UserError(f"Proposal {proposal.id} stays as it was: {revised.blocked}")
        self.context.store.put_proposal(revised)
        text = f"proposal {proposal.id} now reads: {describe_changes(revised)}"
        self.context.say(events.DECIDED, f"{text} (by {command.actor})", proposal.base_run)
        return text

    def propose(self, command: Command) -> str:
        """A person's own proposals, from any run of the loop: one, or all of `variants` or none."""
        base = self._run(command)
        last = self.context.store.rounds(self.context.loop_id)[-1]
        if last.state is RoundState.DONE:
            raise UserError("All rounds of this loop are over: what is proposed now would never run.")
        spec = self.context.spec
        if last.number >= spec.rounds or not spec.decide:
            raise UserError(
                f"This loop ends with round {last.number}, so what is proposed now would never run; train variants in a "
                "loop of their own: `autoloop-tui generate … --exec`."
            )
        payload = command.payload
        asked = payload.get("variants", [payload])
        if not isinstance(asked, list) or not asked or not all(isinstance(each, dict) for each in asked):
            raise UserError("Give the variants as a list of {reason, edits}.")
        made: list[Proposal] = []
        for number, each in enumerate(asked, 1):
            reason = each.get("reason")
            draft = Draft(
                author=command.actor,
                reason=reason if isinstance(reason, str) and reason else "by hand",
                edits=_texts(each.get("edits"), "edits"),
            )
            proposal = propose(self.context, base, draft, last.number)
            which = f"variant {number} ({draft.reason}): " if len(asked) > 1 else ""
            if proposal.blocked:
                raise UserError(f"Nothing was proposed: {which}{proposal.blocked}")
            if any(other.config_hash == proposal.config_hash for other in made):
                raise UserError(f"Nothing was proposed: {which}another variant is the same training.")
            made.append(proposal)
        made = [add_proposal(self.context, proposal) for proposal in made]
        if len(made) == 1:
            return f"proposal {made[0].id} from {base.name}: {describe_changes(made[0])}"
        return f"proposals {made[0].id} to {made[-1].id} from {base.name}"

    def _open_proposal(self, command: Command) -> Proposal:
        number = command.payload.get("proposal")
        if not isinstance(number, int) or not 0 < number < 1 << 63:
            raise UserError("Name a proposal by its number; `autoloop-tui proposals` lists them.")
        proposal = self.context.store.proposal(number)
        if proposal.loop != self.context.loop_id:
            raise UserError(f"Proposal {number} belongs to another loop.")
        if proposal.live:
            self.live.check_open(proposal)
        elif proposal.status not in (*OPEN, ProposalStatus.BLOCKED):
            raise UserError(f"Proposal {number} has become run {proposal.run}; propose anew to change it.")
        return proposal

    # ---------------------------------------------------------------------------------------------------------- rounds

    def start(self, command: Command) -> str:
        """Start the next round with what is approved; what is still pending is left behind."""
        current = self.context.store.rounds(self.context.loop_id)[-1]
        if current.state is not RoundState.DECIDING:
            raise UserError(f"Round {current.number} is {current.state.value}; the next can start when it has been judged.")
        proposals = for_next_round(self.context, current.number)
        if not any(proposal.status is ProposalStatus.APPROVED for proposal in proposals):
            raise UserError(f"Nothing is approved for round {current.number + 1}; approve a proposal first.")
        self.start_asked = True
        self.context.update_loop(held=False)
        return "the next round starts with what is approved"

    def hold(self, command: Command) -> str:
        held = command.payload.get("held", True) is True
        self.context.update_loop(held=held)
        return "the next round waits until it is started by hand" if held else "the next round starts by itself again"

    # ------------------------------------------------------------------------------------------------- loop and runs

    def pause(self, command: Command) -> str:
        self.context.update_loop(paused=True)
        self.context.say(events.LOOP_PAUSED, f"no new run starts until the loop is resumed (by {command.actor})")
        return "paused: running runs go on, no new one starts"

    def resume(self, command: Command) -> str:
        if self.context.loop.state is not LoopState.ACTIVE:
            raise UserError("The loop is stopping; resume it when its runs have ended.")
        loop, now = self.context.loop, self.context.clock()
        more = budget.raised(command.payload, loop, self.context.store.started_runs(loop.id), now)
        self.context.update_loop(paused=False, **more)
        self.context.say(events.LOOP_RESUMED, f"the queue goes on (by {command.actor})")
        return "the queue goes on"

    def stop(self, command: Command) -> str:
        """Stop one run, or the whole loop. `kill` does not wait for a clean end."""
        kill = command.kind == "kill"
        if "run" not in command.payload:
            if self.context.loop.state is LoopState.FINISHED:
                raise UserError(f"The loop has finished ({self.context.loop.reason}); there is nothing to stop.")
            return self.stop_loop(f"stopped by {command.actor}", kill=kill)
        run = self._run(command)
        if run.state is RunState.QUEUED:
            self._unqueue(run, f"taken out of the queue by {command.actor}")
            return f"{run.name} ({run.id}) is taken out of the queue"
        if not self.execution.stop(run.id, f"stopped by {command.actor}", kill=kill):
            raise UserError(f"Run {run.id} is {run.state.value}; there is nothing to stop.")
        return f"{run.name} ({run.id}) is stopping; its log, checkpoints and metrics so far are kept"

    def stop_loop(self, reason: str, *, kill: bool = False) -> str:
        """End the loop before its time. Its running runs are stopped and queued again for when it is resumed."""
        self.context.update_loop(state=LoopState.STOPPED, reason=reason, ended_at=self.context.clock())
        for active in list(self.execution.active.values()):
            # What a live rule is stopping stays stopped: its successor is what goes on when the loop is resumed.
            reason_of_run = self.live.stopping(active) or LOOP_STOP
            self.execution.stop(active.run.id, reason_of_run, kill=kill)
        return f"the loop stops: {reason}; `autoloop-tui resume` takes it up again"

    def retry(self, command: Command) -> str:
        """Queue an ended run for another attempt, which goes on from the checkpoint if the last one did.

        From scratch only while its round runs: later it would be judged with another.
        """
        run = self._run(command)
        if not run.state.ended:
            raise UserError(f"Run {run.id} is {run.state.value}; only an ended run can be retried.")
        current = self.context.store.rounds(self.context.loop_id)[-1]
        if run.state is RunState.FINISHED:
            raise UserError(f"Run {run.id} has finished; propose a variant of it instead.")
        if went_on(self.context.store.attempts(run.id)):
            return self._extend(run, run.total_steps, command.actor)
        if run.round != current.number:
            raise UserError(f"Run {run.id} is of round {run.round}; propose a variant of it instead.")
        if current.state is not RoundState.RUNNING:
            raise UserError(f"Round {current.number} has been judged; propose a variant of run {run.id} instead.")
        self.context.store.put_run(msgspec.structs.replace(run, state=RunState.QUEUED, reason=None, ended_at=None))
        self.context.say(events.RUN_RETRIED, f"{run.name} ({run.id}) is queued again by {command.actor}", run.id)
        return f"{run.name} ({run.id}) is queued again"

    def extend(self, command: Command) -> str:
        """Queue an ended run to go on from its checkpoint. A loop that has finished is active again until it has."""
        run = self._run(command)
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
        self.context.say(events.RUN_EXTENDED, f"{text} (by {actor})", run.id)
        return f"{text}, in the same output directory"

    def move(self, command: Command) -> str:
        """Reorder the queue: put a queued run before another one."""
        run = self._run(command)
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
            run = taken_back(run, self.context.store.attempts(run.id)[-1])
        else:
            run = msgspec.structs.replace(
                run, state=RunState.STOPPED, reason=reason, slot=None, ended_at=self.context.clock()
            )
        self.context.store.put_run(run)
        self.context.say(events.RUN_ENDED, f"{run.name} ({run.id}) {reason}", run.id)

    def _run(self, command: Command) -> Run:
        wanted = command.payload.get("run")
        if not isinstance(wanted, str) or not wanted:
            raise UserError("Name a run by its id; `autoloop-tui runs` lists them.")
        runs = [r for r in self.context.store.runs(self.context.loop_id) if wanted in (r.id, r.name)]
        if not runs:
            raise UserError(f"This loop has no run {wanted!r}; `autoloop-tui runs` lists them.")
        return runs[-1]


def _texts(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise UserError(f"Give the {what} as path@op=value, at least one.")
    return value
