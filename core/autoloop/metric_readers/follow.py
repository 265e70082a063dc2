"""One view of a running or finished training, whatever it writes: `follow(run_dir)`."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from autoloop.metric_readers.columns import MAX_KEYS, Columns
from autoloop.metric_readers.console_log import LEROBOT, ConsoleLog, ConsolePatterns
from autoloop.metric_readers.find import jsonl_file, wandb_runs
from autoloop.metric_readers.jsonl import JsonlLog
from autoloop.metric_readers.summary_file import NAME as SUMMARY
from autoloop.metric_readers.summary_file import SummaryFile, missing_rows
from autoloop.metric_readers.wandb_run import WandbRun
from autoloop.model import Series


def follow(
    run_dir: Path,
    *,
    run_id: str | None = None,
    log: Path | None = None,
    want: Collection[str] | None = None,
    log_freq: int | None = None,
    patterns: ConsolePatterns = LEROBOT,
    total_steps: int | None = None,
) -> Follower:
    """Follows the run that writes below `run_dir`, which need not exist yet; nothing is read before the first `poll`.

    `run_id`: its W&B id, if that was chosen for it. `log`: the file with what it prints. `want`: the only metrics to read,
    by the trainer's names. `log_freq`: steps between two printed metric lines. `total_steps`: how many steps it is to make;
    a printed bar of another length is then not its progress. UserError if a pattern is not valid.
    """
    return Follower(run_dir, run_id, log, want, log_freq, patterns, total_steps)


SKIM = 4 << 10
"""Bytes at the end of the console log that are looked at for the progress, where the metrics come from elsewhere."""

NAMED = 64 << 10
"""Bytes of a W&B log in which the run's name stands."""


