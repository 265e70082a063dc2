"""Turns approved proposals into runs: all runs of the next round, or the one that a live rule relaunches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from autoloop.configs import Config
from autoloop.engine.base.context import Context
from autoloop.engine.rounds.making import Files, make_run
from autoloop.engine.rounds.proposals import Proposals
from autoloop.files import write_all
from autoloop.model import Change, EventKind, LapseKind, Proposal, ProposalStatus, Round, RoundState, Run, UserError
from autoloop.model.transitions import proposal_blocked, proposal_lapsed, proposal_launched, round_done
from autoloop.variants.grids import renamed

BATCH = 64
"""Runs whose configs are written together between two checks for an interruption."""


def start_round(
    context: Context, proposals: Proposals, made_from: Round, interrupted: Callable[[], bool]
) -> list[Run] | None:
    """Turn the approved proposals into the runs of the next round, in one transaction; None if `interrupted`.

    A proposal whose approval is no longer valid is blocked, with an event; the result may be empty. The configs are written
    before the transaction, because each is synced to disk, and a transaction locks the store of the whole project.
    `interrupted` is called regularly meanwhile, because writing thousands of configs takes a while; if it returns True,
    nothing of the round remains.
    """
    number = made_from.number + 1
    candidates = proposals.for_next_round(made_from.number)
    approved = [p for p in candidates if p.status is ProposalStatus.APPROVED]
    made: list[tuple[Proposal, Run]] = []
    left_out: list[str] = []
    refused: list[Proposal] = []
    unwritten: Files = []
    beside: dict[str, str] = {}
    roots: dict[str, Run] = {}
    position = context.store.number_of_runs(context.loop_id)
    for proposal in approved:
        try:
            trainings = _trainings(context, proposals, proposal, beside, left_out)
        except UserError as error:
            refused.append(proposal_blocked(proposal, str(error)))
            continue
        for base, config, changes in trainings:
            if base.id not in roots:
                roots[base.id] = proposals.root(base.id)
            name = f"{_name(roots[base.id], proposals, config)}_r{number}_{len(made) + 1}"
            run, files = _variant_run(
                context,
                proposal,
                config,
                name=name,
                round_=number,
                position=position + len(made),
                base=base,
                changes=changes,
            )
            made.append((proposal, run))
            unwritten += files
            beside[run.config_hash] = f"run {run.id} ({run.name}) of {context.loop.name}"
        if len(unwritten) >= 2 * BATCH:
            write_all(unwritten)
            unwritten.clear()
            if interrupted():
                for _, run in made:
                    Path(run.config_path).unlink(missing_ok=True)
                    Path(run.source_path).unlink(missing_ok=True)
                return None
    write_all(unwritten)
    with context.store.transaction():
        for blocked in refused:
            context.store.put_proposal(blocked)
            context.log_event(EventKind.DECIDED, blocked.blocked or "")
        for text in left_out:
            context.log_event(EventKind.NOTE, text)
        launched: set[int] = set()
        for proposal, run in made:
            queue_run(context, proposal, run, first=proposal.id not in launched)
            launched.add(proposal.id)
        if made:
            _begin_round(context, made_from, [p for p in candidates if p.status is ProposalStatus.PENDING], len(made))
    return [run for _, run in made]


def _trainings(
    context: Context, proposals: Proposals, proposal: Proposal, beside: dict[str, str], left_out: list[str]
) -> list[tuple[Run, Config, list[Change]]]:
    """The runs that an approved proposal becomes, as (base run, config, changes). Raises UserError if the proposal is no
    longer valid. If only the variant of a replicate of its base cannot be started, the reason is added to `left_out`."""
    if proposal.repeats:
        return proposals.repeated(proposal, beside)
    found: list[tuple[Run, Config, list[Change]]] = []
    for base in proposal.runs:
        try:
            config = proposals.variant_config(proposal, base, beside)
        except UserError as error:
            if base == proposal.base_run:
                raise
            left_out.append(f"{proposals.root(base).name}: {error}")
        else:
            if any(config == other for _, other, _ in found):  # the proposal sets the seed, in which they differed
                left_out.append(f"{proposals.root(base).name}: proposal {proposal.id} repeats the same training.")
                continue
            found.append((context.store.run(base), config, proposal.changes))
    return found


def _begin_round(context: Context, made_from: Round, undecided: list[Proposal], runs: int) -> None:
    number, now = made_from.number + 1, context.clock()
    for proposal in undecided:
        note = f"round {number} started before it was decided"
        context.store.put_proposal(proposal_lapsed(proposal, LapseKind.ROUND_STARTED, note))
    context.store.put_round(round_done(made_from, now))
    context.store.put_round(Round(loop=context.loop_id, number=number, state=RoundState.RUNNING, started_at=now))
    context.log_event(EventKind.ROUND_STARTED, f"round {number} of {context.spec.rounds}: {runs} runs")


def _name(root: Run, proposals: Proposals, config: Config) -> str:
    """The name of a run, based on that of its first ancestor, so that names do not grow with each round."""
    try:
        return renamed(root.name, proposals.base_config(root), config)
    except UserError:  # the ancestor's config is gone; that must not prevent variants of later runs
        return root.name


def write_run(
    context: Context, proposal: Proposal, config: Config, *, name: str, round_: int, position: int, slot: int | None = None
) -> Run:
    """Write the config of the run that an approved proposal becomes, and return the run, not recorded yet. `slot`: a slot
    reserved for it."""
    base = context.store.run(proposal.base_run)
    run, files = _variant_run(
        context,
        proposal,
        config,
        name=name,
        round_=round_,
        position=position,
        base=base,
        changes=proposal.changes,
        slot=slot,
    )
    write_all(files)
    return run


def _variant_run(
    context: Context,
    proposal: Proposal,
    config: Config,
    *,
    name: str,
    round_: int,
    position: int,
    base: Run,
    changes: list[Change],
    slot: int | None = None,
) -> tuple[Run, Files]:
    """The run, and the files to write before it is recorded. `base`: the run of which it is a variant, by `changes`."""
    run, files = make_run(context, base, config, name=name, round_=round_, position=position)
    confirms = proposal.base_run if proposal.repeats else None
    run = msgspec.structs.replace(run, base_run=base.id, proposal=proposal.id, changes=changes, confirms=confirms, slot=slot)
    return run, files


def queue_run(context: Context, proposal: Proposal, run: Run, *, first: bool = True) -> None:
    """Record a run from `write_run`, in the caller's transaction. `first`: whether it is the proposal's first run."""
    context.store.put_run(run)
    if first:  # the proposal's other runs repeat it with other seeds
        context.store.put_proposal(proposal_launched(proposal, run))
    # Users' scripts parse this line.
    context.log_event(EventKind.VARIANT_WRITTEN, f"Wrote variant: {run.source_path} ({proposal.reason})", run.id)
