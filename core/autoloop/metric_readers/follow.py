"""A uniform view of a running or finished training, whatever it writes: `follow(run_dir)`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from autoloop.metric_readers.console_log import ConsoleLog
from autoloop.metric_readers.file_sources import FileSources, merged
from autoloop.metric_readers.jsonl_run import JsonlRun
from autoloop.metric_readers.reader import MetricReader
from autoloop.metric_readers.wandb_choice import WandbChoice
from autoloop.model import Series
from autoloop.trainers.presets import Console


def follow(
    run_dir: Path,
    *,
    run_id: str | None = None,
    log: Path | None = None,
    log_freq: int | None = None,
    patterns: Console | None = None,
    total_steps: int | None = None,
    axis: str | None = None,
) -> Follower:
    """Follow the run that writes below `run_dir`, which need not exist yet. Nothing is read before the first `poll`.

    `run_id`: its W&B id, if that was chosen in advance. `log`: its console log, read with `patterns`; lines that they do not
    match are read as those of any trainer. Without `patterns` it is not read. `log_freq`: steps between two printed metric
    lines. `total_steps`: the number of steps it will make; printed bars of other lengths are then not its progress.
    `axis`: the metric that counts its steps, if the preset names one. Raises UserError if a pattern is invalid.
    """
    console = ConsoleLog(log, patterns, log_freq, total_steps) if log and patterns else None
    return Follower(WandbChoice(run_dir, run_id, axis), JsonlRun(run_dir, run_id, axis), FileSources(run_dir, axis), console)


class Follower:
    """Metrics from all available sources: W&B (else `wandb-history.jsonl`) and the files of other loggers; if none of them
    has any, the console log. If several sources have a metric, the first one wins.

    Progress (`step`, `total_steps`, `rate`) comes from the best available source.
    No file is kept open between polls. Use it from one thread at a time.
    """

    def __init__(self, wandb: WandbChoice, rows: JsonlRun, files: FileSources, console: ConsoleLog | None) -> None:
        self._wandb = wandb
        self._files = files
        self._console = console
        self._readers: list[MetricReader] = [wandb, rows, files, *([console] if console else [])]
        """In order of precedence."""
        self._columns: Mapping[str, Series] = {}
        self._read_by: dict[str, list[MetricReader]] | None = None
        """The readers of each file; None until it is needed."""
        self.more = False
        """Whether the last poll may have left something because of its budget."""

    # ------------------------------------------------------------------------------------------------ reading

    def poll(self, budget: int = 4 << 20, changed: Collection[str] | None = None) -> bool:
        """Read about `budget` bytes of each source. Returns whether anything was new; poll until False to read it all.

        `changed`: the only files that were written to since the last poll, if the caller knows them. If each of them is read
        already or cannot be a source, only their readers read; the caller must name a file again that is written during this
        poll.
        """
        concerned = self._readers_of(changed) if changed is not None else None
        new = known = self.more = False
        for reader in self._readers:
            if concerned is None or reader in concerned:
                read = reader.skim if known else reader.poll
                new |= read(budget, look=concerned is None)
                self.more |= reader.more
            known = known or bool(reader.columns)
        if concerned is None:
            self._read_by, self.more = None, new
        if new:
            self._columns = self._merged()
        return new

    def _readers_of(self, changed: Collection[str]) -> list[MetricReader] | None:
        """The readers of these files; None if one of them may be a source that no reader reads yet."""
        if self._read_by is None:
            self._read_by = {}
            for reader in self._readers:
                for path in reader.files:
                    self._read_by.setdefault(str(path), []).append(reader)
        found: list[MetricReader] = []
        for name in changed:
            readers = self._read_by.get(name)
            if readers is None and not (self._wandb.rules_out(Path(name)) or self._files.rules_out(Path(name))):
                return None
            found += readers or []
        return found

    def _merged(self) -> Mapping[str, Series]:
        files = self._files.columns
        rows = next((reader.columns for reader in self._readers[:2] if reader.columns), {})
        if rows or files:
            return merged([rows, files])
        return self._console.columns if self._console is not None else {}

    def skip_log(self, keep: int) -> None:
        """Skip all but the last `keep` bytes of the unread part of the console log."""
        if self._console is not None:
            self._console.skip(keep)

    def close(self) -> None:
        """Drop all data read so far."""
        self._readers.clear()
        self._read_by = None
        self._wandb.forget()
        self._files.forget()
        self._columns = {}
        self._console = None

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def source(self) -> str | None:
        """The first of `sources`; None while there are none."""
        return next(iter(self.sources), None)

    @property
    def sources(self) -> list[str]:
        """The kinds of sources of `columns`, in order of precedence: `wandb`, `tensorboard`, `csv` …"""
        found = [reader.kind for reader in self._readers[:2] if reader.columns][:1] + self._files.kinds
        return found or ([self._console.kind] if self._console is not None and self._console.columns else [])

    @property
    def columns(self) -> Mapping[str, Series]:
        """Every metric with a value, by the trainer's name, on the trainer's step axis. The Series grow with `poll`."""
        return self._columns

    @property
    def wandb_id(self) -> str | None:
        """The id of the followed W&B run; None while there is none."""
        return self._wandb.run_id

    @property
    def others(self) -> list[str]:
        """The other W&B runs in the folder, by display name if they have one."""
        return self._wandb.others

    @property
    def config(self) -> dict[str, Any]:
        """The run's config from W&B, else TensorBoard's hyperparameters; empty if there is neither."""
        return self._wandb.config or self._files.config

    @property
    def exit_code(self) -> int | None:
        """The exit code that W&B recorded in the newest segment; None while the run is running or if it was killed."""
        return self._wandb.exit_code

    @property
    def step(self) -> int:
        """The largest step that any source has seen."""
        return max((reader.step for reader in self._readers), default=0)

    @property
    def total_steps(self) -> int | None:
        """The number of steps it will make: as printed by the trainer, else from the files, else `steps` in its config."""
        if self._console is not None and self._console.total_steps is not None:
            return self._console.total_steps
        if self._files.total_steps is not None:
            return self._files.total_steps
        steps = self.config.get("steps")
        return steps if isinstance(steps, int) and not isinstance(steps, bool) else None

    @property
    def rate(self) -> float | None:
        """Steps per second over the last rows, including pauses; with fewer than two rows, the rate on the trainer's bar."""
        return next((rate for reader in self._readers if (rate := reader.rate) is not None), None)

    @property
    def complete(self) -> bool:
        """Whether the trainer printed that it is complete."""
        return self._console is not None and self._console.ended

    @property
    def ended(self) -> bool:
        """Whether the trainer printed that it is complete, or W&B recorded its end."""
        return self.exit_code is not None or self.complete

    @property
    def problems(self) -> list[str]:
        """One sentence for each thing that could not be read properly."""
        return [problem for reader in self._readers for problem in reader.problems]
