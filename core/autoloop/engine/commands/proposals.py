"""Requests about proposals: approve, reject, undo, edit, and propose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec
from msgspec import UNSET

from autoloop.engine.commands import permission
from autoloop.engine.commands.command import CommandContext
from autoloop.engine.rounds.deciding import WAYS_BACK, start_due
from autoloop.engine.rounds.kill_criteria import checked_criterion
from autoloop.engine.rounds.proposals import criterion_text, describe_changes
from autoloop.metrics import parse_expectation
from autoloop.model import POLICY, EventKind, Proposal, ProposalStatus, RoundState, Sender, UserError
from autoloop.model.transitions import proposal_decided, proposal_undecided
from autoloop.protocol import Approve, Edit, Propose, Reject, Undo
from autoloop.store import Command, Store, StoreUnavailableError
from autoloop.text.plural import noun_for
from autoloop.variants.request import VariantRequest

OPEN = (ProposalStatus.PENDING, ProposalStatus.APPROVED, ProposalStatus.REJECTED, ProposalStatus.SKIPPED)
"""States in which a decision can still be made or changed, until the next round starts."""


BY_HAND = "by hand"
"""The reason of a proposal if its author gives none."""


class PartlyDoneError(Exception):
    """A command was carried out only in part; the text says which. The part that was done is kept."""


def approve(command: CommandContext, request: Approve) -> str:
    if request.seen is not UNSET and len(request.seen) != len(request.proposals):
        raise UserError(
            f"{len(request.seen)} hashes were given for {len(request.proposals)} proposals; give one per proposal."
        )
    seen = {} if request.seen is UNSET else dict(zip(request.proposals, request.seen, strict=True))
    return _decide(command, ProposalStatus.APPROVED, request.proposals, note=request.note, seen=seen)


def reject(command: CommandContext, request: Reject) -> str:
    return _decide(command, ProposalStatus.REJECTED, request.proposals, note=request.note)


def undo(command: CommandContext, request: Undo) -> str:
    """Undo the decisions on the named proposals, or those of the last command if none is named."""
    if request.proposals is not UNSET:
        return _decide(command, ProposalStatus.PENDING, request.proposals)
    last = _last_decided(command)
    was = f" again (before: {last[0].status.value} by {last[0].decided_by})"
    return _decide(command, ProposalStatus.PENDING, [proposal.id for proposal in last], aside=was)


def _last_decided(command: CommandContext) -> list[Proposal]:
    """The last decided proposals that can still be undone: all that were decided by the same command."""
    context = command.context
    round_ = context.store.last_round(context.loop_id)
    found = [
        proposal
        for proposal in context.store.proposals(context.loop_id, round_.number)
        if proposal.decided_at is not None and proposal.decided_by != POLICY and _is_open(command, proposal)
    ]
    if not found:
        raise UserError(f"Nothing was decided on the proposals of round {round_.number} that can be undone.")
    last = max(found, key=lambda proposal: (proposal.decided_at or 0.0, proposal.decision or 0))
    return [last] if last.decision is None else [p for p in found if p.decision == last.decision]


def _decide(
    command: CommandContext,
    status: ProposalStatus,
    numbers: Sequence[int],
    *,
    note: str | None = None,
    aside: str = "",
    seen: Mapping[int, str] = {},
) -> str:
    """Decide on each proposal that can be decided. Returns one answer and records one event for all of them."""
    note = note or None
    decided: list[Proposal] = []
    said: list[str] = []
    problems: list[str] = []
    for number in dict.fromkeys(numbers):
        try:
            proposal = _open_proposal(command, number)
            if status is ProposalStatus.APPROVED and proposal.blocked:
                raise UserError(f"Proposal {number} is blocked: {proposal.blocked} Edit it first.")
            if seen.get(number, proposal.approval_hash) != proposal.approval_hash:
                raise UserError(
                    f"Proposal {number} has changed since it was shown; review it again (`autoloop-tui proposals`)."
                )
            if status is ProposalStatus.APPROVED and proposal.live:
                said.append(command.live.approve(proposal, command.sender.actor, note, command.number))
                continue
        except StoreUnavailableError:
            raise
        except UserError as error:
            problems.append(str(error))
            continue
        _record(command, proposal, status, note)
        decided.append(proposal)
    if decided:
        several = len(decided) > 1
        text = f"{noun_for(len(decided), 'proposal')} {listed([each.id for each in decided])} {'are' if several else 'is'} "
        text += f"{status.value}{aside}" + (f": {note}" if note else "")
        command.context.log_event(
            EventKind.DECIDED, f"{text} (by {command.actor})", None if several else decided[0].base_run
        )
        said.append(text + _then(command, decided[0].round) + _trained_on(command, decided))
    if not said:
        raise UserError(" ".join(problems))
    if problems:
        raise PartlyDoneError("; ".join(said) + ". " + " ".join(problems))
    return "; ".join(said)


def _record(command: CommandContext, proposal: Proposal, status: ProposalStatus, note: str | None) -> None:
    if status is ProposalStatus.PENDING:
        changed = proposal_undecided(proposal, note)
    else:
        by, now = command.sender.actor, command.context.clock()
        changed = proposal_decided(proposal, status, by, now, note=note, decision=command.number)
    command.context.store.put_proposal(changed)


def _then(command: CommandContext, made_from: int) -> str:
    """When the next round starts, in words, if this was the last open decision; otherwise empty."""
    context = command.context
    round_ = context.store.last_round(context.loop_id)
    if round_.state is not RoundState.DECIDING or round_.number != made_from:
        return ""
    due = start_due(context, command.proposals.for_next_round(made_from))
    left = due - context.clock() if due is not None else 0.0
    return f"; round {made_from + 1} starts in {left:.0f} s; until then {WAYS_BACK}" if left > 0 else ""


def _trained_on(command: CommandContext, decided: Sequence[Proposal]) -> str:
    """When the extended training of the winner starts, in words, if that was decided; otherwise empty."""
    context = command.context
    for proposal in decided:
        if proposal.extend is not None and (due := start_due(context, [context.store.proposal(proposal.id)])) is not None:
            left = max(0.0, due - context.clock())
            return (
                f"; the training to {proposal.extend} steps starts in {left:.0f} s; until then `autoloop-tui undo` "
                "cancels it"
            )
    return ""


def edit(command: CommandContext, request: Edit) -> str:
    """Replace a proposal's edits, reason, expectation or kill criterion. It is checked again and needs a new decision."""
    context = command.context
    proposal = _open_proposal(command, request.proposal)
    if proposal.extend is not None:
        raise UserError(
            f"Proposal {proposal.id} continues run {proposal.base_run} unchanged: reject it, and `autoloop-tui extend "
            f"{proposal.base_run} --steps N` trains it to another number of steps."
        )
    if proposal.repeats:
        raise UserError(
            f"Proposal {proposal.id} repeats configs on fresh seeds and cannot be edited; reject it, or propose your "
            "own variant."
        )
    revised = command.proposals.revise(proposal, request.edits, command.sender.actor)
    if request.kill_criterion is not UNSET:
        criterion = checked_criterion(request.kill_criterion, context.store.run(proposal.base_run), context.metrics)
        revised = msgspec.structs.replace(revised, kill_criterion=criterion)
    if not isinstance(request.reason, msgspec.UnsetType):
        revised = msgspec.structs.replace(revised, reason=request.reason or BY_HAND)
    if request.expect is not UNSET:
        expects = parse_expectation(request.expect, context.metrics) if request.expect else None
        revised = msgspec.structs.replace(revised, expects=expects)
    permission.check_changes(command.grant, revised)
    if revised.blocked:
        raise UserError(f"Proposal {proposal.id} is unchanged: {revised.blocked}")
    context.store.put_proposal(revised)
    text = f"proposal {proposal.id} is saved: {describe_changes(revised)}{criterion_text(revised)}"
    context.log_event(EventKind.DECIDED, f"{text} (by {command.actor})", proposal.base_run)
    return text


