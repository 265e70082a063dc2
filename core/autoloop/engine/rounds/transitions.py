"""From a round whose runs have all ended to the next one: judge, propose, decide by policy, start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from autoloop.configs import Config, after_text, before_text, rewrite
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_text
from autoloop.engine.planning.names import new_run_id
from autoloop.engine.planning.own_settings import steps_of
from autoloop.engine.rounds.proposals import propose, variant_config
from autoloop.files import write_all
from autoloop.logs import read_log_tail
from autoloop.model import (
    POLICY,
    ApprovalMode,
    EventKind,
    LapseKind,
    Proposal,
    ProposalStatus,
    Round,
    RoundState,
    Run,
    Summary,
    UserError,
)
from autoloop.model.transitions import (
    proposal_blocked,
    proposal_decided,
    proposal_lapsed,
    proposal_launched,
    proposal_skipped,
    round_deciding,
    round_done,
)
from autoloop.rules import Judgement, RunView, evaluate
from autoloop.secrets import mask_lines

WAYS_BACK = "`autoloop-tui undo` takes the last decision back, `hold` makes it wait, `start` starts it at once"
"""What a person can do while the next round is about to start by itself."""


def view(context: Context, run: Run) -> RunView:
    """A finished run as rules see it. The log is read only if a rule asks for it."""

    def log() -> list[str]:
        attempts = context.store.attempts(run.id)
        lines = read_log_tail(Path(attempts[-1].directory) / "log.txt") if attempts else []
        return mask_lines(lines, context.known(run))

    return RunView(summary=run.summary or Summary(), config=context.config_of(run), log=log, book=context.metrics)


def _seen(context: Context, run: Run) -> RunView | None:
    """`view`, or None, and said, where it cannot be had: one damaged run does not keep the others from being judged."""
    try:
        return view(context, run)
    except UserError as error:
        context.say(EventKind.NOTE, f"{run.name} ({run.id}) is not judged: {error}", run.id)
        return None


def winners(context: Context, runs: list[Run]) -> list[Run]:
    """The finished runs that meet `--until`, best first by the metric book's first key metric."""
    if context.until is None:
        return []
    met: list[Run] = []
    for run in runs:
        seen = _seen(context, run)
        if seen is None:
            continue
        verdict = evaluate(context.until, seen)
        if verdict.holds:
            met.append(run)
        for note in verdict.notes:
            context.say(EventKind.NOTE, f"--until: {run.name} ({run.id}): {note}", run.id)
    return sorted(met, key=lambda run: _rank(context, run))


def _rank(context: Context, run: Run) -> float:
    """Lower is better."""
    for name in context.metrics.key_metrics:
        summary = run.summary.metrics.get(name) if run.summary else None
        if summary is not None:
            return -summary.best if context.metrics.higher_is_better(name) else summary.best
    return float("inf")


def judge_round(
    context: Context, round_: Round, finished: list[Run], answers: Mapping[str, Judgement] | None = None
) -> list[Proposal]:
    """Make the round's proposals from its finished runs and put the round into `deciding`, in one transaction.

    `answers`: those of slow rules by run, which are asked beforehand. Everything that takes time comes before the
    transaction: it locks the store of the whole project.
    """
    judged = [
        (run, context.rules.judge(seen) if answers is None else answers[run.id])
        for run in finished
        if (seen := _seen(context, run))
    ]
    with context.store.transaction():
        for run, judgement in judged:
            for text in judgement.notes:
                context.say(EventKind.NOTE, f"{run.name} ({run.id}): {text}", run.id)
            for request in judgement.requests:
                add_proposal(context, propose(context, run, request, round_.number))
        now = context.clock()
        policy = context.spec.approve
        decide_by = None if policy.after is None else now + policy.after
        context.store.put_round(round_deciding(round_, now, decide_by))
        if policy.mode is ApprovalMode.AUTO:
            approve_by_policy(context, round_.number)
    return for_next_round(context, round_.number)


def for_next_round(context: Context, made_from: int) -> list[Proposal]:
    """The proposals that may become runs of the next round: all that were made from this one but live rules'."""
    return [proposal for proposal in context.store.proposals(context.loop_id, made_from) if proposal.live is None]


def add_proposal(context: Context, proposal: Proposal) -> Proposal:
    """Number and store a proposal, and tell it."""
    proposal = msgspec.structs.replace(proposal, id=context.store.next_id("proposals"))
    context.store.put_proposal(proposal)
    if proposal.live:  # told by whoever carries it out
        return proposal
    base = context.store.run(proposal.base_run)
    text = f"proposal {proposal.id} from {base.name}: {proposal.reason}: {describe_changes(proposal)}"
    if proposal.blocked:
        text += f" — blocked: {proposal.blocked}"
    context.say(EventKind.PROPOSED, text, proposal.base_run)
    return proposal


def describe_changes(proposal: Proposal) -> str:
    """`reg 0.1 → 0.16, tau_src 0.05 → 0.5`; the edits as asked for where nothing could be resolved."""
    if not proposal.changes:
        return " ".join(proposal.edits)
    return ", ".join(f"{c.path} {before_text(c)} → {after_text(c)}" for c in proposal.changes)


