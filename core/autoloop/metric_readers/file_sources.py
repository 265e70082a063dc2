"""Reads all metric files in a run's folder as one source: `FileSources`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoloop.metric_readers.columns import rate_of
from autoloop.metric_readers.csv_log import CsvLog
from autoloop.metric_readers.file_group import FileGroup
from autoloop.metric_readers.jsonl import JsonlLog
from autoloop.metric_readers.mlflow_files import MlflowFiles, in_order
from autoloop.metric_readers.row_files import RowFiles
from autoloop.metric_readers.run_files import RunFiles
from autoloop.metric_readers.sqlite_log import MlflowLog, TrackioLog
from autoloop.metric_readers.swanlab_log import SwanlabLog
from autoloop.metric_readers.tensorboard import TensorboardLog
from autoloop.metric_readers.trainer_state import TrainerLog, TrainerState
from autoloop.model import Series

_SPLIT = re.compile(
    r"train|training|val|valid|validation|test|eval|evaluation|(?:fold|rank|seed|worker|env|member|trial)[-_]?\d+",
    re.IGNORECASE,
)
"""Names of folders that distinguish metrics of the same names, such as Keras' `train` and `validation`."""
_TIME = re.compile(r"\d{9,}(\.\d+)?")


def merged(sources: Sequence[Mapping[str, Series]]) -> Mapping[str, Series]:
    """Merge the metrics of several sources; the first source with a metric wins, so that no point appears twice."""
    filled = [columns for columns in sources if columns]
    if len(filled) < 2:
        return filled[0] if filled else {}
    found: dict[str, Series] = {}
    for columns in filled:
        for key, series in columns.items():
            found.setdefault(key, series)
    return found


