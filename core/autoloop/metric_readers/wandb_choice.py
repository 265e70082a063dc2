"""Chooses which of the W&B runs below an output directory to follow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from autoloop.metric_readers.find import WandbFiles, WandbFolder
from autoloop.metric_readers.wandb_run import WandbRun
from autoloop.model import Series

NAMED = 64 << 10
"""Bytes of a W&B log that contain the run's name and start time."""


def _by_start(runs: list[WandbRun]) -> list[WandbRun]:
    """Sort runs that began in the same second by their recorded start times; the other order is kept."""
    ordered: list[WandbRun] = []
    for _, same in groupby(runs, key=lambda run: run.began):
        tied = list(same)
        if len(tied) > 1:
            for run in tied:
                if run.started == math.inf:
                    run.poll(NAMED)
            tied.sort(key=lambda run: run.started)
        ordered += tied
    return ordered


class WandbChoice:
    """The MetricReader of the followed W&B run below `run_dir`.

    A trainer may start several runs: ranks, folds. They are never mixed: the run with the id `run_id` is followed, else the
    earliest one that has logged a metric.
    """

    def __init__(self, run_dir: Path, run_id: str | None, axis: str | None = None) -> None:
        self._folder = WandbFolder(run_dir)
        self._found: list[WandbFiles] | None = None
        self._axis = axis
        self._run_id = run_id
        self._runs: dict[str, WandbRun] = {}
        self._chosen: WandbRun | None = None
        self.more = False

    def poll(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        found = self._folder.look() if look or self._found is None else self._found
        taken_up = self._take_up(found) if found is not self._found else False
        self._found = found
        # Runs with removed files are kept.
        ids = dict.fromkeys([files.run_id for files in found] + list(self._runs))
        before, self._chosen = self._chosen, None
        new = False
        for run in [self._runs[self._run_id]] if self._run_id in self._runs else _by_start([self._runs[i] for i in ids]):
            new |= run.poll(budget)
            if run.columns or self._chosen is None:
                self._chosen = run
            if run.columns:
                break
        other = taken_up or self._chosen is not before
        self.more = other or (new and (self._chosen is None or self._chosen.more or len(self._runs) > 1))
        return new or other

    def _take_up(self, found: list[WandbFiles]) -> bool:
        new = False
        for files in found:
            if files.run_id in self._runs:
                new |= self._runs[files.run_id].update(files)
            else:
                self._runs[files.run_id] = WandbRun(files, self._axis)
        return new

    def skim(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        """Same as `poll`, as only W&B's files have the config, the end, and the time of each row."""
        return self.poll(budget, look=look)

    @property
    def files(self) -> Iterable[Path]:
        return [path for run in self._runs.values() for path in run.files]

    def rules_out(self, path: Path) -> bool:
        """Whether a file that was written to, and that it does not read, cannot be a source below W&B's folder."""
        return self._folder.rules_out(path)

    def forget(self) -> None:
        """Drop all data read so far."""
        self._runs.clear()
        self._found = None
        self._chosen = None

    @property
    def kind(self) -> str:
        return self._chosen.kind if self._chosen else "wandb"

    @property
    def columns(self) -> Mapping[str, Series]:
        return self._chosen.columns if self._chosen else {}

    @property
    def step(self) -> int:
        return self._chosen.step if self._chosen else 0

    @property
    def rate(self) -> float | None:
        return self._chosen.rate if self._chosen else None

    @property
    def problems(self) -> list[str]:
        return self._chosen.problems if self._chosen else []

    @property
    def run_id(self) -> str | None:
        """The id of the followed run; None while there is none."""
        return self._chosen.run_id if self._chosen else None

    @property
    def others(self) -> list[str]:
        """The other runs, by display name if they have one."""
        others = [run for run in self._runs.values() if run is not self._chosen]
        for run in others:
            if not run.name:
                run.poll(NAMED)
        return [f"{run.name} ({run.run_id})" if run.name else run.run_id for run in others]

    @property
    def config(self) -> dict[str, Any]:
        """The run's config as recorded by W&B; empty if there is none."""
        return self._chosen.config if self._chosen else {}

    @property
    def exit_code(self) -> int | None:
        """The exit code that W&B recorded in the newest segment; None while the run is running or if it was killed."""
        return self._chosen.exit_code if self._chosen else None
