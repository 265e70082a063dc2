"""Finds files below a run's folder that may contain its metrics. W&B's folder is left to `find`."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from autoloop.metric_readers.csv_log import header_of
from autoloop.metric_readers.folder_stamps import FolderStamp, is_plain_file, nearest_listed, seen_again, stamp_of
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.step_axis import AXES
from autoloop.metric_readers.trainer_state import LOG_NAME
from autoloop.metric_readers.trainer_state import NAME as STATE_NAME

DEPTH = 6
"""Maximum depth of folders below the run's, as needed for `logs/rsl_rl/task/2026-01-31_12-00-00/summaries`."""
MOST_FOLDERS = 200
MOST_ENTRIES = 5000
"""Maximum entries per folder; a trainer that writes more files into one writes its metrics elsewhere."""
MOST_FILES = 200
"""Maximum files of one kind."""
HEAD = 64 << 10
"""Bytes at the start of a file that are read to check for metrics."""

PASSED_OVER = frozenset({"wandb", "__pycache__", "node_modules", "site-packages", "artifacts", "media", "checkpoints"})
"""Folders in which loggers other than W&B keep no metrics."""
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_JSONL = re.compile(r".*\.(jsonl|ndjson)|logs\.json\.txt")
_METRICS_CSV = ("metrics.csv", "progress.csv")
_METRICS_JSONL = ("metrics.jsonl", "metrics.ndjson")
_W_AND_B = re.compile(r"wandb-history\.jsonl|autoloop-tap.*\.jsonl")
_MLFLOW_RUN = frozenset({"meta.yaml", "metrics"})
"""Entries that identify the folder of a run in MLflow's file store."""

KINDS = ("tensorboard", "csv", "jsonl", "trainer_state", "trainer_log", "database", "swanlab", "mlflow", "aim")


@dataclass
class _Folder:
    seen: FolderStamp
    below: list[Path] = field(default_factory=list)
    files: list[tuple[str, Path]] = field(default_factory=list)
    linked: bool = False
    """Whether one of `files` is a link: writes are reported under the name of the file that it links to."""


class RunFiles:
    """The files of each kind below `root`, found by name. A folder is listed again only if it has changed.

    Links to folders are not followed, and hidden folders are skipped.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[Path, _Folder] = {}
        self._fitness: dict[Path, tuple[tuple[int, int], bool]] = {}
        self._undecided: list[tuple[str, Path]] = []
        self.found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
        """What the last `look` returned."""

    def look(self) -> dict[str, list[Path]]:
        """Return the paths by kind, older restarts first. CSV and JSON lines files count once their first rows fit."""
        seen: dict[Path, _Folder] = {}
        changed = False
        waiting = deque([(self.root, 0)])
        while waiting and len(seen) < MOST_FOLDERS:
            path, depth = waiting.popleft()
            folder = self._folder(path)
            if folder is None:
                continue
            seen[path] = folder
            changed |= folder is not self._folders.get(path)
            if depth < DEPTH:
                waiting += [(below, depth + 1) for below in folder.below]
        if changed or len(seen) != len(self._folders) or any(self._fits(*each) for each in self._undecided):
            self._folders = seen
            self._sort_out()
        return self.found

    def _sort_out(self) -> None:
        found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
        self._undecided = []
        for folder in self._folders.values():
            for kind, file in folder.files:
                if len(found[kind]) >= MOST_FILES:
                    continue
                if kind not in _FITTING or self._fits(kind, file):
                    found[kind].append(file)
                elif len(self._undecided) < MOST_FILES:
                    self._undecided.append((kind, file))
        for paths in found.values():
            paths.sort(key=_age)
        self.found = found

    def _folder(self, path: Path) -> _Folder | None:
        stamp, known = stamp_of(path), self._folders.get(path)
        if not stamp:
            return None
        if known is not None and known.seen.is_now(stamp):
            return known
        folder = _Folder(seen_again(known.seen if known else None, stamp, time.monotonic()))
        try:
            with os.scandir(path) as listing:
                entries = list(islice(listing, MOST_ENTRIES))
        except OSError:
            return None
        if {entry.name for entry in entries} >= _MLFLOW_RUN:
            folder.files.append(("mlflow", path))
            return folder
        for entry in entries:
            _sort_in(folder, path, entry)
        return folder

    def rules_out(self, path: Path) -> bool:
        """Whether a file that was written to cannot be a source, judging by its name, and no other file can have come with
        it: the innermost listed folder around it is unchanged. Folders in between are those that are never listed."""
        nearest = nearest_listed(path, self._folders)
        if nearest is None or _may_be_source(path.name) or path.is_relative_to(self.root / "wandb"):
            return False
        folder = self._folders[nearest]
        return (
            ("mlflow", nearest) not in folder.files
            and not any(_CHECKPOINT.fullmatch(each.name) for each in path.relative_to(nearest).parents)
            and not any(each.linked for each in self._folders.values())
            and folder.seen.is_now(stamp_of(nearest))
            and is_plain_file(path)
        )

    def _fits(self, kind: str, path: Path) -> bool:
        """Whether the file contains rows of metrics. A negative result is checked again when the file has changed."""
        try:
            state = os.stat(path)
            stamp = (state.st_ino, state.st_size)
            known = self._fitness.get(path)
            if known is not None and (known[1] or known[0] == stamp):
                return known[1]
            with open(path, "rb", buffering=0) as file:
                fits = _FITTING[kind](path.name, file.read(HEAD))
        except OSError:
            return False
        self._fitness[path] = (stamp, fits)
        return fits


def _sort_in(folder: _Folder, parent: Path, entry: os.DirEntry[str]) -> None:
    name, path = entry.name, parent / entry.name
    try:
        if entry.is_dir(follow_symlinks=False):
            if name == ".aim":
                folder.files.append(("aim", path))
            elif _CHECKPOINT.fullmatch(name):
                folder.files.append(("trainer_state", path / STATE_NAME))
            elif not name.startswith(".") and name not in PASSED_OVER:
                folder.below.append(path)
        elif (kind := kind_of(name)) is not None and entry.is_file():
            folder.files.append((kind, path))
            folder.linked |= entry.is_symlink()
    except OSError:
        pass


def folder_of(path: str) -> str:
    """Return the folder of a file's run, judging by the path: the parent folder, or its parent if that is a checkpoint."""
    folder = os.path.dirname(path)
    return os.path.dirname(folder) if _CHECKPOINT.fullmatch(os.path.basename(folder)) else folder