def approve_by_policy(context: Context, made_from: int) -> None:
    """Approve, for each base run, the first `--variants-per-run` pending proposals by priority; skip the others."""
    taken: Counter[str] = Counter()
    proposals = for_next_round(context, made_from)
    for proposal in proposals:
        if proposal.status is ProposalStatus.APPROVED:
            taken[proposal.base_run] += 1
    for proposal in sorted(proposals, key=lambda p: (-p.priority, p.id)):
        if proposal.status is not ProposalStatus.PENDING:
            continue
        room = taken[proposal.base_run] < context.spec.variants_per_run
        taken[proposal.base_run] += room
        now = context.clock()
        if room:
            decided = proposal_decided(proposal, ProposalStatus.APPROVED, POLICY, now)
        else:
            decided = proposal_skipped(proposal, f"over --variants-per-run {context.spec.variants_per_run}", now)
        context.store.put_proposal(decided)


def start_due(context: Context, proposals: list[Proposal]) -> float | None:
    """When the next round starts by itself: a while after what a person decided last, so that it can still be undone.

    None while a proposal waits, where none is approved, and while a person holds the round.
    """
    statuses = {proposal.status for proposal in proposals}
    if ProposalStatus.PENDING in statuses or ProposalStatus.APPROVED not in statuses or context.loop.held:
        return None
    decided = [p.decided_at for p in proposals if p.decided_at is not None and p.decided_by != POLICY]
    return max(decided, default=float("-inf")) + context.spec.grace


BATCH = 64
"""Runs whose configs are written at once, before it is asked whether to go on."""


def start_round(context: Context, made_from: Round, interrupted: Callable[[], bool]) -> list[Run] | None:
    """Turn the approved proposals into the runs of the next round, in one transaction; None where that was `interrupted`.

    A proposal whose approval no longer holds is blocked and told; the result may be empty. The configs are written before:
    each is synced to the disk, and a transaction locks the store of the whole project. `interrupted` is asked now and then
    meanwhile, because thousands of configs take a while; if it says so, nothing of the round is left.
    """
    number = made_from.number + 1
    proposals = for_next_round(context, made_from.number)
    approved = [p for p in proposals if p.status is ProposalStatus.APPROVED]
    made: list[tuple[Proposal, Run]] = []
    unwritten: list[tuple[Path, str]] = []
    beside: dict[str, str] = {}
    refused: list[Proposal] = []
    position = context.store.number_of_runs(context.loop_id)
    now = context.clock()
    for proposal in approved:
        try:
            config = variant_config(context, proposal, beside)
        except UserError as error:
            refused.append(proposal_blocked(proposal, str(error)))
            continue
        # Named by the first ancestor, so that names do not grow with each round.
        name = f"{context.root_name(proposal.base_run)}_r{number}_{len(made) + 1}"
        run, files = _make_run(context, proposal, config, name=name, round_=number, position=position + len(made))
        made.append((proposal, run))
        unwritten += files
        beside[run.config_hash] = f"run {run.id} ({run.name}) of {context.loop.name}"
        if len(made) % BATCH == 0:
            write_all(unwritten)
            unwritten.clear()
            if interrupted():
                for _, run in made:
                    Path(run.config_path).unlink(missing_ok=True)
                    Path(run.source_path).unlink(missing_ok=True)
                return None
    write_all(unwritten)
    runs = [run for _, run in made]
    with context.store.transaction():
        for blocked in refused:
            context.store.put_proposal(blocked)
            context.say(EventKind.DECIDED, blocked.blocked or "")
        for proposal, run in made:
            queue_run(context, proposal, run)
        if runs:
            for proposal in proposals:
                if proposal.status is ProposalStatus.PENDING:
                    note = f"round {number} started without a decision on it"
                    context.store.put_proposal(proposal_lapsed(proposal, LapseKind.ROUND_STARTED, note))
            context.store.put_round(round_done(made_from, now))
            context.store.put_round(Round(loop=context.loop_id, number=number, state=RoundState.RUNNING, started_at=now))
            context.say(EventKind.ROUND_STARTED, f"round {number} of {context.spec.rounds}: {len(runs)} runs")
    return runs


def write_run(
    context: Context, proposal: Proposal, config: Config, *, name: str, round_: int, position: int, slot: int | None = None
) -> Run:
    """The run that an approved proposal becomes, its config written; `slot` is kept for it. Nothing is recorded yet."""
    run, files = _make_run(context, proposal, config, name=name, round_=round_, position=position, slot=slot)
    write_all(files)
    return run


def _make_run(
    context: Context, proposal: Proposal, config: Config, *, name: str, round_: int, position: int, slot: int | None = None
) -> tuple[Run, list[tuple[Path, str]]]:
    """The run, and the files that are to be written before it is recorded: path and content."""
    run_id = new_run_id()
    variant = Path(context.loop.output_dir) / "variants" / f"{name}.json"
    frozen = context.places.config(run_id)
    text = rewrite(frozen_text(context.store.run(proposal.base_run)), config)
    run = Run(
        id=run_id,
        loop=context.loop_id,
        round=round_,
        position=position,
        name=name,
        config_path=str(frozen),
        source_path=str(variant),
        config_hash=proposal.config_hash,
        base_run=proposal.base_run,
        proposal=proposal.id,
        changes=proposal.changes,
        slot=slot,
        total_steps=steps_of(context.preset, config, context.spec.steps),
        created_at=context.clock(),
    )
    return run, [(frozen, text), (variant, text)]


def queue_run(context: Context, proposal: Proposal, run: Run) -> None:
    """Record what `write_run` made. Part of the caller's transaction."""
    context.store.put_run(run)
    if run.slot is not None:
        context.kept.add(run.id)
    context.store.put_proposal(proposal_launched(proposal, run))
    # People's chain scripts read this line.
    context.say(EventKind.VARIANT_WRITTEN, f"Wrote variant: {run.source_path} ({proposal.reason})", run.id)
