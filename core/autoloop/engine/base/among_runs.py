"""The runs of a loop as replicates of each other, read from the store for verdicts."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from functools import cached_property

from autoloop.engine.base.past_runs import PastRuns
from autoloop.metrics import LOOKED_AT, MetricBook
from autoloop.model import Run, UserError
from autoloop.store import Store
from autoloop.verdicts import BaseComparison, Judge, base_of, judged_metrics, reduced


class LoopComparisons:
    """Compares the config of each run of a loop with its base. Reads the runs at the first call and does not update them."""

    def __init__(
        self,
        store: Store,
        loop: int,
        metrics: MetricBook,
        wanted: Collection[str] | None = None,
        *,
        past: PastRuns | None = None,
        until: int | None = None,
        later: bool = True,
    ) -> None:
        """`wanted`: the canonical names of the metrics that may be asked for; all by default. `past`: the engine's cached
        runs. `until`: the last round that counts. `later`: whether replicates in later loops count."""
        self._store = store
        self._loop = loop
        self._metrics = metrics
        self._wanted = wanted
        self._past = past or PastRuns(store, loop)
        self._until = until
        self._later = later

    def of(self, run: Run) -> BaseComparison:
        return BaseComparison(self._judge, run, base_of(run, self._find))

    @cached_property
    def _judge(self) -> Judge:
        runs = [run for run in self._past.by(self._wanted) if self._until is None or run.round <= self._until]
        newest = deque[Run](maxlen=LOOKED_AT)
        for number in sorted({run.round for run in runs[-LOOKED_AT:]}):
            newest.extend(self._store.runs(self._loop, number))
        elsewhere = (run for run in self._store.replicates_elsewhere(self._loop) if self._later or run.loop < self._loop)
        keys = judged_metrics(self._metrics, list(newest))
        return Judge(runs, self._metrics, reduced(elsewhere, self._wanted), keys=keys)

    def _find(self, run: str) -> Run | None:
        try:
            return self._store.run(run)
        except UserError:
            return None
