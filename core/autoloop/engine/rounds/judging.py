"""A round whose runs have all ended is judged: is there a winner, and which proposals do its finished runs give?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from autoloop.engine.base.context import Context
from autoloop.engine.base.judgeable import why_not_judged
from autoloop.engine.rounds.deciding import approve_by_policy
from autoloop.engine.rounds.proposals import Proposals
from autoloop.logs import read_log_tail
from autoloop.metrics import MetricBook, for_runs
from autoloop.model import ApprovalMode, EventKind, Round, Run, Summary, UserError
from autoloop.model.transitions import round_deciding, run_judged
from autoloop.rules import Expression, Judgement, RunView, evaluate
from autoloop.secrets import mask_lines

Judged = tuple[Run, Judgement]


class Judging:
    """Owned by the engine. With thousands of runs it takes a while: `interrupted` is asked between two of them, and where
    it says yes nothing has been recorded and None is returned, so that the round can be judged at another time."""

    def __init__(
        self, context: Context, proposals: Proposals, until: Expression | None, interrupted: Callable[[], bool]
    ) -> None:
        """`until`: what a run must meet to end the loop as its winner."""
        self.context = context
        self.proposals = proposals
        self._until = until
        self._interrupted = interrupted
        self._notes: dict[tuple[str, str], None] = {}
        """Text and run of what is to be said once the round is known to have ended; each once."""

    def winners(self, runs: list[Run]) -> list[Run] | None:
        """The finished runs that meet `--until`, best first by the first key metric whose direction is known."""
        if self._until is None:
            return []
        met: list[Run] = []
        for run in runs:
            if self._interrupted():
                return None
            view = self._view(run)
            if view is None:
                continue
            verdict = evaluate(self._until, view)
            if verdict.holds:
                met.append(run)
            for note in verdict.notes:
                self._notes[f"--until: {run.name} ({run.id}): {note}", run.id] = None
        book = for_runs(self.context.metrics, met)
        return sorted(met, key=lambda run: _rank(book, run))

    def judgeable(self, finished: list[Run]) -> list[Run] | None:
        """The finished runs that the rules can judge. Whether they can is recorded anew, since rules may have changed."""
        context = self.context
        found: list[Run] = []
        for run in finished:
            if self._interrupted():
                return None
            unjudged = why_not_judged(context, run, run.summary or Summary(), run.sources)
            found.append(run if unjudged == run.unjudged else run_judged(run, unjudged))
        with context.store.transaction():
            for run, before in zip(found, finished, strict=True):
                if run is not before:
                    context.store.put_run(run)
        return [run for run in found if run.unjudged is None]

    def judge(self, runs: list[Run], answers: Mapping[str, Judgement] | None) -> list[Judged] | None:
        """What the rules say of each finished run that can be judged. `answers`: those of slow rules by run, which are
        asked beforehand."""
        judged: list[Judged] = []
        for run in runs:
            if self._interrupted():
                return None
            view = self._view(run)
            if view is not None:
                judged.append((run, self.context.rules.judge(view) if answers is None else answers[run.id]))
        return judged

    def tell(self) -> None:
        """Record what was noted of runs."""
        for text, run in self._notes:
            self.context.log_event(EventKind.NOTE, text, run)
        self._notes.clear()

    def propose(self, round_: Round, judged: list[Judged]) -> None:
        """Make the round's proposals and put the round into `deciding`, in one transaction, which locks the store of the
        whole project: whatever takes time came before it."""
        context = self.context
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

        None, with a note, if it cannot be read: one damaged run does not keep the others from being judged.
        """
        context = self.context

        def log() -> list[str]:
            attempts = context.store.attempts(run.id)
            lines = read_log_tail(Path(attempts[-1].directory) / "log.txt") if attempts else []
            return mask_lines(lines, context.secrets(run))

        try:
            config = self.proposals.base_config(run)
        except UserError as error:
            self._notes[f"{run.name} ({run.id}) is not judged: {error}", run.id] = None
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
