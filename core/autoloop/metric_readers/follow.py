"""One view of a running or finished training, whatever it writes: `follow(run_dir)`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoloop.metric_readers.console_log import ConsoleLog
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
) -> Follower:
    """Follows the run that writes below `run_dir`, which need not exist yet; nothing is read before the first `poll`.

    `run_id`: its W&B id, if that was chosen for it. `log`: the file with what it prints, in which `patterns` are looked
    for. `log_freq`: steps between two printed metric lines. `total_steps`: how many steps it is to make; a printed bar of
    another length is then not its progress. UserError if a pattern is not valid.
    """
    console = ConsoleLog(log, patterns or Console(), log_freq, total_steps) if log else None
    return Follower(WandbChoice(run_dir, run_id), JsonlRun(run_dir, run_id), console)


class Follower:
    """Metrics from the first of its readers that has any: W&B, `wandb-history.jsonl`, the console log.

    Progress (`step`, `total_steps`, `rate`) comes from whichever knows best.
    Nothing is held open between polls. Use it from one thread at a time.
    """

    def __init__(self, wandb: WandbChoice, rows: JsonlRun, console: ConsoleLog | None) -> None:
        self._wandb = wandb
        self._console = console
        self._readers: list[MetricReader] = [wandb, rows, *([console] if console else [])]
        """In order of precedence."""

    # ------------------------------------------------------------------------------------------------ reading

    def poll(self, budget: int = 4 << 20) -> bool:
        """Reads on, about `budget` bytes of each source; whether anything was new. Poll until False to read it all."""
        new = known = False
        for reader in self._readers:
            new |= reader.skim(budget) if known else reader.poll(budget)
            known = known or bool(reader.columns)
        return new

    def skip_log(self, keep: int) -> None:
        """Passes over all but the last `keep` bytes of what the console log still has to read."""
        if self._console is not None:
            self._console.skip(keep)

    def close(self) -> None:
        """Forgets what was read."""
        self._readers.clear()
        self._wandb.forget()
        self._console = None

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def source(self) -> str | None:
        """Where `columns` come from: `wandb`, `jsonl`, `console`, or None while there are none."""
        return next((reader.kind for reader in self._readers if reader.columns), None)

    @property
    def columns(self) -> Mapping[str, Series]:
        """Every metric with a value, by the trainer's name. The Series grow in place with `poll`."""
        return next((columns for reader in self._readers if (columns := reader.columns)), {})

    @property
    def wandb_id(self) -> str | None:
        """The id of the W&B run that is followed; None while there is none."""
        return self._wandb.run_id

    @property
    def others(self) -> list[str]:
        """The W&B runs beside the followed one, by name if they have one of their own."""
        return self._wandb.others

    @property
    def config(self) -> dict[str, Any]:
        """The run's config as W&B recorded it; empty if it did not."""
        return self._wandb.config

    @property
    def exit_code(self) -> int | None:
        """What W&B recorded at the end of the newest segment; None while it runs or if it was killed."""
        return self._wandb.exit_code

    @property
    def step(self) -> int:
        """The largest step that any source has seen."""
        return max((reader.step for reader in self._readers), default=0)

    @property
    def total_steps(self) -> int | None:
        """How many steps it will make, as the trainer printed it, else as `steps` of its config says."""
        if self._console is not None and self._console.total_steps is not None:
            return self._console.total_steps
        steps = self.config.get("steps")
        return steps if isinstance(steps, int) and not isinstance(steps, bool) else None

    @property
    def rate(self) -> float | None:
        """Steps per second over the last rows, pauses included; before there are two, as the trainer's bar shows it."""
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
        """One sentence for everything that could not be read as it should."""
        return [problem for reader in self._readers for problem in reader.problems]