def tells_of_metrics(kind: str, path: str) -> bool:
    """Whether the file exists and, if the name alone does not identify its kind, begins with metrics."""
    if not os.path.isfile(path):
        return False
    if kind not in _FITTING:
        return True
    try:
        with open(path, "rb", buffering=0) as file:
            return _FITTING[kind](os.path.basename(path), file.read(HEAD))
    except OSError:
        return False


def kind_of(name: str) -> str | None:
    """Return the kind of source that a file of this name may be; None if it is none."""
    if "tfevents" in name:
        return "tensorboard"
    if name == STATE_NAME:
        return "trainer_state"
    if name == LOG_NAME:
        return "trainer_log"
    if name.endswith((".csv", "training.log")):
        return "csv"
    if _JSONL.fullmatch(name) and not _W_AND_B.fullmatch(name):
        return "jsonl"
    if name.endswith((".db", ".sqlite", ".sqlite3")):
        return "database"
    if name.endswith(".swanlab"):
        return "swanlab"
    return None


def _may_be_source(name: str) -> bool:
    """Whether a file of this name may be a source, be read beside one, or belong to a database."""
    if name.endswith((".wandb", "wandb-summary.json")) or _W_AND_B.fullmatch(name):
        return True
    return kind_of(name) is not None or kind_of(name.rpartition("-")[0]) == "database"


def _table_fits(name: str, head: bytes) -> bool:
    header, end, _ = head.partition(b"\n")
    names = header_of(header) if end else []
    return len(names) > 1 and (name in _METRICS_CSV or any(each in (*AXES, "step") for each in names))


def _lines_fit(name: str, head: bytes) -> bool:
    line, _, _ = head.lstrip(b"\xef\xbb\xbf").partition(b"\n")
    row = decoded(line)
    if not isinstance(row, dict):
        return False
    numbers = [key for key, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    if name in _METRICS_JSONL:
        return bool(numbers) or any(isinstance(value, dict) for value in row.values())
    return len(numbers) > 1 and any(key in (*AXES, "step", "_step") for key in numbers)


_FITTING = {"csv": _table_fits, "jsonl": _lines_fit}


def _age(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key for restarts, oldest first: `version_2` before `version_10`; dates and times in order."""
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for part in path.parts for piece in _pieces(part)]


def _pieces(part: str) -> Iterator[str]:
    yield from (piece for piece in re.split(r"(\d{1,18})", part) if piece)
    yield "/"
