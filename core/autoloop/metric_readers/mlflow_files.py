"""Reads MLflow's file store: `mlruns/<experiment>/<run>/metrics/<name>` with lines `milliseconds value step`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from autoloop.metric_readers.columns import MAX_KEYS, Columns, GivenSteps, as_step
from autoloop.metric_readers.log_state import LogState
from autoloop.metric_readers.tail import Lines

_START = re.compile(rb"^start_time: (\d+)", re.MULTILINE)


def in_order(runs: list[Path]) -> list[Path]:
    """Return the folders of runs that have a metric, in the order in which the runs began."""
    began = []
    for run in runs:
        try:
            with open(run / "meta.yaml", "rb") as file:
                start = _START.search(file.read(4096))
            if any(os.scandir(run / "metrics")):
                began.append((int(start[1]) if start else 0, run))
        except OSError:
            continue
    return [run for _, run in sorted(began)]


class MlflowFiles(LogState):
    """The FileLog of one run's folder. A metric with a `/` in its name is a file in a subfolder."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self._given = GivenSteps()
        self._files: dict[str, Lines] = {}
        self._damaged = 0

    @property
    def restarts(self) -> int:
        return sum(lines.tail.restarts for lines in self._files.values())

    @property
    def problems(self) -> list[str]:
        found = [problem for lines in self._files.values() for problem in lines.problems]
        if self._damaged:
            found.append(f"{self.path}: {self._damaged} lines of its metrics could not be read and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        self._look(self.path / "metrics", "")
        before, more = self.rows, False
        for name, lines in self._files.items():
            for line in lines.read(budget):
                if line.strip():
                    self._take(name, line)
            more |= lines.more
        return more or self.rows != before

    def _look(self, folder: Path, above: str, depth: int = 0) -> None:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            name = above + entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth < 8:
                    self._look(folder / entry.name, f"{name}/", depth + 1)
            elif name not in self._files and entry.is_file() and len(self._files) < MAX_KEYS:
                self._files[name] = Lines(folder / entry.name)

    def _take(self, name: str, line: bytes) -> None:
        try:
            stamp, value, *rest = map(float, line.split())
            step = as_step(rest[0]) if rest else 0
        except ValueError:
            step = None
        if step is None:
            self._damaged += 1
            return
        step = self._given.of(name, step)
        self.rows += 1
        if step > self.step:
            self.step = step
            self.times.append((step, stamp / 1000))
        self.columns.put(name, step, value)
