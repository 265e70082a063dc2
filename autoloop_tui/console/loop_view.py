"""What a screen paints: one snapshot of a loop, and what is worked out from it, each once."""

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
    from autoloop.verdicts import Judge, Results  # which the first paint does not need

TROUBLE = (UserError, sqlite3.Error, msgspec.ValidationError, OSError)
"""What reading or writing the store can raise when its disk or another process is in the way: said, never fatal."""


class Gone(NamedTuple):
    """When the engine of a loop went. `seen`: this console saw it; else `at` is when it last wrote to its log."""

    at: float
    seen: bool


@dataclass(frozen=True)
class View:
    """What a screen paints."""

    snapshot: Snapshot
    engine: Holder | None
    metrics: MetricBook
    """With the key metrics that the loop's runs have."""
    project: Path
    present: Mapping[str, Presence] = field(default_factory=dict)
    """Where no engine is there: what is there of the runs that the store calls running."""
    gone_since: Gone | None = None
    """Where no engine is there: since when, if that is known."""
    brief: bool = False
    """For the first paint: earlier rounds, and what takes a moment to work out, are left out."""
    origin: str | None = None
    """The project's folder on the loop's machine, where that is another and `project` a copy."""

    def said(self, text: str) -> str:
        """A text that names paths of the project, as they are on the loop's machine."""
        return text if self.origin is None else text.replace(str(self.project), self.origin)

    @property
    def loop(self) -> Loop:
        return self.snapshot.loop

    @property
    def orphaned(self) -> bool:
        """The loop should be driven and nobody drives it."""
        return self.engine is None and self.loop.state is LoopState.ACTIVE

    @cached_property
    def runs(self) -> dict[str, Run]:
        """By id. Like all that walks over every run, done once a view."""
        return {run.id: run for run in self.snapshot.runs}

    @cached_property
    def _badges(self) -> dict[str, Badge]:
        return {run: badge_of(place) for place, run in enumerate(self.runs, self.snapshot.left_out)}

    def badge(self, run: Run) -> Badge:
        """The letter and colour of one of the loop's runs, wherever it is shown."""
        return self._badges[run.id]

    def badges(self, runs: Iterable[str]) -> dict[str, Badge]:
        """Those of some runs that are shown together, by id, each in a colour of its own; some may be of other loops."""
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
        """The loop's runs that differ from it in the seed only, itself among them."""
        return self._replicates.get(run.id, (run,))

    @cached_property
    def judge(self) -> Judge:
        """Says which of the loop's configs is better."""
        from autoloop.verdicts import Judge

        return Judge(self.snapshot.runs, self.metrics, self.snapshot.elsewhere)

    @cached_property
    def outcome(self) -> Outcome | None:
        """What the loop has come to: as its end recorded it, until then as it would be recorded now."""
        if self.loop.outcome is not None:
            return self.loop.outcome
        if self.brief:
            return None
        from autoloop.verdicts import outcome

        metric = next((key for key in self.metrics.key_metrics if self.metrics.direction(key)), None)
        snapshot = self.snapshot
        return outcome(snapshot.runs, snapshot.proposals, self.loop.spec, self.judge, metric) if metric else None

    def keep_outcome(self, before: View) -> None:
        """Take over the outcome of the view before if nothing has ended or been decided since: runs in training write
        their steps every few seconds, and verdicts over a thousand runs take a moment."""
        old, new = before.snapshot, self.snapshot
        same = len(old.runs) == len(new.runs) and before.metrics is self.metrics and old.elsewhere == new.elsewhere
        same = same and before.loop.id == self.loop.id and before.loop.outcome == self.loop.outcome
        same = same and old.proposals == new.proposals
        if same and not before.brief and "outcome" in vars(before) and all(map(_same_result, old.runs, new.runs)):
            vars(self)["outcome"] = before.outcome

    @cached_property
    def results(self) -> Results:
        """What became of the proposals; each is worked out when it is shown."""
        from autoloop.verdicts import Results

        return Results(self.snapshot.runs, self.judge)

    @cached_property
    def gone(self) -> Mapping[str, str]:
        """Runs that the store calls running and of which no process is there: `ended` if there is a record of how it
        ended, else `gone`."""
        return {run: presence.value for run, presence in self.present.items() if presence.over}

    def state_of(self, run: Run) -> str:
        """The run's state as a look at the processes has it."""
        return self.gone.get(run.id, run.state.value)

    @cached_property
    def in_slots(self) -> dict[int, Run]:
        """By slot: the run that holds it, else the one that held it last."""
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
        """The queued runs in the order in which they start."""
        queued = [run for run in self.snapshot.runs if run.state is RunState.QUEUED]
        return sorted(queued, key=lambda run: (run.round, run.position))

    @cached_property
    def pending(self) -> list[Proposal]:
        """Those of the current round that wait for a decision, in the order of the Proposals screen."""
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
        """Those of the current round that run in the next one as things stand."""
        round_ = self.snapshot.round
        return [
            proposal
            for proposal in self.snapshot.proposals
            if round_ is not None and proposal.round == round_.number and proposal.status is ProposalStatus.APPROVED
        ]

    @cached_property
    def then(self) -> Proposal | None:
        """The long training of the winner that `--then` asks for; None before it is proposed."""
        return next((each for each in reversed(self.snapshot.proposals) if each.extend is not None), None)

    @cached_property
    def questions(self) -> dict[str, Proposal]:
        """What live rules ask a person about runs in training, by run."""
        return {
            proposal.base_run: proposal
            for proposal in self.snapshot.proposals
            if proposal.live and proposal.status is ProposalStatus.PENDING
        }

    @cached_property
    def relaunched(self) -> dict[str, Run]:
        """What live rules made of runs that they stopped: the successor, by the run before it."""
        made = [each for each in self.snapshot.proposals if each.live and each.run is not None]
        return {each.base_run: run for each in made if (run := self.run(each.run))}

    @cached_property
    def in_round(self) -> list[Run]:
        """The runs of the current round."""
        return self.snapshot.runs_of(self.snapshot.round.number) if self.snapshot.round else []

    @cached_property
    def unended(self) -> int:
        """How many runs of the current round have not ended."""
        return sum(not run.state.ended for run in self.in_round)

    @cached_property
    def decisions(self) -> Counter[str]:
        """How many proposals for the next round are in each state; what live rules did is not among them."""
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
        """The metric that stands for a run in one number; empty while no run has logged one and nothing names it."""
        return next(iter(self.metrics.key_metrics), "")


def _same_result(before: Run, now: Run) -> bool:
    return before is now or not (before.state.ended or now.state.ended) or before == now
