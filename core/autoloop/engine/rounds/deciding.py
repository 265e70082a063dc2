"""Decisions on proposals without a command: by the loop's approval policy and by elapsed time."""

from __future__ import annotations

from collections import Counter

from autoloop.engine.base.context import Context
from autoloop.model import POLICY, ActorKind, Proposal, ProposalStatus
from autoloop.model.transitions import proposal_decided, proposal_skipped

WAYS_BACK = "`autoloop-tui undo` undoes the last decision, `hold` delays the start, `start` starts now"
"""What a user can do while the next round is about to start automatically."""


def approve_by_policy(context: Context, proposals: list[Proposal]) -> None:
    """Decide on the pending `proposals`, which are all those for one round.

    Approves replicates and, for each base run, the first `--variants-per-run` proposals by priority. Skips the others, and
    variants that exceed the part of the round that replicates leave to new variants.

    Proposals of agents and scripts are skipped, because the policy decides only for rules and does not check budgets. Users'
    proposals do not count towards the part for new variants. Proposals of the search are limited only by that part, because
    the search makes no more than the round has room for.
    """
    taken: Counter[str] = Counter()
    room = _left_to_variants(proposals)
    for proposal in proposals:
        if proposal.status is ProposalStatus.APPROVED and not _unlimited(proposal):
            taken[proposal.base_run] += 1
    for proposal in sorted(proposals, key=lambda p: (-p.priority, p.id)):
        if proposal.status is not ProposalStatus.PENDING:
            continue
        now = context.clock()
        if proposal.author.needs_a_person:
            whose = "an agent's" if proposal.author.kind is ActorKind.AGENT else "a script's"
            text = f"{whose} proposal, which only a person approves"
            context.store.put_proposal(proposal_skipped(proposal, text, now))
            continue
        limited = room is not None and not proposal.repeats and proposal.author.kind is not ActorKind.PERSON
        if not _unlimited(proposal) and taken[proposal.base_run] >= context.spec.variants_per_run:
            decided = proposal_skipped(proposal, f"over --variants-per-run {context.spec.variants_per_run}", now)
        elif limited and room is not None and room < 1:
            decided = proposal_skipped(proposal, "the round confirms promising configs on fresh seeds instead", now)
        else:
            taken[proposal.base_run] += not _unlimited(proposal)
            room = room - len(proposal.runs) if limited and room is not None else room
            decided = proposal_decided(proposal, ProposalStatus.APPROVED, POLICY, now)
        context.store.put_proposal(decided)


def _unlimited(proposal: Proposal) -> bool:
    """Whether --variants-per-run does not limit this proposal."""
    return proposal.repeats is not None or proposal.author.kind is ActorKind.SEARCH


def _left_to_variants(proposals: list[Proposal]) -> int | None:
    """How many more runs of new variants the round has room for beside its replicates; None if it has no replicates."""
    going = (ProposalStatus.PENDING, ProposalStatus.APPROVED)
    parts = [each.repeats.variants for each in proposals if each.repeats and each.status in going]
    if not parts:
        return None
    approved = [p for p in proposals if p.status is ProposalStatus.APPROVED and not p.repeats]
    return min(parts) - sum(len(p.runs) for p in approved if p.author.kind is not ActorKind.PERSON)


def start_due(context: Context, proposals: list[Proposal]) -> float | None:
    """When the next round starts automatically: some time after a user's last decision, so that it can still be undone.

    None while a proposal is pending, if none is approved, or while a user holds the round.
    """
    statuses = {proposal.status for proposal in proposals}
    if ProposalStatus.PENDING in statuses or ProposalStatus.APPROVED not in statuses or context.loop.held:
        return None
    decided = [p.decided_at for p in proposals if p.decided_at is not None and p.decided_by != POLICY]
    return max(decided, default=float("-inf")) + context.spec.grace
