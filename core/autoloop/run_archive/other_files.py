"""Runs with files of loggers other than W&B: the folder of each run, and the files with its history."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from autoloop.metric_readers import sqlite_log
from autoloop.metric_readers.run_files import PASSED_OVER, folder_of, kind_of, tells_of_metrics

DATABASE = "database"
"""The kind of a tracker's database, which holds all runs of a project."""
_MLFLOW = "meta.yaml"
"""The file of a run that MLflow stores in files; the metrics are in a folder beside it."""


def is_source(path: str) -> bool:
    """Whether a file of a run's folder may hold its metrics, judged by its name and its beginning."""
    name = os.path.basename(path)
    if name == _MLFLOW:
        return os.path.isdir(os.path.join(os.path.dirname(path), "metrics"))
    kind = kind_of(name)
    return kind is not None and kind != DATABASE and tells_of_metrics(kind, path)


def runs_of(path: str, problems: list[str]) -> list[str]:
    """Return the runs in a tracker's database; empty for any other file. Read errors are reported in `problems`."""
    if kind_of(os.path.basename(path)) != DATABASE or not os.path.isfile(path):
        return []
    try:
        return sqlite_log.runs(Path(path))
    except (OSError, sqlite3.Error) as problem:
        problems.append(f"{path} cannot be read and was skipped: {getattr(problem, 'strerror', None) or problem}")
        return []


def by_run(root: str, sources: Iterable[str], taken: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the sources below `root` by the folder of their run: the topmost one that has a source itself. Sources in or
    below a folder of `taken`, which holds W&B runs, are omitted because they repeat W&B's data."""
    folders: dict[str, list[str]] = {}
    for path in sources:
        if not PASSED_OVER & set(os.path.relpath(path, root).split(os.sep)):
            folders.setdefault(folder_of(path), []).extend([path, *_metrics_beside(path)])
    owners = set(folders)
    closed = set(taken)
    runs: dict[str, list[str]] = {}
    for folder, paths in sorted(folders.items()):
        above = list(_above(folder))
        if not closed & {folder, *above}:
            runs.setdefault(next((each for each in above if each in owners), folder), []).extend(paths)
    return runs


def _above(folder: str) -> list[str]:
    """The parent folders, topmost first."""
    parts = folder.split(os.sep)
    return [os.sep.join(parts[:end]) for end in range(1, len(parts))]


def _metrics_beside(path: str) -> list[str]:
    if os.path.basename(path) != _MLFLOW:
        return []
    below = os.walk(os.path.join(os.path.dirname(path), "metrics"))
    return [os.path.join(folder, name) for folder, _, names in below for name in names]
