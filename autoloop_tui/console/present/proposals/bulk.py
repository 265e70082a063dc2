"""Decisions on many proposals at once: which ones, and the question with consequences and cost that is asked first. Pure."""

from __future__ import annotations

from collections.abc import Collection
from statistics import median
from typing import NamedTuple

from autoloop.model import Proposal, ProposalStatus, RoundState, RunState
from autoloop.text.plural import noun_for, plural
from autoloop.text.values import duration

from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.proposals.permitted import SETTLED
from autoloop_tui.console.present.proposals.queue import UNDECIDED


class Choice(NamedTuple):
    """The proposals that a bulk decision applies to: the marked ones, or all that are undecided for the next round."""

    proposals: list[Proposal]
    marked: bool
    """Marked by the user."""
    blocked: int = 0
    """Number of selected proposals left out because blocked proposals cannot be approved."""


def choice(view: View, decision: ProposalStatus, marked: Collection[int]) -> Choice:
    """Return the proposals that `decision` (approved or rejected) would change. `marked`: ids of proposals in any state."""
    found = [p for p in view.snapshot.proposals if p.id in marked and p.status not in SETTLED]
    by_hand, round_ = bool(found), view.snapshot.round
    if not found and round_:
        found = [p for p in view.snapshot.proposals if p.round == round_.number and p.status in UNDECIDED and p.live is None]
    open_ = [p for p in found if p.status is not decision]
    if decision is ProposalStatus.APPROVED:
        fitting = [p for p in open_ if not p.blocked]
        return Choice(fitting, by_hand, len(open_) - len(fitting))
    return Choice([p for p in open_ if by_hand or p.status is ProposalStatus.PENDING], by_hand)


class Question(NamedTuple):
    what: str
    why: str


def question(view: View, decision: ProposalStatus, chosen: Choice, *, aside: str = "") -> Question:
    """Return the question asked before the decision is sent. `aside`: an additional sentence."""
    approves = decision is ProposalStatus.APPROVED
    proposals = chosen.proposals
    waiting = [each for each in proposals if each.for_round]
    approved, pending = view.decisions["approved"], view.decisions["pending"]
    approved += len(waiting) if approves else -sum(each.status is ProposalStatus.APPROVED for each in waiting)
    pending -= sum(each.status is ProposalStatus.PENDING for each in waiting)
    which = f"{len(proposals)} marked" if chosen.marked else f"all {len(proposals)}"
    what = f"{'Approve' if approves else 'Reject'} {which} {noun_for(len(proposals), 'proposal')}"
    loop, round_ = view.loop, view.snapshot.round
    number = round_.number + 1 if round_ else 1
    said: list[str] = []
    if waiting and round_ and round_.state is RoundState.DECIDING:
        if pending:
            said.append(f"Round {number} waits for {plural(pending, 'more decision')}.")
        elif not approved:
            said.append(f"With nothing approved, round {number} has nothing to run.")
        elif loop.held:
            said.append(f"Round {number} is held, so it will not start yet.")
        else:
            grace = loop.spec.grace
            what += f" and start round {number} {f'in {duration(grace)}' if grace >= 1 else 'at once'}"
        if approved:
            said.insert(0, f"{cost(view, _runs_then(view, proposals, approves))}.")
    for long in (each for each in proposals if each.extend is not None):
        said.append(f"The winner continues to {long.extend} steps." if approves else "The winner is not continued.")
    if live := sum(each.live is not None for each in proposals):
        which = "The proposal of a live rule" if live == 1 else f"The {live} proposals of live rules"
        does = "stops or relaunches the run immediately" if approves else "lets the run continue"
        said.append(f"{which}: this {does}.")
    if loop.paused:
        said.append("The queue is paused.")
    return Question(f"{what}?", " ".join([*said, *([f"{aside}."] if aside else [])]))


def _runs_then(view: View, chosen: Collection[Proposal], approves: bool) -> int:
    """Return the number of runs of the next round after the decision: a variant runs once per seed of its base, and
    replicates run once per fresh seed of each config."""
    number, decided = view.snapshot.round.number if view.snapshot.round else 1, {each.id for each in chosen}
    then = [each for each in view.snapshot.proposals if each.round == number and each.for_round]
    return sum(
        each.trainings for each in then if (approves if each.id in decided else each.status is ProposalStatus.APPROVED)
    )


def cost(view: View, runs: int) -> str:
    """Return `32 runs × ~50s on 2 slots ≈ 13m20s`, based on finished runs of this loop; without any, that the duration is
    unknown."""
    slots = len(view.loop.spec.slots)
    where = plural(slots, "slot")
    count = plural(runs, "run")
    took = [
        run.ended_at - run.started_at
        for run in view.snapshot.runs
        if run.state is RunState.FINISHED and run.started_at is not None and run.ended_at is not None
    ]
    if not took:
        return f"{count} on {where}; duration unknown: no run of this loop has finished"
    each = max(0.0, median(took))
    return f"{count} × ~{duration(each)} on {where} ≈ {duration(each * -(-runs // slots))}"
