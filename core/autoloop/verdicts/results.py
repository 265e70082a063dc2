"""The results of launched proposals: their runs, and the verdicts on their configs against their bases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from autoloop.metrics import found_as
from autoloop.model import Call, Proposal, Run, RunState
from autoloop.verdicts.judge import Judge
from autoloop.verdicts.verdict import Verdict


class Fate(StrEnum):
    """The progress of a proposal's runs."""

    QUEUED = "queued"
    RUNNING = "running"
    RAN = "ran"
    """All have ended, and at least one has finished."""
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Result:
    """The result of one proposal. `runs`: all its runs, one or more per seed; `finished`: the finished ones. `metric`: the
    metric of the proposal's expectation, or else the loop's first key metric that the runs have. `verdict`: on the
    proposal's config against its base, if they can be compared. `met`: whether the expectation was met; None without one
    and while the verdict is open."""

    fate: Fate
    runs: tuple[Run, ...]
    metric: str | None = None
    verdict: Verdict | None = None
    met: bool | None = None

    @property
    def finished(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.state is RunState.FINISHED)


class Results:
    """The results of a loop's proposals for one state of its runs, each computed on first use."""

    def __init__(self, runs: Iterable[Run], judge: Judge) -> None:
        """`judge`: a judge of these runs, with the loop's metric book."""
        self.book = judge.book
        self._judge = judge
        self._runs: dict[str, Run] = {}
        self._made: dict[int, list[Run]] = {}
        self._known: dict[int, tuple[Proposal, Result | None]] = {}
        for run in runs:
            self._runs[run.id] = run
            if run.proposal is not None:
                self._made.setdefault(run.proposal, []).append(run)

    def of(self, proposal: Proposal) -> Result | None:
        """Return the proposal's result; None if it has no run."""
        known = self._known.get(proposal.id)
        if known is None or known[0] is not proposal:
            known = self._known[proposal.id] = proposal, self._result(proposal)
        return known[1]

    def _result(self, proposal: Proposal) -> Result | None:
        made = self._made.get(proposal.id) or [run for run in [self._runs.get(proposal.run or "")] if run]
        if not made:
            return None
        fate = _fate([run.state for run in made])
        ended = next((run for run in made if run.state is RunState.FINISHED and run.summary), None)
        if fate is not Fate.RAN or ended is None or ended.summary is None:
            return Result(fate, tuple(made))
        book, has, expects = self.book, ended.summary.metrics, proposal.expects
        if expects:
            metric: str | None = found_as(expects.metric, book, has)
        else:
            metric = next((key for key in book.key_metrics if key in has), None)
        base = self._runs.get(proposal.base_run)
        verdict = self._judge.between(ended, base, metric) if base and metric else None
        met = None
        if expects and verdict and verdict.call is not Call.NOT_ENOUGH:
            met = verdict.call.decided and (verdict.effect > 0) == (expects.direction == "higher")
        return Result(fate, tuple(made), metric, verdict, met)


def _fate(states: list[RunState]) -> Fate:
    if not all(state.ended for state in states):
        return Fate.QUEUED if all(state is RunState.QUEUED for state in states) else Fate.RUNNING
    if RunState.FINISHED in states:
        return Fate.RAN
    return Fate.STOPPED if all(state is RunState.STOPPED for state in states) else Fate.FAILED
