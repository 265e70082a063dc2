"""The data a screen displays: a snapshot of a loop and values derived from it, each computed once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from autoloop.engine import Holder
from autoloop.engine.runs.presence import Presence
from autoloop.metrics import MetricBook
from autoloop.metrics.seeds import by_config
from autoloop.model import (
    Loop,
    LoopState,
    Outcome,
    Proposal,
    ProposalStatus,
    RoundState,
    Run,
    RunState,
    UserError,
)
from autoloop.store import Snapshot

from autoloop_tui.console.drawing.badges import Badge, apart, badge_of

if TYPE_CHECKING:
    from autoloop.verdicts import Judge, Results  # not needed for the first paint

TROUBLE = (UserError, sqlite3.Error, msgspec.ValidationError, OSError)
"""Errors of reading or writing the store caused by its disk or another process; reported, never fatal."""


class EngineLoss(NamedTuple):
    """When the engine of a loop disappeared. `seen`: this console noticed it; otherwise `at` is the last write to its
    log."""

    at: float
    seen: bool


@dataclass(frozen=True)
class View:
    """The data a screen displays."""

    snapshot: Snapshot
    engine: Holder | None
    metrics: MetricBook
    """The metrics, with the key metrics of the loop's runs."""
    project: Path
    present: Mapping[str, Presence] = field(default_factory=dict)
    """If there is no engine: what remains of the runs that the store calls running."""
    gone_since: EngineLoss | None = None
    """If there is no engine: since when, if known."""
    brief: bool = False
    """For the first paint: earlier rounds and slow computations are left out."""
    origin: str | None = None
    """The project's folder on the loop's machine, if that is another machine and `project` is a copy."""

    def said(self, text: str) -> str:
        """Return a text with the project's paths as they are on the loop's machine."""
        return text if self.origin is None else text.replace(str(self.project), self.origin)

    @property
    def loop(self) -> Loop:
        return self.snapshot.loop

    @property
    def orphaned(self) -> bool:
        """Whether the loop is active but has no engine."""
        return self.engine is None and self.loop.state is LoopState.ACTIVE

    @cached_property
    def runs(self) -> dict[str, Run]:
        """By id. Like everything that walks over all runs, computed once per view."""
        return {run.id: run for run in self.snapshot.runs}

    @cached_property
    def _badges(self) -> dict[str, Badge]:
        return {run: badge_of(place) for place, run in enumerate(self.runs, self.snapshot.left_out)}

    def badge(self, run: Run) -> Badge:
        """Return the letter and colour of a run of the loop, the same on every screen."""
        return self._badges[run.id]

    def badges(self, runs: Iterable[str]) -> dict[str, Badge]:
        """Return the badges of runs shown together, by id, each in a different colour. Runs of other loops are allowed."""
        found: dict[str, Badge] = {}
        guests = 0
        for run in runs:
            if run in self._badges:
                found[run] = self._badges[run]
            elif run not in found:
                found[run] = badge_of(guests, guest=True)
                guests += 1
        return apart(found)

    @cached_property
    def _replicates(self) -> dict[str, tuple[Run, ...]]:
        return {run.id: seeds for seeds in by_config(self.snapshot.runs) for run in seeds}

    def replicates(self, run: Run) -> tuple[Run, ...]:
        """Return the runs of the loop that differ only in the seed, including this run."""
        return self._replicates.get(run.id, (run,))

    @cached_property
    def judge(self) -> Judge:
        """Decides which of the loop's configs is better."""
        from autoloop.verdicts import Judge

        return Judge(self.snapshot.runs, self.metrics, self.snapshot.elsewhere)

    @cached_property
    def outcome(self) -> Outcome | None:
        """The loop's result: as recorded at its end, or as it would be recorded now."""
        if self.loop.outcome is not None:
            return self.loop.outcome
        if self.brief:
            return None
        from autoloop.verdicts import outcome

        metric = next((key for key in self.metrics.key_metrics if self.metrics.direction(key)), None)
        snapshot = self.snapshot
        return outcome(snapshot.runs, snapshot.proposals, self.loop.spec, self.judge, metric) if metric else None

    def keep_outcome(self, before: View) -> None:
        """Take over the outcome of the previous view if nothing has ended or been decided since. Runs in training write
        steps every few seconds, and verdicts over a thousand runs take noticeable time."""
        old, new = before.snapshot, self.snapshot
        same = len(old.runs) == len(new.runs) and before.metrics is self.metrics and old.elsewhere == new.elsewhere
        same = same and before.loop.id == self.loop.id and before.loop.outcome == self.loop.outcome
        same = same and old.proposals == new.proposals
        if same and not before.brief and "outcome" in vars(before) and all(map(_same_result, old.runs, new.runs)):
            vars(self)["outcome"] = before.outcome

    @cached_property
    def results(self) -> Results:
        """The results of the proposals, each computed when it is shown."""
        from autoloop.verdicts import Results

        return Results(self.snapshot.runs, self.judge)

    @cached_property
    def gone(self) -> Mapping[str, str]:
        """Runs that the store calls running but that have no process: `ended` if a record says how the run ended, else
        `gone`."""
        return {run: presence.value for run, presence in self.present.items() if presence.over}

    def state_of(self, run: Run) -> str:
        """Return the run's state, corrected by the last check of the processes."""
        return self.gone.get(run.id, run.state.value)

    @cached_property
    def in_slots(self) -> dict[int, Run]:
        """The run of each slot: the one that holds it, otherwise the last one that held it."""
        attempts = self.snapshot.attempts
        holds: dict[int, Run] = {}
        held: dict[int, Run] = {}
        for run in self.snapshot.runs:
            if run.slot is not None and run.state in (RunState.RUNNING, RunState.STOPPING):
                holds.setdefault(run.slot, run)
            attempt = attempts.get(run.id)
            if attempt is not None and run.started_at is not None:
                before = held.get(attempt.slot)
                if before is None or (before.started_at or 0.0) <= run.started_at:
                    held[attempt.slot] = run
        return held | holds

    @cached_property
    def queue(self) -> list[Run]:
        """The queued runs in starting order."""
        queued = [run for run in self.snapshot.runs if run.state is RunState.QUEUED]
        return sorted(queued, key=lambda run: (run.round, run.position))

    @cached_property
    def pending(self) -> list[Proposal]:
        """Proposals of the current round that await a decision, in the order of the Proposals screen."""
        round_ = self.snapshot.round
        if round_ is None or round_.state is RoundState.RUNNING:
            return []
        return [
            proposal
            for proposal in self.snapshot.proposals
            if proposal.round == round_.number and proposal.status is ProposalStatus.PENDING and proposal.live is None
        ]

    @cached_property
    def approved(self) -> list[Proposal]:
        """Proposals of the current round that are approved for the next round."""
        round_ = self.snapshot.round
        return [
            proposal
            for proposal in self.snapshot.proposals
            if round_ is not None and proposal.round == round_.number and proposal.status is ProposalStatus.APPROVED
        ]

    @cached_property
    def then(self) -> Proposal | None:
        """The proposal to extend the winner, as requested by `--then`; None until it exists."""
        return next((each for each in reversed(self.snapshot.proposals) if each.extend is not None), None)

    @cached_property
    def questions(self) -> dict[str, Proposal]:
        """Questions of live rules about runs in training, by run."""
        return {
            proposal.base_run: proposal
            for proposal in self.snapshot.proposals
            if proposal.live and proposal.status is ProposalStatus.PENDING
        }

    @cached_property
    def relaunched(self) -> dict[str, Run]:
        """Runs relaunched by live rules: the successor, by the id of the run that was stopped."""
        made = [each for each in self.snapshot.proposals if each.live and each.run is not None]
        return {each.base_run: run for each in made if (run := self.run(each.run))}

    @cached_property
    def in_round(self) -> list[Run]:
        """The runs of the current round."""
        return self.snapshot.runs_of(self.snapshot.round.number) if self.snapshot.round else []

    @cached_property
    def unended(self) -> int:
        """Number of runs of the current round that have not ended."""
        return sum(not run.state.ended for run in self.in_round)

    @cached_property
    def decisions(self) -> Counter[str]:
        """Number of proposals for the next round by status, without those of live rules."""
        number = self.snapshot.round.number if self.snapshot.round else 1
        proposals = self.snapshot.proposals
        return Counter(each.status.value for each in proposals if each.round == number and each.for_round)

    def run(self, run_id: str | None) -> Run | None:
        return self.runs.get(run_id) if run_id is not None else None

    def base_of(self, run: Run) -> Run | None:
        return self.run(run.base_run)

    def log_path(self, run: Run) -> Path | None:
        attempt = self.snapshot.attempts.get(run.id)
        return Path(attempt.directory) / "log.txt" if attempt else None

    @property
    def key_metric(self) -> str:
        """The metric that represents a run in a single number; empty if none is configured and no run has logged one."""
        return next(iter(self.metrics.key_metrics), "")


def _same_result(before: Run, now: Run) -> bool:
    return before is now or not (before.state.ended or now.state.ended) or before == now
