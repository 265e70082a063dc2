"""Runs that left files of other loggers than W&B: which folder is the run's, and which files are its history."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from autoloop.metric_readers import sqlite_log
from autoloop.metric_readers.run_files import PASSED_OVER, folder_of, kind_of, tells_of_metrics

DATABASE = "database"
"""A tracker's: it holds all runs of a project."""
_MLFLOW = "meta.yaml"
"""Of a run that MLflow keeps in files; its metrics lie in a folder beside it."""


def is_source(path: str) -> bool:
    """Whether a file of a run's folder may hold its metrics, by its name and what it begins with."""
    name = os.path.basename(path)
    if name == _MLFLOW:
        return os.path.isdir(os.path.join(os.path.dirname(path), "metrics"))
    kind = kind_of(name)
    return kind is not None and kind != DATABASE and tells_of_metrics(kind, path)


def runs_of(path: str, problems: list[str]) -> list[str]:
    """The runs of a tracker's database; none of any other file. What cannot be read is told to `problems`."""
    if kind_of(os.path.basename(path)) != DATABASE or not os.path.isfile(path):
        return []
    try:
        return sqlite_log.runs(Path(path))
    except (OSError, sqlite3.Error) as problem:
        problems.append(f"{path} cannot be read and was skipped: {getattr(problem, 'strerror', None) or problem}")
        return []


def by_run(root: str, sources: Iterable[str], taken: Iterable[str]) -> Mapping[str, list[str]]:
    """Sources below `root` by the folder of their run: the highest one that has a source itself. Those below a folder of
    `taken`, where W&B's runs lie, are left out: they repeat what W&B has."""
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
    """The folders that it lies in, the highest first."""
    parts = folder.split(os.sep)
    return [os.sep.join(parts[:end]) for end in range(1, len(parts))]


def _metrics_beside(path: str) -> list[str]:
    if os.path.basename(path) != _MLFLOW:
        return []
    below = os.walk(os.path.join(os.path.dirname(path), "metrics"))
    return [os.path.join(folder, name) for folder, _, names in below for name in names]
