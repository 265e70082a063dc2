"""The runs that approved proposals become: all those of the next round, or the one that a live rule relaunches."""

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
"""Runs whose configs are written at once, before it is asked whether to go on."""


def start_round(
    context: Context, proposals: Proposals, made_from: Round, interrupted: Callable[[], bool]
) -> list[Run] | None:
    """Turn the approved proposals into the runs of the next round, in one transaction; None if that was `interrupted`.

    A proposal whose approval no longer holds is blocked, with an event; the result may be empty. The configs are written
    before: each is synced to the disk, and a transaction locks the store of the whole project. `interrupted` is asked now
    and then meanwhile, because thousands of configs take a while; if it says so, nothing of the round is left.
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
    """What an approved proposal becomes: of which run each is a variant, its config, and what changes in it. UserError if
    the proposal no longer holds; why one of several replicates of its base cannot be started is added to `left_out`."""
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
    """Named by the first ancestor, so that names do not grow with each round."""
    try:
        return renamed(root.name, proposals.base_config(root), config)
    except UserError:  # its config is gone, which is no reason to refuse a variant of a later one
        return root.name


def write_run(
    context: Context, proposal: Proposal, config: Config, *, name: str, round_: int, position: int, slot: int | None = None
) -> Run:
    """The run that an approved proposal becomes, its config written; `slot` is kept for it. Nothing is recorded yet."""
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
    """The run, and the files that are to be written before it is recorded. `base`: of which it is a variant by these
    `changes`."""
    run, files = make_run(context, base, config, name=name, round_=round_, position=position)
    confirms = proposal.base_run if proposal.repeats else None
    run = msgspec.structs.replace(run, base_run=base.id, proposal=proposal.id, changes=changes, confirms=confirms, slot=slot)
    return run, files


def queue_run(context: Context, proposal: Proposal, run: Run, *, first: bool = True) -> None:
    """Record what `write_run` made. Part of the caller's transaction. `first`: of the runs that the proposal becomes."""
    context.store.put_run(run)
    if first:  # the others repeat it with other seeds
        context.store.put_proposal(proposal_launched(proposal, run))
    # Users' chain scripts read this line.
    context.log_event(EventKind.VARIANT_WRITTEN, f"Wrote variant: {run.source_path} ({proposal.reason})", run.id)
