"""A round whose runs have all ended is judged: is there a winner, and which proposals do its finished runs give?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.deciding import approve_by_policy
from autoloop.engine.rounds.proposals import add_proposal, for_next_round, propose
from autoloop.logs import read_log_tail
from autoloop.model import ApprovalMode, EventKind, Proposal, Round, Run, Summary, UserError
from autoloop.model.transitions import round_deciding
from autoloop.rules import Judgement, RunView, evaluate
from autoloop.secrets import mask_lines


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
        context.log_event(EventKind.NOTE, f"{run.name} ({run.id}) is not judged: {error}", run.id)
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
            context.log_event(EventKind.NOTE, f"--until: {run.name} ({run.id}): {note}", run.id)
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
                context.log_event(EventKind.NOTE, f"{run.name} ({run.id}): {text}", run.id)
            for request in judgement.requests:
                add_proposal(context, propose(context, run, request, round_.number))
        now = context.clock()
        policy = context.spec.approve
        decide_by = None if policy.after is None else now + policy.after
        context.store.put_round(round_deciding(round_, now, decide_by))
        if policy.mode is ApprovalMode.AUTO:
            approve_by_policy(context, round_.number)
    return for_next_round(context, round_.number)
