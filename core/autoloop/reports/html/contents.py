"""The data of an HTML report: one loop from the store, with the histories thinned to what the page draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autoloop.gpu_history import GpuHistory, read_history
from autoloop.metrics import MetricBook, config_label, for_runs
from autoloop.model import Attempt, Loop, Note, Proposal, Round, RuleRecord, Run, RunState, Series
from autoloop.reports.html.elements import Markup, element
from autoloop.reports.html.thinning import Points, thinned
from autoloop.reports.rule_records import project_records
from autoloop.store import Store, take_snapshot
from autoloop.verdicts import Judge, Results
from autoloop.verdicts.outcome import rule_records

MOST_POINTS, FEWEST = 150_000, 25
"""The most points of all curves of a page together, so that 100 runs take less than 2 MB, and the fewest of one curve."""
DENSEST = 500
"""The most points of one curve: more would not be visible."""
CHARTS = 8
"""The number of metrics with a chart."""


@dataclass(frozen=True)
class Contents:
    """The data of one loop. `histories`: each run's curves by metric. `metrics`: the book with the key metrics of its runs.
    `records`: the outcomes of each rule's proposals in all loops of the project. `gpus`: the GPU use over time of each run's
    newest attempt."""

    loop: Loop
    rounds: Sequence[Round]
    runs: Sequence[Run]
    attempts: Mapping[str, Attempt]
    proposals: Sequence[Proposal]
    elsewhere: Sequence[Run]
    metrics: MetricBook
    histories: Mapping[str, Mapping[str, Points]]
    records: Mapping[str, RuleRecord]
    gpus: Mapping[str, GpuHistory]
    notes: Sequence[Note]

    @cached_property
    def by_id(self) -> dict[str, Run]:
        return {run.id: run for run in self.runs}

    @cached_property
    def judge(self) -> Judge:
        return Judge(self.runs, self.metrics, self.elsewhere)

    @cached_property
    def results(self) -> Results:
        """The results of the proposals."""
        return Results(self.runs, self.judge)

    @cached_property
    def states(self) -> Counter[RunState]:
        return Counter(run.state for run in self.runs)

    @cached_property
    def rules(self) -> list[RuleRecord]:
        """The records of the rules' proposals, taken from the loop's outcome if it has one."""
        if self.loop.outcome:
            return self.loop.outcome.rules
        key = self.metrics.key_metrics[0] if self.metrics.key_metrics else None
        return rule_records(self.proposals, self.by_id, self.judge, key)

    @cached_property
    def _colours(self) -> dict[str, int]:
        """The colour number of each run; runs of one config share one."""
        configs: dict[str, int] = {}
        return {run.id: configs.setdefault(run.group or run.config_hash, len(configs)) for run in self.runs}

    def colour(self, run: Run) -> int:
        return self._colours[run.id]

    def runs_of(self, round_: Round) -> list[Run]:
        return [run for run in self.runs if run.round == round_.number]

    def before(self, round_: Round) -> list[Run]:
        """The runs of earlier rounds."""
        return [run for run in self.runs if run.round < round_.number]

    def base_of(self, run: Run) -> Run | None:
        return self.by_id.get(run.base_run or "")

    def named(self, run: Run, seeds: int = 1) -> Markup:
        """A link to a run's row with the run's name; if `seeds` is more than one, with its config's name."""
        return element("a", config_label(run, seeds), href=f"#run-{run.id}")


def gather(store: Store, number: int, metrics: MetricBook, read: Callable[[Run], Mapping[str, Series]]) -> Contents:
    """Collect the data of one loop's page. Each history is thinned right after reading, so that memory stays small."""
    found = take_snapshot(store, number)
    running = {run.id: read(run) for run in found.runs if run.state in (RunState.RUNNING, RunState.STOPPING)}
    book = for_runs(metrics, found.runs, list(running.values()))
    keys = book.key_metrics[:CHARTS]
    most = min(DENSEST, max(FEWEST, MOST_POINTS // (len(found.runs) * len(keys) or 1)))
    histories = {}
    for run in found.runs:
        columns = running.pop(run.id, None) or read(run)
        histories[run.id] = {key: thinned(columns[key], most) for key in keys if key in columns}
    return Contents(
        loop=found.loop,
        rounds=found.rounds,
        runs=found.runs,
        attempts=found.attempts,
        proposals=found.proposals,
        elsewhere=found.elsewhere,
        metrics=book,
        histories=histories,
        records=project_records(store, found.loop, book) if found.proposals else {},
        notes=found.notes,
        gpus={run: history for run, each in found.attempts.items() if (history := read_history(Path(each.directory)))},
    )
