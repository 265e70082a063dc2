"""Stores paths below the project relative to it, so that a project can be copied and moved.

In memory every path is absolute. In the file, a path below the project begins with `./`; any other path stays unchanged.
Records of the past (an attempt's argv, events) are not rewritten.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from autoloop.model import Attempt, Loop, LoopSpec, Run

T = TypeVar("T")

PATHS: dict[type, tuple[str, ...]] = {
    Loop: ("output_dir",),
    LoopSpec: (
        *("configs", "rules", "preset", "python", "train_script", "cwd", "output_root", "summary_out", "markdown_out"),
        "inherit_dataset_from",
    ),
    Run: ("config_path", "source_path", "output_dir", "wandb_sync"),
    Attempt: ("output_dir", "directory"),
}
"""The fields that hold a path or a list of paths."""


def to_stored(value: T, project: str) -> T:
    """The value with relative paths, for writing; `project` is the project's absolute path."""
    return _with_paths(value, lambda path: relative(path, project))


def from_stored(value: T, project: str) -> T:
    """The value with absolute paths, in the project's current location."""
    return _with_paths(value, lambda path: _absolute(path, project))


def relative(path: str, project: str) -> str:
    if path == project:
        return "."
    head = project.rstrip("/") + "/"
    return "./" + path[len(head) :] if path.startswith(head) else path


def _absolute(path: str, project: str) -> str:
    if path == ".":
        return project
    return os.path.join(project, path[2:]) if path.startswith("./") else path


def _with_paths(value: T, change: Callable[[str], str]) -> T:
    fields = PATHS.get(type(value))
    if fields is None:
        return value
    changed: dict[str, Any] = {}
    for name in fields:
        before = getattr(value, name)
        if isinstance(before, str):
            changed[name] = change(before)
        elif isinstance(before, list):
            changed[name] = [change(path) for path in before]
    if isinstance(value, Loop):
        changed["spec"] = _with_paths(value.spec, change)
    return msgspec.structs.replace(value, **changed)  # type: ignore[type-var]


def make_relative(db: sqlite3.Connection) -> None:
    """The migration from schema 2: make absolute paths relative to the project in which their loop was created."""
    projects: dict[int, str] = {}
    for loop, body in db.execute("SELECT id, body FROM loops").fetchall():
        document = json.loads(body)
        projects[loop] = project = document.get("spec", {}).get("cwd") or "/"
        _rewrite(document, PATHS[Loop], project)
        _rewrite(document.get("spec", {}), PATHS[LoopSpec], project)
        db.execute("UPDATE loops SET body = ? WHERE id = ?", (_encoded(document), loop))
    for table, kind in (("runs", Run), ("attempts", Attempt)):
        for key, loop, body in db.execute(f"SELECT id, loop, body FROM {table}").fetchall():
            document = json.loads(body)
            _rewrite(document, PATHS[kind], projects.get(loop, "/"))
            db.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (_encoded(document), key))


def _rewrite(document: dict[str, Any], fields: tuple[str, ...], project: str) -> None:
    if project == "/":  # the project is not recorded, so no path is known to be below it
        return
    for name in fields:
        value = document.get(name)
        if isinstance(value, str):
            document[name] = relative(value, project)
        elif isinstance(value, list):
            document[name] = [relative(path, project) if isinstance(path, str) else path for path in value]


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
