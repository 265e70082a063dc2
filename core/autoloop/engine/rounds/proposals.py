"""From edits to proposals: resolve against the base run's config, clamp, guard, and say what would run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from autoloop.configs import Config, apply, config_hash
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import Actor, Evidence, Proposal, ProposalStatus, Run, UserError
from autoloop.rules import Clamp
from autoloop.variants.pipeline import make_variant, training_hash


@dataclass(frozen=True)
class Draft:
    """Edits that somebody asks for, before they are resolved."""

    author: Actor
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

    def seen(hash_: str) -> str | None:
        return context.store.where_run(hash_) or _twin(context, proposal, hash_)

    try:
        variant = make_variant(
            config,
            proposal.edits,
            fields=context.fields,
            by_rule=proposal.author.by_rules,
            clamp=clamp,
            preset=context.preset,
            script=context.spec.train_script,
            steps=context.spec.steps,
            extra=context.spec.extra,
            seen=seen,
        )
    except UserError as error:
        return msgspec.structs.replace(proposal, changes=[], blocked=str(error), status=ProposalStatus.BLOCKED)
    return msgspec.structs.replace(
        proposal,
        changes=variant.changes,
        notes=variant.notes,
        config_hash=variant.hash,
        blocked=variant.blocked,
        status=ProposalStatus.BLOCKED if variant.blocked else ProposalStatus.PENDING,
    )


def variant_config(context: Context, proposal: Proposal, beside: Mapping[str, str] | None = None) -> Config:
    """The config that an approved proposal runs. UserError if it is not the one that was approved.

    `beside`: in words, what is about to be started with it and is not in the store yet, by the hash of its config.
    """
    base = frozen_config(context.store.run(proposal.base_run))
    if config_hash(base) != proposal.base_hash:
        raise UserError(f"The base of proposal {proposal.id} changed after it was approved; look at it again.")
    config = apply(base, proposal.changes)
    spec = context.spec
    if training_hash(context.preset, spec.train_script, config, spec.steps, spec.extra) != proposal.config_hash:
        raise UserError(f"Proposal {proposal.id} would run another config than the one approved; look at it again.")
    if where := (beside or {}).get(proposal.config_hash) or context.store.where_run(proposal.config_hash):
        raise UserError(f"Proposal {proposal.id} would run again what has been run meanwhile: {where}.")
    return config


def _twin(context: Context, proposal: Proposal, hash_: str) -> str | None:
    """Another proposal of the same round that gives the same config."""
    for other in context.store.proposals(context.loop_id, proposal.round):
        alive = other.status not in (ProposalStatus.BLOCKED, ProposalStatus.REJECTED)
        if alive and other.id != proposal.id and other.config_hash == hash_:
            return f"proposal {other.id} of this round"
    return None
