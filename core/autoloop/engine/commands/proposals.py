"""What people and scripts decide about proposals: approve, reject, take back, edit, and propose their own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.live_rules import LiveRules
from autoloop.engine.rounds.proposals import Draft, propose, resolved
from autoloop.engine.rounds.transitions import WAYS_BACK, add_proposal, describe_changes, for_next_round, start_due
from autoloop.model import POLICY, Actor, EventKind, Proposal, ProposalStatus, RoundState, Run, UserError
from autoloop.store import Command, StoreUnavailableError
from autoloop.text.plural import noun_for

OPEN = (ProposalStatus.PENDING, ProposalStatus.APPROVED, ProposalStatus.REJECTED, ProposalStatus.SKIPPED)
"""What may still be decided one way or the other: until its round starts, a decision can be taken back."""


class PartlyDoneError(Exception):
    """Some of what a command asked for was done and some could not be; the text says which. What was done stays."""


class Decisions:
    """The handlers of those commands; each answers with a sentence, or raises UserError and has changed nothing."""

    def __init__(self, context: Context, live: LiveRules) -> None:
        self.context = context
        self.live = live

    def approve(self, command: Command) -> str:
        return self._decide(command, ProposalStatus.APPROVED, _numbers(command))

    def reject(self, command: Command) -> str:
        return self._decide(command, ProposalStatus.REJECTED, _numbers(command))

    def undo(self, command: Command) -> str:
        """Take back the decisions on the named proposals; where none is named, what the last command decided."""
        if "proposal" in command.payload or "proposals" in command.payload:
            return self._decide(command, ProposalStatus.PENDING, _numbers(command))
        last = self._last_decided()
        was = f" again (before: {last[0].status.value} by {last[0].decided_by})"
        return self._decide(command, ProposalStatus.PENDING, [proposal.id for proposal in last], aside=was)

    def _last_decided(self) -> list[Proposal]:
        """What a person decided last and can still take back: all proposals that the same command decided."""
        round_ = self.context.store.last_round(self.context.loop_id)
        found = [
            proposal
            for proposal in self.context.store.proposals(self.context.loop_id, round_.number)
            if proposal.decided_at is not None and proposal.decided_by != POLICY and self._is_open(proposal)
        ]
        if not found:
            raise UserError(f"Nothing was decided on the proposals of round {round_.number} that could be taken back.")
        last = max(found, key=lambda proposal: (proposal.decided_at or 0.0, proposal.decision or 0))
        return [last] if last.decision is None else [p for p in found if p.decision == last.decision]

    def _decide(self, command: Command, status: ProposalStatus, numbers: Sequence[int], *, aside: str = "") -> str:
        """Decide on each of the proposals that can be decided, in one answer and one line of the story."""
        note = command.payload.get("note")
        note = note if isinstance(note, str) and note else None
        decided: list[Proposal] = []
        said: list[str] = []
        problems: list[str] = []
        for number in numbers:
            try:
                proposal = self._open_proposal(number)
                if status is ProposalStatus.APPROVED and proposal.blocked:
                    raise UserError(f"Proposal {number} is blocked: {proposal.blocked} Edit it first.")
                if status is ProposalStatus.APPROVED and proposal.live:
                    said.append(self.live.approve(proposal, Actor.person(command.actor), note))
                    continue
            except StoreUnavailableError:
                raise
            except UserError as error:
                problems.append(str(error))
                continue
            self._record(proposal, status, command, note)
            decided.append(proposal)
        if decided:
            several = len(decided) > 1
            text = (
                f"{noun_for(len(decided), 'proposal')} {listed([each.id for each in decided])} {'are' if several else 'is'} "
            )
            text += f"{status.value}{aside}" + (f": {note}" if note else "")
            self.context.say(EventKind.DECIDED, f"{text} (by {command.actor})", None if several else decided[0].base_run)
            said.append(text + self._then(decided[0].round))
        if not said:
            raise UserError(" ".join(problems))
        if problems:
            raise PartlyDoneError("; ".join(said) + ". " + " ".join(problems))
        return "; ".join(said)

    def _record(self, proposal: Proposal, status: ProposalStatus, command: Command, note: str | None) -> None:
        pending = status is ProposalStatus.PENDING
        self.context.store.put_proposal(
            msgspec.structs.replace(
                proposal,
                status=ProposalStatus.BLOCKED if pending and proposal.blocked else status,
                note=note,
                decided_by=None if pending else Actor.person(command.actor),
                decided_at=None if pending else self.context.clock(),
                decision=None if pending else command.id,
            )
        )

    def _then(self, made_from: int) -> str:
        """What follows from the last decision, if it was the last: the next round starts, though not at once."""
        round_ = self.context.store.last_round(self.context.loop_id)
        if round_.state is not RoundState.DECIDING or round_.number != made_from:
            return ""
        due = start_due(self.context, for_next_round(self.context, made_from))
        left = due - self.context.clock() if due is not None else 0.0
        return f"; round {made_from + 1} starts in {left:.0f} s, until then {WAYS_BACK}" if left > 0 else ""

    def edit(self, command: Command) -> str:
        """Replace a proposal's edits; it is resolved anew and waits for a decision again."""
        proposal = self._open_proposal(_numbers(command)[0])
        edits = _texts(command.payload.get("edits"), "edits")
        base = self.context.store.run(proposal.base_run)
        revised = resolved(
            self.context,
            msgspec.structs.replace(
                proposal,
                edits=edits,
                author=Actor.person(command.actor),
                revision=proposal.revision + 1,
                status=ProposalStatus.PENDING,
                blocked=None,
                decided_by=None,
                decided_at=None,
                decision=None,
            ),
            self.context.config_of(base),
        )
        if revised.blocked:
            raise UserError(f"Proposal {proposal.id} stays as it was: {revised.blocked}")
        self.context.store.put_proposal(revised)
        text = f"proposal {proposal.id} now reads: {describe_changes(revised)}"
        self.context.say(EventKind.DECIDED, f"{text} (by {command.actor})", proposal.base_run)
        return text

    def propose(self, command: Command) -> str:
        """A person's own proposals, from any run of the loop: one, or all of `variants` or none."""
        base = named_run(self.context, command)
        last = self.context.store.last_round(self.context.loop_id)
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
                author=Actor.person(command.actor),
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

    def _open_proposal(self, number: int) -> Proposal:
        proposal = self.context.store.proposal(number)
        if proposal.loop != self.context.loop_id:
            raise UserError(f"Proposal {number} belongs to another loop.")
        self._check_open(proposal)
        return proposal

    def _check_open(self, proposal: Proposal) -> None:
        if proposal.live:
            self.live.check_open(proposal)
        elif proposal.status not in (*OPEN, ProposalStatus.BLOCKED):
            raise UserError(f"Proposal {proposal.id} has become run {proposal.run}; propose anew to change it.")

    def _is_open(self, proposal: Proposal) -> bool:
        try:
            self._check_open(proposal)
        except UserError:
            return False
        return True


