"""Which actions on proposals are available now, and why not otherwise: hints show only available actions, and an unavailable
key shows the reason. The engine checks again; this only avoids requests that it would refuse. Pure."""

from __future__ import annotations

from collections.abc import Callable

from autoloop.model import POLICY, LoopState, Proposal, ProposalStatus, RoundState, RunState

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.loop_view import View

OVER = (ProposalStatus.DONE, ProposalStatus.LAPSED)
"""Statuses that allow no decision any more: the live rule's request was carried out or withdrawn, or the next round started
without a decision."""

SETTLED = (ProposalStatus.LAUNCHED, *OVER)

DECIDES = {"approve": ProposalStatus.APPROVED, "reject": ProposalStatus.REJECTED}
EDITS = ("edit", "edit-all")
WRITES = ("variant", "duplicate")
ON_ALL = ("approve-marked", "reject-marked")
ON_ONE = (*DECIDES, *EDITS, "duplicate", "open")
"""Actions on the selected proposal."""


def refusal(name: str, view: View, proposal: Proposal | None, key: Callable[[str], str], *, deciding: bool) -> str:
    """Return why an action of the Proposals screen is unavailable, as a sentence; empty if it is available. `proposal` is
    the selected one; `key` returns the displayed key of an action id; `deciding`: a decision is on its way to the engine."""
    if name in ON_ONE and proposal is None:
        return "no proposal here"
    if name in (*DECIDES, *EDITS) and proposal is not None and (settled := _settled(view, proposal, key)):
        return settled
    if name in (*DECIDES, *EDITS, *ON_ALL, "undo", "hold") and (asleep := _asleep(view, key)):
        return asleep
    if name in (*DECIDES, *EDITS) and proposal is not None:
        return _not_on(name, proposal, key)
    if name in WRITES:
        return may_propose(view, key) or _asleep(view, key)
    if name == "start":
        return may_start(view) or _asleep(view, key)
    if name == "hold":
        return may_hold(view)
    return "" if name != "undo" or deciding or _decided(view) else "no decision to undo"


def may_start(view: View) -> str:
    """Return why no round can be started now; empty if one can."""
    loop, round_ = view.loop, view.snapshot.round
    if loop.state is not LoopState.ACTIVE:
        return f"the loop has {loop.state.value}: no round starts"
    if round_ is None or round_.state is RoundState.RUNNING:
        return f"round {round_.number if round_ else 1} is still running; the next round can start when it ends"
    if round_.number >= loop.spec.rounds:
        return f"round {round_.number} is the last one (--rounds {loop.spec.rounds})"
    return "" if view.decisions["approved"] else "nothing is approved yet"


def may_hold(view: View) -> str:
    """Return why no next round can be held or released; empty if one can."""
    loop, round_ = view.loop, view.snapshot.round
    if loop.state is not LoopState.ACTIVE:
        return f"the loop has {loop.state.value}: no round starts"
    if not loop.spec.proposes:
        return "this loop makes no proposals, so there is no next round"
    if round_ is not None and round_.number >= loop.spec.rounds:
        return f"round {round_.number} is the last one (--rounds {loop.spec.rounds})"
    return ""


def may_propose(view: View, key: Callable[[str], str]) -> str:
    """Return why a new proposal would never run; empty if it can."""
    loop, round_ = view.loop, view.snapshot.round
    if loop.state is LoopState.STOPPED:
        return f"the loop has stopped; {key('app.engine')} continues it"
    last = round_ is not None and (round_.number >= loop.spec.rounds or round_.state is RoundState.DONE)
    if loop.state is LoopState.FINISHED or last or not loop.spec.proposes:
        why = "the loop has finished" if loop.state is LoopState.FINISHED else "there is no next round"
        return f"{why}: `autoloop-tui generate … --exec` trains variants in a separate loop"
    return ""


def _asleep(view: View, key: Callable[[str], str]) -> str:
    """Return why the engine does not answer; empty if it does."""
    if view.loop.state is LoopState.FINISHED:
        return "the loop has finished: there is nothing to decide"
    if view.loop.state is LoopState.STOPPED:
        return f"the loop has stopped; {key('app.engine')} continues it"
    return "" if view.engine else f"the engine has stopped: press {key('app.engine')} to restart it"


def _settled(view: View, proposal: Proposal, key: Callable[[str], str]) -> str:
    """Return why a proposal can no longer be decided or edited; empty if it can."""
    this, copy_hint = f"proposal {proposal.id}", ""
    if not may_propose(view, key):
        copy_hint = f"; {key('proposals.duplicate')} creates a copy"
    round_ = view.snapshot.round
    if proposal.status is ProposalStatus.LAUNCHED:
        run = view.run(proposal.run)
        return f"{this} has become {plain(run.name) if run else proposal.run}{copy_hint}"
    if proposal.status in OVER:
        why = f": {plain(proposal.note).rstrip('.')}" if proposal.note else ""
        return f"{this} is {proposal.status.value}{why}; there is nothing to decide"
    if proposal.live is not None:
        run = view.run(proposal.base_run)
        over = run is not None and run.state is not RunState.RUNNING
        return f"{this} applies only while its run trains, but {plain(run.name)} has ended" if run and over else ""
    if proposal.for_round and round_ is not None and proposal.round < round_.number:
        return f"{this} is of round {proposal.round}, and round {proposal.round + 1} started without it{copy_hint}"
    return ""


def _not_on(name: str, proposal: Proposal, key: Callable[[str], str]) -> str:
    """Return why an action does not apply to an undecided proposal; empty if it does."""
    this, status = f"proposal {proposal.id}", proposal.status
    if status is DECIDES.get(name):
        return f"{this} is {status.value} already"
    if name == "approve" and proposal.blocked:
        return f"{this} is blocked; edit it first ({key('proposals.edit')}): {plain(proposal.blocked)}"
    if name in EDITS and proposal.extend is not None:
        return f"{this} continues its run unchanged; reject it, or extend a run on its page"
    if name in EDITS and proposal.repeats:
        return f"{this} repeats configs on fresh seeds and cannot be edited; reject it instead"
    return ""


def _decided(view: View) -> bool:
    """Return whether there is a decision by a user that can still be undone."""
    number = view.snapshot.round.number if view.snapshot.round else 1
    return any(
        each.decided_at is not None and each.decided_by != POLICY and each.status not in SETTLED
        for each in view.snapshot.proposals
        if each.round == number
    )
