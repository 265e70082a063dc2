"""Proposals of a loop: makes them from requests, numbers and stores them, and gives the config that an approved one runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import msgspec

from autoloop.configs import Config, FieldTypes, apply, config_hash, parse_edits, resolve, suffix_of
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.variant_policies import loop_policy
from autoloop.metrics import config_name
from autoloop.model import REPLICATES, Actor, Change, EventKind, Proposal, Repeats, Run, UserError
from autoloop.model.transitions import proposal_edited, proposal_resolved
from autoloop.secrets import masked_value
from autoloop.text.changes import changes_text, extension_text
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.grids import seed_of, seed_path
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest

CONFIGS = 100
"""Maximum configs kept in memory."""


class Proposals:
    """The proposals of a loop. Owned by the engine."""

    def __init__(self, context: Context, fields: FieldTypes) -> None:
        """`fields`: the project's types of config fields, for checking edits."""
        self.context = context
        self._fields = fields
        self._configs: dict[str, Config] = {}
        self._roots: dict[str, str] = {}
        """The round-1 ancestor of each run, by id. A variant of a variant has the same ancestor as its base."""

    def root(self, run_id: str) -> Run:
        """The round-1 ancestor of a run."""
        run = self.context.store.run(run_id)
        line = [run_id]
        while run.base_run and run.id not in self._roots:
            run = self.context.store.run(run.base_run)
            line.append(run.id)
        root = self._roots.get(run.id, run.id)
        self._roots |= dict.fromkeys(line, root)
        return self.context.store.run(root)

    def base_config(self, run: Run) -> Config:
        """The frozen config of a run, cached, as Auto Loop never changes it. Raises UserError if it cannot be read."""
        if run.id not in self._configs:
            if len(self._configs) >= CONFIGS:
                self._configs.clear()
            self._configs[run.id] = frozen_config(run)
        return self._configs[run.id]

    def propose(self, base: Run, request: VariantRequest, made_from: int) -> Proposal:
        """The proposal for a requested variant of `base`, blocked if the variant must not run.

        It has no number yet and is not stored. Raises UserError only if the config of `base` cannot be read.
        """
        config = self.base_config(base)
        proposal = Proposal(
            id=0,
            loop=self.context.loop_id,
            round=made_from,
            base_run=base.id,
            author=request.author,
            reason=request.reason,
            edits=list(request.edits),
            priority=request.priority,
            evidence=request.evidence,
            expects=request.expects,
            base_hash=config_hash(config),
            created_at=self.context.clock(),
        )
        return _with_variant(proposal, check(config, request, self._policy(made_from), suffix_of(base.config_path)))

    def repeat(self, runs: Sequence[Run], seeds: Sequence[int], reason: str, made_from: int, priority: int) -> Proposal:
        """The proposal to run the configs of `runs` again, each with all of `seeds`. Its changes are those of the first run.

        It has no number yet and is not stored. Raises UserError if a config cannot be read or has no seed to change.
        """
        first = self.base_config(runs[0])
        request = VariantRequest(
            author=REPLICATES, reason=reason, edits=[self._seed_edit(runs[0], seeds[0])], priority=priority
        )
        proposal = Proposal(
            id=0,
            loop=self.context.loop_id,
            round=made_from,
            base_run=runs[0].id,
            author=REPLICATES,
            reason=reason,
            edits=request.edits,
            priority=priority,
            repeats=Repeats(runs=[run.id for run in runs], seeds=list(seeds)),
            base_hash=config_hash(first),
            created_at=self.context.clock(),
        )
        made = _with_variant(proposal, check(first, request, self._policy(made_from), suffix_of(runs[0].config_path)))
        others = f"then {', '.join(map(str, seeds[1:]))}" if len(seeds) > 1 else None
        return msgspec.structs.replace(made, changes=[msgspec.structs.replace(each, note=others) for each in made.changes])

    def fresh_seeds(self, runs: Sequence[Run], count: int) -> list[int]:
        """The `count` lowest unused seeds, starting at 1. A seed is used if a run or proposal of the loop or a replicate in
        another loop has it, or if one of `runs` with this seed would repeat an existing training.

        Raises UserError if a config of `runs` cannot be read or has no seed to change.
        """
        context = self.context
        used = {run.seed for run in context.store.runs(context.loop_id)}
        used |= {run.seed for run in context.store.replicates_elsewhere(context.loop_id)}
        used |= {
            str(seed)
            for proposal in context.store.proposals(context.loop_id)
            if proposal.repeats
            for seed in proposal.repeats.seeds
        }
        policy = self._policy(0)

        def unused(seed: int) -> bool:
            trainings = (apply(self.base_config(run), self._seed_changes(run, seed)) for run in runs)
            return not any(context.store.where_run(policy.hash(config)) for config in trainings)

        seeds = (seed for seed in itertools.count(1) if str(seed) not in used and unused(seed))
        return list(itertools.islice(seeds, count))

    def _seed_edit(self, run: Run, seed: int) -> str:
        config = self.base_config(run)
        path = seed_path(config, self.context.preset.seed)
        if path is None:
            raise UserError(f"the config of {run.name} ({run.id}) has no known seed key")
        if path in self._policy(0).overridden:
            raise UserError(f"{path} is set by a flag for all runs")
        if not seed_of(config, self._policy(0)).lstrip("-").isdigit():
            raise UserError(f"{path} of {run.name} ({run.id}) is not a whole number")
        return f"{path}={seed}"

    def _seed_changes(self, run: Run, seed: int) -> list[Change]:
        return resolve(self.base_config(run), parse_edits([self._seed_edit(run, seed)]), self._fields)

    def repeated(self, proposal: Proposal, beside: Mapping[str, str]) -> list[tuple[Run, Config, list[Change]]]:
        """The runs of an approved proposal of replicates: each of its configs with each seed, grouped by seed.

        `beside`: as in `variant_config`. Raises UserError if a config has changed or has been run meanwhile.
        """
        assert proposal.repeats is not None
        policy = self._policy(proposal.round)
        runs = [self.context.store.run(run) for run in proposal.repeats.runs]
        found = []
        for seed in proposal.repeats.seeds:
            for run in runs:
                base = frozen_config(run)
                if policy.hash(base) != run.config_hash:
                    raise UserError(f"The config of {run.name} ({run.id}) is no longer the one that ran.")
                changes = resolve(base, parse_edits([self._seed_edit(run, seed)]), self._fields)
                config = apply(base, changes)
                if where := beside.get(policy.hash(config)) or self.context.store.where_run(policy.hash(config)):
                    raise UserError(f"Proposal {proposal.id} repeats a run that has been made in the meantime: {where}.")
                found.append((run, config, changes))
        return found

    def revise(self, proposal: Proposal, edits: list[str], author: Actor) -> Proposal:
        """`proposal` with other edits, checked again: it is pending again, or blocked. The result is not stored."""
        request = VariantRequest(author=author, reason=proposal.reason, edits=edits)
        base = self.context.store.run(proposal.base_run)
        policy = self._policy(proposal.round, besides=proposal.id)
        variant = check(self.base_config(base), request, policy, suffix_of(base.config_path))
        return _with_variant(proposal_edited(proposal, edits, author), variant)

    def add(self, proposal: Proposal) -> Proposal:
        """Number and store a proposal, and record an event. For a live rule's proposal, the rule's action is the event."""
        proposal = msgspec.structs.replace(proposal, id=self.context.store.next_id("proposals"))
        self.context.store.put_proposal(proposal)
        if proposal.live:
            return proposal
        base = self.context.store.run(proposal.base_run)
        seeds = len(proposal.runs)
        name = f"{config_name(base)} ({seeds} seeds)" if seeds > 1 else base.name
        text = (
            f"proposal {proposal.id} from {name}: {proposal.reason}: {describe_changes(proposal)}{criterion_text(proposal)}"
        )
        if proposal.blocked:
            text += f" — blocked: {proposal.blocked}"
        self.context.log_event(EventKind.PROPOSED, text, proposal.base_run)
        return proposal

    def for_next_round(self, made_from: int) -> list[Proposal]:
        """The proposals that may become runs of the next round, so neither those of live rules nor that of `--then`."""
        proposals = self.context.store.proposals(self.context.loop_id, made_from)
        return [proposal for proposal in proposals if proposal.for_round]

    def variant_config(
        self, proposal: Proposal, base_run: str | None = None, beside: Mapping[str, str] | None = None
    ) -> Config:
        """The config that an approved proposal runs. Raises UserError if it is not the one that was approved.

        `base_run`: a base other than the proposal's own, from which it differs only in the seed.
        `beside`: runs that are about to start and are not stored yet, in words, by the hash of their config.
        """
        own = base_run in (None, proposal.base_run)
        # Not from the cache: the file may have changed.
        base = frozen_config(self.context.store.run(base_run or proposal.base_run))
        if own and config_hash(base) != proposal.base_hash:
            raise UserError(f"The base of proposal {proposal.id} changed after it was approved; review it again.")
        config = apply(base, proposal.changes)
        hash_ = self._policy(proposal.round).hash(config)
        if own and hash_ != proposal.config_hash:
            raise UserError(f"Proposal {proposal.id} would run a different config from the one approved; review it again.")
        if where := (beside or {}).get(hash_) or self.context.store.where_run(hash_):
            raise UserError(f"Proposal {proposal.id} repeats a run that has been made in the meantime: {where}.")
        return config

    def _policy(self, made_from: int, *, besides: int = 0) -> VariantPolicy:
        context = self.context
        return loop_policy(
            context.store, context.loop_id, context.spec, context.preset, self._fields, made_from, besides=besides
        )


def _with_variant(proposal: Proposal, variant: CheckedVariant) -> Proposal:
    # Old values are not needed to make the variant, so a secret among them is masked instead of copied from the config.
    changes = [msgspec.structs.replace(each, before=masked_value(each.path, each.before)) for each in variant.changes]
    return proposal_resolved(proposal, changes, variant.notes, variant.hash, variant.blocked)


def describe_changes(proposal: Proposal) -> str:
    """`reg 0.1 → 0.16, tau_src 0.05 → 0.5`; the edits as requested if none could be resolved."""
    if proposal.extend is not None:
        return extension_text(proposal.extend)
    if not proposal.changes:
        return " ".join(proposal.edits)
    return changes_text(proposal.changes)


def criterion_text(proposal: Proposal) -> str:
    """The proposal's kill criterion, as a text to append to its changes; empty if it has none."""
    return f"; its run is stopped if {proposal.kill_criterion}" if proposal.kill_criterion else ""
