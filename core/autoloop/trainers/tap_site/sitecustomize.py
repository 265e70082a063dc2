"""Mirrors the arguments of `run.log` to a JSONL file; on the PYTHONPATH of trainers with wandb older than 0.31.

Python imports a module of this name at startup. It runs in the training's own process and environment, so it uses only the
standard library, supports Python 3.8 and later, and ignores all its errors so that they cannot affect the training.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import time
from typing import Any

HOME = "wandb.sdk.wandb_run"
"""The module with the class Run and its `log`, in every wandb since 0.10."""


def install(file: str) -> None:
    """Wrap `Run.log` as soon as wandb is imported. Each W&B run gets its own file: `file` with the id before the suffix."""
    sys.meta_path.insert(0, _Finder(file))


class _Finder(importlib.abc.MetaPathFinder):
    """Waits for the import of one module, then removes itself."""

    def __init__(self, file: str) -> None:
        self.file = file

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != HOME:
            return None
        try:
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.loader is not None:
                _patch_after(spec.loader, self.file)
            return spec
        except Exception:
            return None  # the import continues with the remaining finders


def _patch_after(loader: Any, file: str) -> None:
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        execute(module)
        try:
            _wrap(module.Run, file)
        except Exception:
            return

    loader.exec_module = exec_module


def _wrap(run_class: Any, file: str) -> None:
    log = run_class.log
    begin, end = os.path.splitext(file)

    def mirrored(self: Any, data: Any = None, step: Any = None, *more: Any, **named: Any) -> Any:
        with contextlib.suppress(Exception):
            _write(f"{begin}-{self.id}{end}", data, self.step if step is None else step)
        return log(self, data, step, *more, **named)

    mirrored.__doc__, mirrored.__name__ = log.__doc__, log.__name__
    run_class.log = mirrored


def _write(file: str, data: Any, step: Any) -> None:
    """Append one row with a single write, because several processes may append to the file."""
    row = _plain(data)
    if not row:
        return
    line = json.dumps({"_step": int(step), "_timestamp": time.time(), **row}) + "\n"
    os.makedirs(os.path.dirname(file), exist_ok=True)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def _plain(data: Any) -> dict[str, Any]:
    """Return the numbers of a row, with their nesting; everything else (images, tables, text) is omitted."""
    row: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            row[str(key)] = _plain(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            row[str(key)] = value
        elif hasattr(value, "item") and getattr(value, "size", None) is not None:  # a scalar of numpy or torch
            try:
                row[str(key)] = float(value.item())
            except (TypeError, ValueError, RuntimeError):
                continue
    return row


def _go_on() -> None:
    """Run the sitecustomize that this one shadows, if the environment has one."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "sitecustomize":
    if os.environ.get("AUTOLOOP_TAP"):
        with contextlib.suppress(Exception):
            install(os.environ["AUTOLOOP_TAP"])
    _go_on()