def propose(command: CommandContext, request: Propose) -> str:
    """Add the sender's own proposals, from any run of the loop: all variants or none."""
    context, spec = command.context, command.context.spec
    if request.key is not None and (said := _answered_before(command, request)) is not None:
        return said
    base = command.run(request.run)
    last = context.store.last_round(context.loop_id)
    if last.state is RoundState.DONE:
        raise UserError("All rounds of this loop have finished: a new proposal would never run.")
    if last.number >= spec.rounds or not spec.proposes:
        raise UserError(
            f"This loop ends with round {last.number}, so a new proposal would never run; train variants in a separate "
            "loop: `autoloop-tui generate … --exec`."
        )
    made: list[Proposal] = []
    for number, each in enumerate(request.variants, 1):
        wanted = VariantRequest(
            author=command.sender.actor,
            reason=each.reason or BY_HAND,
            edits=each.edits,
            expects=parse_expectation(each.expect, context.metrics) if each.expect else None,
        )
        proposal = msgspec.structs.replace(
            command.proposals.propose(base, wanted, last.number),
            kill_criterion=checked_criterion(each.kill_criterion, base, context.metrics),
            asked=command.number,
        )
        which = f"variant {number} ({wanted.reason}): " if len(request.variants) > 1 else ""
        permission.check_changes(command.grant, proposal)
        if proposal.blocked:
            raise UserError(f"Nothing was proposed: {which}{proposal.blocked}")
        if any(other.config_hash == proposal.config_hash for other in made):
            raise UserError(f"Nothing was proposed: {which}another variant is the same training run.")
        made.append(proposal)
    made = [command.proposals.add(proposal) for proposal in made]
    if len(made) == 1:
        return f"proposal {made[0].id} from {base.name}: {describe_changes(made[0])}{criterion_text(made[0])}"
    return f"proposals {made[0].id} to {made[-1].id} from {base.name}"