def listed(numbers: Sequence[int]) -> str:
    """`1, 3, 5–9`: numbers in their order, neighbours in one."""
    runs = [list(group) for _, group in groupby(enumerate(sorted(numbers)), key=lambda each: each[1] - each[0])]
    ends = [(run[0][1], run[-1][1]) for run in runs]
    return ", ".join(f"{a}" if a == b else f"{a}, {b}" if b == a + 1 else f"{a}–{b}" for a, b in ends)


def _numbers(command: Command) -> list[int]:
    """The proposals that a command names: one, or a list of them."""
    named = command.payload.get("proposals", [command.payload.get("proposal")])
    numbers = list(dict.fromkeys(named)) if isinstance(named, list) and all(type(n) is int for n in named) else []
    if not numbers or not all(0 < number < 1 << 63 for number in numbers):
        raise UserError("Name proposals by their numbers; `autoloop-tui proposals` lists them.")
    return numbers


def named_run(context: Context, command: Command) -> Run:
    """The run that the command names. UserError where this loop has none."""
    wanted = command.payload.get("run")
    if not isinstance(wanted, str) or not wanted:
        raise UserError("Name a run by its id; `autoloop-tui runs` lists them.")
    runs = [r for r in context.store.runs(context.loop_id) if wanted in (r.id, r.name)]
    if not runs:
        raise UserError(f"This loop has no run {wanted!r}; `autoloop-tui runs` lists them.")
    return runs[-1]


def _texts(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise UserError(f"Give the {what} as path@op=value, at least one.")
    return value
