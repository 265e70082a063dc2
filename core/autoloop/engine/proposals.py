"""From edits to proposals: resolve against the base run's config, clamp, guard, and say what would run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from autoloop.configs import Config, apply, check_variant, config_hash, parse_edits, resolve
from autoloop.engine.context import Context
from autoloop.model import Change, Evidence, Proposal, ProposalStatus, Run, UserError
from autoloop.rules import Clamp, applicable, clamp_changes

GIVEN_BY_FLAGS = ("steps", "log_freq", "eval_freq", "output_dir", "policy.device")
"""What the command line of every run sets: an edit of it would change the file and not the training."""


@dataclass(frozen=True)
class Draft:
    """Edits that somebody asks for, before they are resolved."""

    author: str
    reason: str
    edits: Sequence[str]
    priority: int = 0
    evidence: Evidence | None = None
    clamp: Clamp = field(default_factory=dict)
    note: str | None = None


def propose(context: Context, base: Run, draft: Draft, made_from: int) -> Proposal:
    """Resolve a draft against its base run. Never fails: edits that cannot be applied give a blocked proposal.

    The result has no number yet and is not stored.
    """
    config = context.config_of(base)
    proposal = Proposal(
        id=0,
        loop=context.loop_id,
        round=made_from,
        base_run=base.id,
        author=draft.author,
        reason=draft.reason,
        edits=list(draft.edits),
        priority=draft.priority,
        evidence=draft.evidence,
        note=draft.note,
        base_hash=config_hash(config),
        created_at=context.clock(),
    )
    return resolved(context, proposal, config, draft.clamp)


def resolved(context: Context, proposal: Proposal, config: Config, clamp: Clamp | None = None) -> Proposal:
    """`proposal` with its changes, notes, hash and, if a guard refuses it, the status blocked."""
    by_rule = proposal.author.startswith(("rule:", "default"))
    edits, left_out = applicable(proposal.edits, config, context.fields) if by_rule else (proposal.edits, [])
    try:
        changes = clamp_changes(resolve(config, parse_edits(edits), context.fields), clamp or {})
    except UserError as error:
        return msgspec.structs.replace(proposal, changes=[], blocked=str(error), status=ProposalStatus.BLOCKED)
    return _guarded(context, proposal, config, changes, left_out, by_rule)


def _guarded(
    context: Context,
    proposal: Proposal,
    config: Config,
    changes: list[Change],
    left_out: list[str],
    by_rule: bool,
) -> Proposal:
    spec = context.spec
    overridden = [change.path for change in changes if change.path in GIVEN_BY_FLAGS]
    changes = [change for change in changes if change.path not in GIVEN_BY_FLAGS]
    left_out += [f"left out: {path} is given by a flag of the loop for all its runs" for path in overridden]

    def seen(hash_: str) -> str | None:
        return context.store.where_run(hash_) or _twin(context, proposal, hash_)

    # The training is the config with the loop's own step count: that is what must not run twice.
    guarded = check_variant(
        {**config, "steps": spec.steps}, changes, by_rule=by_rule, seen=seen, extra=spec.extra
    )
    return msgspec.structs.replace(
        proposal,
        changes=guarded.changes,
        notes=[*left_out, *guarded.notes, *(change.note for change in guarded.changes if change.note)],
        config_hash=guarded.hash,
        blocked=guarded.blocked,
        status=ProposalStatus.BLOCKED if guarded.blocked else ProposalStatus.PENDING,
    )


def variant_config(context: Context, proposal: Proposal) -> Config:
    """The config that an approved proposal runs. UserError if it is not the one that was approved."""
    base = context.read_config(context.store.run(proposal.base_run))
    if config_hash(base) != proposal.base_hash:
        raise UserError(f"The base of proposal {proposal.id} changed after it was approved; look at it again.")
    config = apply(base, proposal.changes)
    if config_hash({**config, "steps": context.spec.steps}, context.spec.extra) != proposal.config_hash:
        raise UserError(f"Proposal {proposal.id} would run another config than the one approved; look at it again.")
    if where := context.store.where_run(proposal.config_hash):
        raise UserError(f"Proposal {proposal.id} would run again what has been run meanwhile: {where}.")
    return config


def _twin(context: Context, proposal: Proposal, hash_: str) -> str | None:
    """Another proposal of the same round that gives the same config."""
    for other in context.store.proposals(context.loop_id, proposal.round):
        alive = other.status not in (ProposalStatus.BLOCKED, ProposalStatus.REJECTED)
        if alive and other.id != proposal.id and other.config_hash == hash_:
            return f"proposal {other.id} of this round"
    return None