class Follower:
    """Metrics from W&B (`wandb_run.py`) if it has any, else from `wandb-history.jsonl`, else from the console log.

    A trainer may start several W&B runs: ranks, folds. They are never mixed: followed is the one with the id that was
    asked for, else the first, by the time of its start, that has logged a metric. `wandb_id` is its id, `others` the rest.

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
        total_steps: int | None,
    ) -> None:
        self._run_dir = run_dir
        self._run_id = run_id
        self._want = want
        self._runs: dict[str, WandbRun] = {}
        self._wandb: WandbRun | None = None
        self._jsonl: JsonlLog | None = None
        self._jsonl_summary: SummaryFile | None = None
        self._console = ConsoleLog(log, Columns(want), log_freq, patterns, total_steps) if log else None

    # ------------------------------------------------------------------------------------------------ reading

    def poll(self, budget: int = 4 << 20) -> bool:
        """Reads on, about `budget` bytes of each source; whether anything was new. Poll until False to read it all."""
        new = self._poll_wandb(budget)
        if self._wandb is None or not self._wandb.columns:
            new |= self._poll_jsonl(budget)
        if self._console is not None:
            if self.source in ("wandb", "jsonl"):
                # Its metrics are not shown then, and parsing a flood of lines for the progress alone costs too much.
                self._console.skip(SKIM)
            new |= self._console.poll(budget)
        return new

    def _poll_wandb(self, budget: int) -> bool:
        found = wandb_runs(self._run_dir)
        new = False
        for files in found:
            if files.run_id in self._runs:
                new |= self._runs[files.run_id].update(files)
            else:
                self._runs[files.run_id] = WandbRun(files, self._want)
        # What was removed stays read; the others are in the order of their start.
        ids = dict.fromkeys([files.run_id for files in found] + list(self._runs))
        before, self._wandb = self._wandb, None
        for run in [self._runs[self._run_id]] if self._run_id in self._runs else [self._runs[id_] for id_ in ids]:
            new |= run.poll(budget)
            if run.columns or self._wandb is None:
                self._wandb = run
            if run.columns:
                break
        return new or self._wandb is not before

    def _poll_jsonl(self, budget: int) -> bool:
        if self._jsonl is None:
            path = jsonl_file(self._run_dir, self._run_id)
            if path is None:
                return False
            self._jsonl = JsonlLog(path, Columns(self._want))
            self._jsonl_summary = SummaryFile(path.with_name(SUMMARY))
        new = self._jsonl.poll(budget)
        if self._jsonl_summary is not None and (self._jsonl_summary.poll() or new):
            self._jsonl.put_last(self._jsonl_summary.values, self._jsonl_summary.step)
        return new

    def skip_log(self, keep: int) -> None:
        """Passes over all but the last `keep` bytes of what the console log still has to read."""
        if self._console is not None:
            self._console.skip(keep)

    def close(self) -> None:
        """Forgets what was read."""
        self._runs.clear()
        self._wandb = self._jsonl = self._jsonl_summary = self._console = None

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def source(self) -> str | None:
        """Where `columns` come from: `wandb`, `jsonl`, `console`, or None while there are none."""
        if self._wandb is not None and self._wandb.columns:
            return "jsonl" if self._wandb.tapped else "wandb"
        if self._jsonl is not None and self._jsonl.columns.series:
            return "jsonl"
        return "console" if self._console is not None and self._console.columns.series else None

    @property
    def wandb_id(self) -> str | None:
        """The id of the W&B run that is followed; None while there is none."""
        return self._wandb.run_id if self._wandb is not None else None

    @property
    def others(self) -> list[str]:
        """The W&B runs beside the followed one, by name where they have one of their own."""
        others = [run for run in self._runs.values() if run is not self._wandb]
        for run in others:
            if not run.name:
                run.poll(NAMED)
        return [called(run) for run in others]

    @property
    def approximate(self) -> bool:
        """Whether `columns` were printed numbers: few digits, and steps that were reckoned."""
        return self.source == "console"

    @property
    def columns(self) -> Mapping[str, Series]:
        """Every metric with a value, by the trainer's name. The Series grow in place with `poll`."""
        if self._wandb is not None and self._wandb.columns:
            return self._wandb.columns
        if self._jsonl is not None and self._jsonl.columns.series:
            return self._jsonl.columns.series
        return self._console.columns.series if self._console is not None else {}

    @property
    def config(self) -> dict[str, Any]:
        """The run's config as W&B recorded it; empty if it did not."""
        return self._wandb.config if self._wandb is not None else {}

    @property
    def exit_code(self) -> int | None:
        """What W&B recorded at the end of the newest segment; None while it runs or if it was killed."""
        return self._wandb.exit_code if self._wandb is not None else None

    @property
    def step(self) -> int:
        """The largest step that any source has seen."""
        sources = (self._wandb, self._jsonl, self._console)
        return max((source.step for source in sources if source is not None), default=0)

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
        sources = [*(self._wandb.times if self._wandb else []), *([self._jsonl.times] if self._jsonl else [])]
        for times in sources:
            if (rate := _rate(times)) is not None:
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
        readers = (self._wandb, self._jsonl, self._jsonl_summary, self._console)
        found = [problem for reader in readers if reader is not None for problem in reader.problems]
        if self._jsonl is not None and self._jsonl_summary is not None:
            said = missing_rows(self._jsonl.path, self._jsonl_summary.step, self._jsonl.step, self._jsonl.rows)
            found += [said] if said else []
        if self._jsonl is not None and self._jsonl.columns.overflow:
            found.append(f"{self._run_dir}: only the first {MAX_KEYS} metric names were read")
        return found


def called(run: WandbRun) -> str:
    """A W&B run, in a word for a person."""
    return f"{run.name} ({run.run_id})" if run.name else run.run_id


def _rate(times: deque[tuple[int, float]]) -> float | None:
    if len(times) < 2:
        return None
    (first_step, first), (last_step, last) = times[0], times[-1]
    if not (last > first and last_step > first_step):
        return None
    return (last_step - first_step) / (last - first)
