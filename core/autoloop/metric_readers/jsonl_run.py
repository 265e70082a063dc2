"""Reads a run's `wandb-history.jsonl` and the summary beside it as one source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from autoloop.metric_readers.columns import MAX_KEYS, Columns, rate_of
from autoloop.metric_readers.find import jsonl_file
from autoloop.metric_readers.jsonl import JsonlLog
from autoloop.metric_readers.step_axis import StepAxis
from autoloop.metric_readers.summary_file import NAME as SUMMARY
from autoloop.metric_readers.summary_file import SummaryFile, missing_rows
from autoloop.model import Series


class JsonlRun:
    """The MetricReader of the first such file that appears below `run_dir`."""

    kind = "jsonl"

    def __init__(self, run_dir: Path, run_id: str | None, axis: str | None = None) -> None:
        self._axis = StepAxis(axis)
        self._run_dir = run_dir
        self._run_id = run_id
        self._log: JsonlLog | None = None
        self._summary: SummaryFile | None = None
        self.more = False

    @property
    def files(self) -> Iterable[Path]:
        return [each.path for each in (self._log, self._summary) if each is not None]

    def poll(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        if self._log is None or self._summary is None:
            if not look:
                return False
            path = jsonl_file(self._run_dir, self._run_id)
            if path is None:
                return False
            self._log = JsonlLog(path, Columns())
            self._summary = SummaryFile(path.with_name(SUMMARY))
        new = self._log.poll(budget)
        if self._summary.poll() or new:
            self._log.put_last(self._summary.values, self._summary.step)
            self._axis.update(self._log.columns, numbered=self._log.numbered)
        self.more = new
        return new

    def skim(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        """Read nothing, because W&B's own log has the same rows."""
        self.more = False
        return False

    @property
    def columns(self) -> Mapping[str, Series]:
        return self._axis.columns

    @property
    def step(self) -> int:
        return self._axis.step(self._log.step) if self._log else 0

    @property
    def rate(self) -> float | None:
        return rate_of(self._axis.times(self._log.times)) if self._log else None

    @property
    def problems(self) -> list[str]:
        if self._log is None or self._summary is None:
            return []
        found = [*self._log.problems, *self._summary.problems]
        if missing := missing_rows(self._log.path, self._summary.step, self._log.step, self._log.rows):
            found.append(missing)
        if self._log.columns.overflow:
            found.append(f"{self._log.path}: only the first {MAX_KEYS} metric names were read")
        return found
