"""A round whose runs have all ended is judged: is there a winner, and which proposals do its finished runs give?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.deciding import approve_by_policy
from autoloop.engine.rounds.proposals import Proposals
from autoloop.logs import read_log_tail
from autoloop.metrics import MetricBook, for_runs
from autoloop.model import ApprovalMode, EventKind, Round, Run, Summary, UserError
from autoloop.model.transitions import round_deciding
from autoloop.rules import Expression, Judgement, RunView, evaluate
from autoloop.secrets import mask_lines


class Judging:
    """Owned by the engine."""

    def __init__(self, context: Context, proposals: Proposals, until: Expression | None) -> None:
        """`until`: what a run must meet to end the loop as its winner."""
        self.context = context
        self.proposals = proposals
        self._until = until

    def winners(self, runs: list[Run]) -> list[Run]:
        """The finished runs that meet `--until`, best first by the first key metric whose direction is known."""
        if self._until is None:
            return []
        met: list[Run] = []
        for run in runs:
            view = self._view(run)
            if view is None:
                continue
            verdict = evaluate(self._until, view)
            if verdict.holds:
                met.append(run)
            for note in verdict.notes:
                self.context.log_event(EventKind.NOTE, f"--until: {run.name} ({run.id}): {note}", run.id)
        book = for_runs(self.context.metrics, met)
        return sorted(met, key=lambda run: _rank(book, run))

    def judge(self, round_: Round, finished: list[Run], answers: Mapping[str, Judgement] | None = None) -> None:
        """Make the round's proposals from its finished runs and put the round into `deciding`, in one transaction.

        `answers`: those of slow rules by run, which are asked beforehand. Everything that takes time comes before the
        transaction: it locks the store of the whole project.
        """
        context = self.context
        judged = [
            (run, context.rules.judge(view) if answers is None else answers[run.id])
            for run in finished
            if (view := self._view(run))
        ]
        with context.store.transaction():
            for run, judgement in judged:
                for text in judgement.notes:
                    context.log_event(EventKind.NOTE, f"{run.name} ({run.id}): {text}", run.id)
                for request in judgement.requests:
                    self.proposals.add(self.proposals.propose(run, request, round_.number))
            now = context.clock()
            policy = context.spec.approve
            decide_by = None if policy.after is None else now + policy.after
            context.store.put_round(round_deciding(round_, now, decide_by))
            if policy.mode is ApprovalMode.AUTO:
                approve_by_policy(context, self.proposals.for_next_round(round_.number))

    def _view(self, run: Run) -> RunView | None:
        """A finished run as rules see it; its log is read only if a rule asks for it.

        None, with an event, if it cannot be read: one damaged run does not keep the others from being judged.
        """
        context = self.context

        def log() -> list[str]:
            attempts = context.store.attempts(run.id)
            lines = read_log_tail(Path(attempts[-1].directory) / "log.txt") if attempts else []
            return mask_lines(lines, context.secrets(run))

        try:
            config = self.proposals.base_config(run)
        except UserError as error:
            context.log_event(EventKind.NOTE, f"{run.name} ({run.id}) is not judged: {error}", run.id)
            return None
        return RunView(summary=run.summary or Summary(), config=config, log=log, book=context.metrics)


def _rank(book: MetricBook, run: Run) -> float:
    """Lower is better."""
    for name in book.key_metrics:
        summary = run.summary.metrics.get(name) if run.summary else None
        if summary is not None and (good := book.direction(name)):
            reached = summary.last if summary.best is None else summary.best
            return -reached if good == "high" else reached
    return float("inf")
