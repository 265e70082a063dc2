"""Reads one W&B run on disk as one source: its segments, the tap of a lagging wandb, and its summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoloop.metric_readers.columns import MAX_KEYS, Columns, rate_of
from autoloop.metric_readers.find import WandbFiles
from autoloop.metric_readers.jsonl import JsonlLog
from autoloop.metric_readers.step_axis import StepAxis
from autoloop.metric_readers.summary_file import SummaryFile, missing_rows
from autoloop.metric_readers.wandb_log import WandbLog
from autoloop.model import Series


class WandbRun:
    """One W&B run. Rows come from the tap if it has any, else from the segments; values of later segments replace earlier
    ones. A metric that only the summary has becomes a series of one point. `axis` is the metric that counts the steps, if
    the preset names one."""

    def __init__(self, files: WandbFiles, axis: str | None = None) -> None:
        self.run_id = files.run_id
        self.began = files.began
        self._axis = StepAxis(axis)
        self._columns = Columns()
        self._segments: list[WandbLog] = []
        self._tap: JsonlLog | None = None
        self._summaries: list[SummaryFile] = []
        self._notes: list[str] = []
        self.more = False
        """Whether the last poll may have left something because of its budget."""
        self.update(files)

    @property
    def files(self) -> list[Path]:
        """All that it reads."""
        tap = [self._tap.path] if self._tap is not None else []
        return [*(segment.path for segment in self._segments), *tap, *(each.path for each in self._summaries)]

    def update(self, files: WandbFiles) -> bool:
        """Add new files; data of removed files is kept. Returns whether everything has to be read again."""
        if self._tap is None and files.tap is not None:
            self._tap = JsonlLog(files.tap, Columns())
        known = {summary.path for summary in self._summaries}
        self._summaries += [SummaryFile(path) for path in files.summaries if path not in known]
        paths, before = list(files.segments), [segment.path for segment in self._segments]
        if set(paths) <= set(before):
            return False
        if paths[: len(before)] == before:
            self._segments += [WandbLog(path, self._columns) for path in paths[len(before) :]]
            return False
        self._read_again(paths)
        return bool(before)

    def _read_again(self, paths: list[Path]) -> None:
        self._columns.clear()
        self._segments = [WandbLog(path, self._columns) for path in paths]

    def poll(self, budget: int = 4 << 20) -> bool:
        """Read about `budget` bytes of each source. Returns whether anything was new."""
        new = self._poll_segments(budget)
        if self._tap is not None:
            new |= self._tap.poll(budget)
        for summary in self._summaries:
            new |= summary.poll()
        if new:
            columns, step = self._shown, self._own_step
            for known in (*(segment.summary for segment in self._segments), *(each.values for each in self._summaries)):
                columns.put_all_last(known, step)
            self._axis.update(columns, numbered=step < max(self.rows, 1), defined=self._defined)
        self.more = new and (len(self._segments) != 1 or self._segments[0].more or self._tap is not None)
        return new

    def _poll_segments(self, budget: int) -> bool:
        """Read the segments oldest first, each to its end, so that values of later segments replace earlier ones."""
        new = False
        for index, segment in enumerate(self._segments):
            self._columns.keep_first = any(later.rows for later in self._segments[index + 1 :])
            restarts = segment.restarts
            if segment.poll(budget):
                new = True
                if segment.restarts != restarts and len(self._segments) > 1:
                    self._notes += segment.problems
                    self._read_again([each.path for each in self._segments])
                if segment is not self._segments[-1]:
                    break
        self._columns.keep_first = False
        return new

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def _shown(self) -> Columns:
        return self._tap.columns if self._tapped and self._tap is not None else self._columns

    @property
    def kind(self) -> str:
        """`jsonl` if the rows are the tap's, else `wandb`."""
        return "jsonl" if self._tapped else "wandb"

    @property
    def _tapped(self) -> bool:
        return self._tap is not None and self._tap.rows > 0

    @property
    def rows(self) -> int:
        """The number of rows read."""
        return max([segment.rows for segment in self._segments] + [self._tap.rows if self._tap else 0])

    @property
    def columns(self) -> Mapping[str, Series]:
        """Every metric with a value, by the trainer's name. The Series grow in place with `poll`."""
        return self._axis.columns

    @property
    def name(self) -> str:
        """The run's display name in W&B; empty if it has none."""
        return next((segment.name for segment in reversed(self._segments) if segment.name), "")

    @property
    def started(self) -> float:
        """The start in Unix seconds, as recorded by W&B; infinite until that record has been read."""
        return next((segment.started for segment in self._segments if segment.started is not None), math.inf)

    @property
    def config(self) -> dict[str, Any]:
        """The config as recorded by W&B; empty if there is none."""
        return next((segment.config for segment in reversed(self._segments) if segment.config), {})

    @property
    def exit_code(self) -> int | None:
        """The exit code that W&B recorded in the newest segment; None while the run is running or if it was killed."""
        return self._segments[-1].exit_code if self._segments else None

    @property
    def step(self) -> int:
        """The largest step of any row, on the axis of `columns`."""
        return self._axis.step(self._own_step)

    @property
    def _own_step(self) -> int:
        return max([segment.step for segment in self._segments] + [self._tap.step if self._tap else 0])

    @property
    def rate(self) -> float | None:
        """Steps per second over the last rows of the tap, else of the newest segment; None with fewer than two rows."""
        sources = [*([self._tap.times] if self._tap else []), *(segment.times for segment in self._segments[-1:])]
        return next((rate for times in sources if (rate := rate_of(self._axis.times(times))) is not None), None)

    @property
    def problems(self) -> list[str]:
        """One sentence for each thing that could not be read properly."""
        readers: list[WandbLog | SummaryFile | JsonlLog] = [*self._segments, *self._summaries]
        readers += [self._tap] if self._tap else []
        found = self._notes + [problem for reader in readers for problem in reader.problems]
        if self._shown.overflow:
            found.append(f"{self.run_id}: only the first {MAX_KEYS} metric names were read")
        if (missing := self._missing) is not None:
            found.append(missing)
        return found

    @property
    def _defined(self) -> dict[str, str]:
        return {name: axis for segment in self._segments for name, axis in segment.defined.items()}

    @property
    def _missing(self) -> str | None:
        paths = self.files
        said = max([segment.summary_step for segment in self._segments] + [each.step for each in self._summaries], default=0)
        return missing_rows(paths[0], said, self._own_step, self.rows) if paths else None
