"""What a decision on many proposals at once leads to and costs, in words: asked before it is sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from autoloop.model import Proposal, ProposalStatus, RoundState, RunState
from autoloop.text.plural import noun_for, plural
from autoloop.text.values import duration

from autoloop_tui.console.loop_view import View


class Question(NamedTuple):
    what: str
    why: str


def question(view: View, decision: ProposalStatus, chosen: Sequence[Proposal], *, marked: bool, aside: str = "") -> Question:
    """`decision`: approved or rejected. `chosen`: what is decided; `marked`: by hand, else all that wait.

    `aside`: more to say.
    """
    approves = decision is ProposalStatus.APPROVED
    waiting = [each for each in chosen if each.live is None]
    approved, pending = view.decisions["approved"], view.decisions["pending"]
    approved += len(waiting) if approves else -sum(each.status is ProposalStatus.APPROVED for each in waiting)
    pending -= sum(each.status is ProposalStatus.PENDING for each in waiting)
    which = f"{len(chosen)} marked" if marked else f"all {len(chosen)}"
    what = f"{'Approve' if approves else 'Reject'} {which} {noun_for(len(chosen), 'proposal')}"
    loop, round_ = view.loop, view.snapshot.round
    number = round_.number + 1 if round_ else 1
    said: list[str] = []
    if waiting and round_ and round_.state is RoundState.DECIDING:
        if pending:
            said.append(f"Round {number} waits for {plural(pending, 'more decision')}.")
        elif not approved:
            said.append(f"Nothing is approved then, so round {number} has nothing to run.")
        elif loop.held:
            said.append(f"Round {number} is held, so it does not start yet.")
        else:
            grace = loop.spec.grace
            what += f" and start round {number} {f'in {duration(grace)}' if grace >= 1 else 'at once'}"
        if approved:
            said.insert(0, f"{cost(view, approved)}.")
    if live := len(chosen) - len(waiting):
        does = "stops or relaunches its run at once" if approves else "lets its run continue"
        said.append(f"{live} of a live rule: that {does}.")
    if loop.paused:
        said.append("The queue is paused.")
    return Question(f"{what}?", " ".join([*said, *([f"{aside}."] if aside else [])]))


def cost(view: View, runs: int) -> str:
    """`32 runs × ~50s on 2 slots ≈ 13m20s`, by what finished runs of this loop took; without any, that it is not known."""
    slots = len(view.loop.spec.slots)
    where = plural(slots, "slot")
    count = plural(runs, "run")
    took = [
        run.ended_at - run.started_at
        for run in view.snapshot.runs
        if run.state is RunState.FINISHED and run.started_at is not None and run.ended_at is not None
    ]
    if not took:
        return f"{count} on {where}; no run of this loop has finished, so it is not known how long that takes"
    each = max(0.0, median(took))
    return f"{count} × ~{duration(each)} on {where} ≈ {duration(each * -(-runs // slots))}"
