"""What is decided on proposals without a command: by the loop's approval policy, and by the time that has passed."""

from __future__ import annotations

from collections import Counter

from autoloop.engine.base.context import Context
from autoloop.model import POLICY, ActorKind, Proposal, ProposalStatus
from autoloop.model.transitions import proposal_decided, proposal_skipped

WAYS_BACK = "`autoloop-tui undo` takes the last decision back, `hold` makes it wait, `start` starts it at once"
"""What a user can do while the next round is about to start automatically."""


def approve_by_policy(context: Context, proposals: list[Proposal]) -> None:
    """Approve, for each base run, the first `--variants-per-run` pending proposals by priority; skip the others.

    `proposals`: all those for one round. The search made no more than the round has room for: all of its are approved.
    """
    taken: Counter[str] = Counter()
    for proposal in proposals:
        if proposal.status is ProposalStatus.APPROVED and not _searched(proposal):
            taken[proposal.base_run] += 1
    for proposal in sorted(proposals, key=lambda p: (-p.priority, p.id)):
        if proposal.status is not ProposalStatus.PENDING:
            continue
        now = context.clock()
        if _searched(proposal) or taken[proposal.base_run] < context.spec.variants_per_run:
            taken[proposal.base_run] += not _searched(proposal)
            decided = proposal_decided(proposal, ProposalStatus.APPROVED, POLICY, now)
        else:
            decided = proposal_skipped(proposal, f"over --variants-per-run {context.spec.variants_per_run}", now)
        context.store.put_proposal(decided)


def _searched(proposal: Proposal) -> bool:
    return proposal.author.kind is ActorKind.SEARCH


def start_due(context: Context, proposals: list[Proposal]) -> float | None:
    """When the next round starts automatically: a while after a user's last decision, so that it can still be undone.

    None while a proposal waits, if none is approved, and while a user holds the round.
    """
    statuses = {proposal.status for proposal in proposals}
    if ProposalStatus.PENDING in statuses or ProposalStatus.APPROVED not in statuses or context.loop.held:
        return None
    decided = [p.decided_at for p in proposals if p.decided_at is not None and p.decided_by != POLICY]
    return max(decided, default=float("-inf")) + context.spec.grace
