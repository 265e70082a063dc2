"""One view of a running or finished training, whatever it writes: `follow(run_dir)`."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from autoloop.history.columns import MAX_KEYS, Columns
from autoloop.history.console_log import LEROBOT, ConsoleLog, ConsolePatterns
from autoloop.history.find import jsonl_file, tap_file, wandb_segments
from autoloop.history.jsonl import JsonlLog
from autoloop.history.wandb_log import WandbLog
from autoloop.model import Series


def follow(
    run_dir: Path,
    *,
    run_id: str | None = None,
    log: Path | None = None,
    want: Collection[str] | None = None,
    log_freq: int | None = None,
    patterns: ConsolePatterns = LEROBOT,
) -> Follower:
    """Follows the run that writes below `run_dir`, which need not exist yet; nothing is read before the first `poll`.

    `run_id`: its W&B id. `log`: the file with what it prints. `want`: the only metrics to read, by the trainer's names.
    `log_freq`: steps between two printed metric lines. UserError if a pattern is not valid.
    """
    return Follower(run_dir, run_id, log, want, log_freq, patterns)


SKIM = 4 << 10
"""Bytes at the end of the console log that are looked at for the progress, where the metrics come from elsewhere."""


class Follower:
    """Metrics from the tap if there is one, else from the W&B log if it has any, else from `wandb-history.jsonl`, else from
    the console log.

    Progress (`step`, `total_steps`, `rate`) comes from whichever knows best.
    Nothing is held open between polls. Use it from one thread at a time.
    """

    def __init__(
        self,
        run_dir: Path,
        run_id: str | None,
        log: Path | None,
        want: Collection[str] | None,
        log_freq: int | None,
        patterns: ConsolePatterns,
    ) -> None:
        self._run_dir = run_dir
        self._run_id = run_id
        self._want = want
        self._wandb_columns = Columns(want)
        self._segments: list[WandbLog] = []
        self._notes: list[str] = []
        self._jsonl: JsonlLog | None = None
        self._tap: JsonlLog | None = None
        self._console = ConsoleLog(log, Columns(want), log_freq, patterns) if log else None

    # ------------------------------------------------------------------------------------------------ reading

    def poll(self, budget: int = 4 << 20) -> bool:
        """Reads on, about `budget` bytes of each source; whether anything was new. Poll until False to read it all."""
        new = self._find_segments()
        new |= self._poll_segments(budget)
        if self._tap is None and (tap := tap_file(self._run_dir)).is_file():
            self._tap = JsonlLog(tap, Columns(self._want))
        if self._tap is not None:
            new |= self._tap.poll(budget)
        if not self._wandb_columns.series:
            if self._jsonl is None:
                path = jsonl_file(self._run_dir, self._run_id)
                if path is not None:
                    self._jsonl = JsonlLog(path, Columns(self._want))
            if self._jsonl is not None:
                new |= self._jsonl.poll(budget)
        if self._console is not None:
            if self.source in ("wandb", "jsonl"):
                # Its metrics are not shown then, and parsing a flood of lines for the progress alone costs too much.
                self._console.skip(SKIM)
            new |= self._console.poll(budget)
        return new

    def skip_log(self, keep: int) -> None:
        """Passes over all but the last `keep` bytes of what the console log still has to read."""
        if self._console is not None:
            self._console.skip(keep)

    def close(self) -> None:
        """Forgets what was read."""
        self._segments.clear()
        self._wandb_columns.clear()
        self._jsonl = self._tap = self._console = None

    def _find_segments(self) -> bool:
        paths = wandb_segments(self._run_dir, self._run_id)
        known = [segment.path for segment in self._segments]
        if set(paths) <= set(known):  # also when files were removed: what was read stays
            return False
        if paths[: len(known)] == known:
            self._segments += [WandbLog(path, self._wandb_columns) for path in paths[len(known) :]]
            return False
        self._read_again(paths)
        return bool(known)

    def _read_again(self, paths: list[Path]) -> None:
        self._wandb_columns.clear()
        self._segments = [WandbLog(path, self._wandb_columns) for path in paths]

    def _poll_segments(self, budget: int) -> bool:
        """Oldest first and each to its end, so that a later segment's values replace an earlier one's."""
        new = False
        for index, segment in enumerate(self._segments):
            self._wandb_columns.keep_first = any(later.rows for later in self._segments[index + 1 :])
            restarts = segment.restarts
            if segment.poll(budget):
                new = True
                if segment.restarts != restarts and len(self._segments) > 1:
                    self._notes += segment.problems
                    self._read_again([each.path for each in self._segments])
                if segment is not self._segments[-1]:
                    break
        return new

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def source(self) -> str | None:
        """Where `columns` come from: `wandb`, `jsonl`, `console`, or None while there are none."""
        if self._tap is not None and self._tap.columns.series:
            return "jsonl"
        if self._wandb_columns.series:
            return "wandb"
        if self._jsonl is not None and self._jsonl.columns.series:
            return "jsonl"
        return "console" if self._console is not None and self._console.columns.series else None

    @property
    def approximate(self) -> bool:
        """Whether `columns` were printed numbers: few digits, and steps that were reckoned."""
        return self.source == "console"

    @property
    def columns(self) -> Mapping[str, Series]:
        """Every metric with a value, by the trainer's name. The Series grow in place with `poll`."""
        if self._tap is not None and self._tap.columns.series:
            return self._tap.columns.series
        if self._wandb_columns.series:
            return self._wandb_columns.series
        if self._jsonl is not None and self._jsonl.columns.series:
            return self._jsonl.columns.series
        return self._console.columns.series if self._console is not None else {}

    @property
    def config(self) -> dict[str, Any]:
        """The run's config as W&B recorded it; empty if it did not."""
        return next((segment.config for segment in reversed(self._segments) if segment.config), {})

    @property
    def exit_code(self) -> int | None:
        """What W&B recorded at the end of the newest segment; None while it runs or if it was killed."""
        return self._segments[-1].exit_code if self._segments else None

    @property
    def step(self) -> int:
        """The largest step that any source has seen."""
        steps = [segment.step for segment in self._segments]
        steps += [rows.step for rows in (self._jsonl, self._tap) if rows is not None]
        if self._console is not None:
            steps.append(self._console.step)
        return max(steps, default=0)

    @property
    def total_steps(self) -> int | None:
        """How many steps it will make, as the trainer printed it, else as `steps` of its config says."""
        if self._console is not None and self._console.total_steps is not None:
            return self._console.total_steps
        steps = self.config.get("steps")
        return steps if isinstance(steps, int) and not isinstance(steps, bool) else None

    @property
    def rate(self) -> float | None:
        """Steps a second over the last rows, pauses included; before there are two, as the trainer's bar shows it."""
        sources: list[WandbLog | JsonlLog] = [*([self._tap] if self._tap else []), *self._segments[-1:]]
        if self._jsonl is not None:
            sources.append(self._jsonl)
        for source in sources:
            rate = _rate(source.times)
            if rate is not None:
                return rate
        return self._console.rate if self._console is not None else None

    @property
    def complete(self) -> bool:
        """Whether the trainer said that it is complete."""
        return self._console is not None and self._console.ended

    @property
    def ended(self) -> bool:
        """Whether the trainer said that it is complete, or W&B recorded its end."""
        return self.exit_code is not None or self.complete

    @property
    def problems(self) -> list[str]:
        """One sentence for everything that could not be read as it should."""
        readers: list[WandbLog | JsonlLog | ConsoleLog] = [*self._segments]
        readers += [reader for reader in (self._jsonl, self._tap, self._console) if reader is not None]
        found = self._notes + [problem for reader in readers for problem in reader.problems]
        if any(reader.columns.overflow for reader in readers):
            found.append(f"{self._run_dir}: only the first {MAX_KEYS} metric names were read")
        return found


def _rate(times: deque[tuple[int, float]]) -> float | None:
    if len(times) < 2:
        return None
    (first_step, first), (last_step, last) = times[0], times[-1]
    if not (last > first and last_step > first_step):
        return None
    return (last_step - first_step) / (last - first)