def _answered_before(command: CommandContext, request: Propose) -> str | None:
    """The answer to an earlier request of this sender with the same key; None if there is none. Raises UserError if that
    request was different."""
    earlier = proposed_with(command.context.store, command.context.loop_id, command.sender, request.key)
    if earlier is None:
        return None
    if earlier.request != request:
        raise UserError(f'The key "{request.key}" was used for other variants; give each proposal its own key.')
    return earlier.answer


def proposed_with(store: Store, loop: int, sender: Sender, key: str | None) -> Command | None:
    """The sender's command that proposed with this key, or None. The proposals store its id as `asked`."""
    for earlier in store.answered_commands(loop):
        if earlier.ok and earlier.kind == "propose" and earlier.sender.actor == sender.actor:
            asked = earlier.request
            if isinstance(asked, Propose) and asked.key == key:
                return earlier
    return None


def _open_proposal(command: CommandContext, number: int) -> Proposal:
    """The proposal with this number. Raises UserError if it can no longer be decided or edited, or is of another loop."""
    proposal = command.context.store.proposal(number)
    if proposal.loop != command.context.loop_id:
        raise UserError(f"Proposal {number} belongs to another loop.")
    _check_open(command, proposal)
    return proposal


def _check_open(command: CommandContext, proposal: Proposal) -> None:
    if proposal.live:
        command.live.check_open(proposal)
    elif proposal.run is not None:
        raise UserError(f"Proposal {proposal.id} has become run {proposal.run}; make a new proposal to change it.")
    elif proposal.round != (now := command.context.store.last_round(command.context.loop_id).number):
        raise UserError(
            f"Proposal {proposal.id} ({proposal.status.value}) is of round {proposal.round}, and round {now} has "
            "started; propose its edits again."
        )
    elif proposal.status not in (*OPEN, ProposalStatus.BLOCKED):
        raise UserError(f"Proposal {proposal.id} has {proposal.status.value}; propose its edits again.")


def _is_open(command: CommandContext, proposal: Proposal) -> bool:
    try:
        _check_open(command, proposal)
    except UserError:
        return False
    return True


def listed(numbers: Sequence[int]) -> str:
    """The numbers sorted, with consecutive ones as a range: `1, 3, 5–9`."""
    runs = [list(group) for _, group in groupby(enumerate(sorted(numbers)), key=lambda each: each[1] - each[0])]
    ends = [(run[0][1], run[-1][1]) for run in runs]
    return ", ".join(f"{a}" if a == b else f"{a}, {b}" if b == a + 1 else f"{a}–{b}" for a, b in ends)