class FileSources:
    """The MetricReader of all files with metrics below `run_dir`; each poll looks for new ones.

    `axis` is the metric that counts the steps, if the preset names one. If a file has a step for each value (TensorBoard,
    the Trainer's), that step is used.
    """

    def __init__(self, run_dir: Path, axis: str | None = None) -> None:
        self._run_dir = run_dir
        self._files = RunFiles(run_dir)
        self._kinds = [
            # In order of precedence: sources written promptly and in full before late or partial ones.
            _Kind("jsonl", "jsonl", RowFiles(JsonlLog, axis, self._prefix)),
            _Kind(
                "tensorboard",
                "tensorboard",
                FileGroup(lambda path, columns: TensorboardLog(path, columns, self._board_prefix(path))),
            ),
            _Kind("database", "trackio", RowFiles(TrackioLog, axis, self._prefix)),
            _Kind("database", "mlflow", FileGroup(MlflowLog)),
            _Kind("mlflow", "mlflow", FileGroup(MlflowFiles), lambda paths: in_order(paths)[:1]),
            _Kind("swanlab", "swanlab", FileGroup(SwanlabLog)),
            _Kind("csv", "csv", RowFiles(CsvLog, axis, self._prefix)),
            _Kind("trainer_log", "trainer-log", FileGroup(TrainerLog)),
            _Kind("trainer_state", "trainer-state", FileGroup(TrainerState), _newest_states),
        ]
        self._boards: frozenset[Path] = frozenset()
        self._columns: Mapping[str, Series] = {}
        self.step = 0
        self.rate: float | None = None
        self._declined: list[Path] = []
        self._mlflow_runs = 0
        self.more = False

    @property
    def files(self) -> Iterable[Path]:
        paths = [log.path for kind in self._kinds for log in kind.group.logs]
        databases = [log.path for kind in self._kinds if kind.files == "database" for log in kind.group.logs]
        return [*paths, *(path.with_name(f"{path.name}-wal") for path in databases)]

    def poll(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        found = self._files.look() if look else self._files.found
        self._declined = found["aim"]
        self._mlflow_runs = len(found["mlflow"])
        self._boards = frozenset(path.parent for path in found["tensorboard"])
        new = False
        there = [kind for kind in self._kinds if found[kind.files] or kind.group.logs]
        for kind in there:
            new |= kind.poll(found[kind.files], budget)
        if new:
            self._columns = merged([kind.columns for kind in there])
        self.step = max((kind.step for kind in there), default=0)
        self.rate = next((rate for kind in there if (rate := kind.rate) is not None), None)
        self.more = new
        return new

    def skim(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        """Files complement other sources, so read them fully."""
        return self.poll(budget, look=look)

    def rules_out(self, path: Path) -> bool:
        """Whether a file that was written to, and that it does not read, cannot be a source outside W&B's folder."""
        return self._files.rules_out(path)

    def forget(self) -> None:
        """Drop all data read so far."""
        self._kinds = []
        self._columns, self.step, self.rate = {}, 0, None

    def _prefix(self, path: Path) -> str:
        """Return the prefix for a file's metrics, e.g. `validation/` in a folder of that name."""
        parts = path.parent.relative_to(self._run_dir).parts
        return "".join(f"{part}/" for part in parts if _SPLIT.fullmatch(part))

    def _board_prefix(self, path: Path) -> str:
        """Like `_prefix`; also includes the names of folders that `add_scalars` and the like create below the run's."""
        folder = path.parent
        above = next((each for each in folder.parents if each in self._boards and each.is_relative_to(self._run_dir)), None)
        if above is None:
            return self._prefix(path)
        parts = folder.relative_to(above).parts
        return self._prefix(above / "x") + "".join(f"{part}/" for part in parts if not _TIME.fullmatch(part))

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def kinds(self) -> list[str]:
        """The kinds of sources that have metrics, in order of precedence."""
        return list(dict.fromkeys(kind.name for kind in self._kinds if kind.columns))

    @property
    def kind(self) -> str:
        return self.kinds[0] if self.kinds else "files"

    @property
    def columns(self) -> Mapping[str, Series]:
        return self._columns

    @property
    def total_steps(self) -> int | None:
        """The number of steps that the training will make, if one of the files states it."""
        logs = [log for kind in self._kinds for log in kind.group.logs]
        totals = (log.total_steps for log in logs if isinstance(log, TrainerState | TrainerLog))
        return next((total for total in totals if total), None)

    @property
    def config(self) -> dict[str, Any]:
        """The hyperparameters in the TensorBoard files by name; empty if there are none."""
        logs = [log for kind in self._kinds for log in kind.group.logs]
        return {key: value for log in logs if isinstance(log, TensorboardLog) for key, value in log.hparams.items()}

    @property
    def problems(self) -> list[str]:
        found = list(dict.fromkeys(problem for kind in self._kinds for problem in kind.group.problems))
        if self._mlflow_runs > 1:
            found.append(f"{self._run_dir} has {self._mlflow_runs} MLflow runs; the first that logged a metric is read")
        if self._declined and not self._columns:
            found.append(
                f"{self._declined[0]}: Aim's repository cannot be read; let the trainer log to TensorBoard or JSON lines too"
            )
        return found


class _Kind:
    """The files of one kind: `files` is the key in the result of `RunFiles.look`, `name` the kind shown to users."""

    def __init__(
        self,
        files: str,
        name: str,
        group: FileGroup | RowFiles,
        choose: Callable[[list[Path]], list[Path]] | None = None,
    ) -> None:
        self.files = files
        self.name = name
        self.group = group
        self._choose = choose

    def poll(self, paths: list[Path], budget: int) -> bool:
        new = self.group.update(self._choose(paths) if self._choose else paths)
        return self.group.poll(budget) or new

    @property
    def columns(self) -> Mapping[str, Series]:
        return self.group.columns if isinstance(self.group, RowFiles) else self.group.columns.series

    @property
    def step(self) -> int:
        return self.group.step

    @property
    def rate(self) -> float | None:
        return rate_of(self.group.times)


def _newest_states(paths: list[Path]) -> list[Path]:
    """Return the last two that exist: the newest may be incomplete. Each contains the whole history before it."""
    found: list[Path] = []
    for path in reversed(paths):
        if path.is_file():
            found.insert(0, path)
        if len(found) == 2:
            break
    return found
